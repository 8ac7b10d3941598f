from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.ranking import folds
from reco_plugin.testing.neighbours import HOUR, planted_histories
from reco_plugin.trainers.histories import histories

CUTS = {
    "leave-last-out": folds.last_event,
    "new": lambda past: folds.last_basket(past, new=True),
    "again": lambda past: folds.last_basket(past, new=False),
    "cart": folds.cart,
    "visit": lambda past: folds.next_in_visit(past, share=0.3),
    "time": folds.after_moment,
}


@st.composite
def logs(draw):
    found = draw(
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 9), st.integers(0, 2)),
            min_size=1,
            max_size=40,
        )
    )
    rows, items, at, basket = (np.array(part, np.int64) for part in zip(*found, strict=True))
    return histories(
        rows, items, n_rows=6, n_items=8, at=at * HOUR, basket=(rows * 3 + basket) * 10 + at
    )


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@settings(deadline=None, max_examples=40)
@given(past=logs())
def test_every_request_wants_something_it_may_be_answered(cut, past):
    fold = cut(past)
    assert fold.wanted.shape == (len(fold.requests), past.n_items)
    assert (np.diff(fold.wanted.indptr) > 0).all()
    assert not (fold.requests.barred() & (fold.wanted.toarray() > 0)).any()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@settings(deadline=None, max_examples=40)
@given(past=logs())
def test_what_is_learnt_and_what_is_asked_do_not_overlap(cut, past):
    fold = cut(past)
    assert len(fold.train.items) <= len(past.items)
    wanted_events = int(fold.wanted.sum()) if cut is not CUTS["visit"] else 0
    assert len(fold.train.items) + wanted_events <= len(past.items)
    if len(fold.train.at) and fold.requests.now is not None and cut is folds.after_moment:
        assert fold.train.at.max() < fold.requests.now.min(initial=np.iinfo(np.int64).max)


def test_the_newest_event_is_hidden_and_short_rows_only_teach():
    past = histories(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 4]), n_rows=2, n_items=5)
    fold = folds.last_event(past)
    assert fold.train.items.tolist() == [0, 1, 3, 4]
    assert fold.wanted.toarray().tolist() == [[0, 0, 1, 0, 0]]
    assert fold.requests.past.items.tolist() == [0, 1]
    assert fold.requests.exclude.toarray().tolist() == [[1, 1, 0, 0, 0]]


def test_a_last_basket_with_nothing_new_asks_only_for_what_comes_again():
    past = histories(
        np.zeros(3, int), np.array([0, 1, 0]), n_rows=1, n_items=2, basket=np.array([0, 0, 1])
    )
    assert len(folds.last_basket(past, new=True).requests) == 0
    assert folds.last_basket(past, new=False).wanted.toarray().tolist() == [[1, 0]]


def test_a_cart_lacks_the_item_that_is_asked_for_and_nothing_of_it_is_learnt():
    past = planted_histories()
    fold = folds.cart(past, seed=1)
    assert len(fold.requests)
    both = fold.requests.here.sets().multiply(fold.wanted)
    assert both.nnz == 0
    assert len(fold.train.items) == len(past.items) - int((past.steps_back == 0).sum())


def test_prefixes_of_a_visit():
    visits = histories(np.array([0, 0, 0, 1]), np.array([4, 2, 3, 1]), n_rows=2, n_items=5)
    fold = folds.prefixes(visits)
    here = fold.requests.here
    assert [
        here.items[a:b].tolist() for a, b in zip(here.starts[:-1], here.starts[1:], strict=True)
    ] == [
        [4],
        [4, 2],
    ]
    assert fold.wanted.indices.tolist() == [2, 3]


def test_the_newest_visits_are_held_out():
    at = np.array([9, 9, 1, 1, 5, 5]) * HOUR
    past = histories(np.array([0, 0, 1, 1, 2, 2]), np.arange(6), n_rows=3, n_items=6, at=at)
    fold = folds.next_in_visit(past, share=0.34)
    assert fold.train.lengths.tolist() == [0, 2, 2]
    assert fold.wanted.indices.tolist() == [1]


def test_a_cut_in_time_needs_times():
    past = histories(np.array([0]), np.array([0]), n_rows=1, n_items=1)
    with pytest.raises(ValueError, match="needs the events' times"):
        folds.after_moment(past)


def test_new_items_are_asked_of_the_others_among_themselves():
    past = planted_histories()
    fold = folds.new_items(past, seed=3)
    new = fold.requests.eligible
    assert new.sum() == 12
    assert not new[fold.train.items].any()
    assert new[fold.wanted.indices].all()
    assert not new[fold.requests.past.items].any()
