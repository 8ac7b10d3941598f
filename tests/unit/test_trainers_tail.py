from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.trainers.tail import in_tail, tail


def numbers(*values):
    return np.asarray(values, np.float32)


def test_the_head_is_the_few_that_have_most_of_the_exposure():
    assert in_tail(numbers(500, 400, 50, 50, 0)).tolist() == [False, False, True, True, True]


def test_items_seen_alike_are_all_in_the_tail_or_none():
    assert in_tail(numbers(7, 7, 7)).all()
    assert in_tail(numbers(0, 0)).all()
    assert in_tail(numbers()).tolist() == []


def test_liked_or_new_of_the_tail_the_best_liked_first():
    scores = tail(
        numbers(900, 10, 10, 10, 0, 0),
        numbers(90, 5, 1, 0, 0, 0),
        np.asarray([False, False, False, False, True, False]),
    )
    assert scores[0] == scores[3] == scores[5] == 0
    assert scores[1] > scores[2] > 0
    assert scores[4] > 0


def test_where_everybody_took_what_they_saw_the_number_decides():
    """A log of orders: those who saw a product are those who bought it."""
    sold = numbers(100, 5, 2, 3, 0)
    scores = tail(sold, sold, np.asarray([False, False, False, False, True]))
    assert np.argsort(-scores).tolist()[:4] == [1, 3, 2, 4]
    assert scores[0] == 0 < scores[4]


def test_where_nobody_liked_anything_new_products_stand():
    scores = tail(numbers(9, 0), numbers(0, 0), np.asarray([False, True]))
    assert scores[0] == 0 < scores[1]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.booleans()), max_size=30))
def test_a_score_lies_within_0_and_1_and_the_head_has_none(shop):
    seen, liked, fresh = (np.asarray([row[at] for row in shop]) for at in range(3))
    seen, liked = seen.astype(np.float32), liked.astype(np.float32)
    scores = tail(seen, liked, fresh.astype(bool))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert not scores[~in_tail(seen)].any()
