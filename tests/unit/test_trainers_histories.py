from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.trainers.histories import histories
from reco_plugin.trainers.transitions import largest, product, query

events = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 9), st.integers(0, 2)),
    max_size=30,
)


def past(found):
    rows, items, at, basket = (
        (np.array(part, np.int64) for part in zip(*found, strict=True))
        if found
        else [np.zeros(0, np.int64)] * 4
    )
    return histories(rows, items, n_rows=5, n_items=7, at=at, basket=rows * 3 + basket)


@settings(deadline=None)
@given(events)
def test_every_event_is_there_once_and_rows_stay_apart(found):
    mine = past(found)
    assert sorted(zip(mine.rows, mine.items, strict=True)) == sorted((r, i) for r, i, _, _ in found)
    assert mine.starts[0] == 0
    assert mine.starts[-1] == len(found)


@settings(deadline=None)
@given(events)
def test_baskets_stay_together_and_do_not_fall(found):
    mine = past(found)
    for start, stop in zip(mine.starts[:-1], mine.starts[1:], strict=True):
        assert (np.diff(mine.basket[start:stop]) >= 0).all()
        distinct = (
            len({(r, b) for r, _, _, b in found if r == mine.rows[start]}) if stop > start else 0
        )
        assert len(set(mine.basket[start:stop])) == distinct
        if stop > start:
            assert mine.steps_back[stop - 1] == 0
            assert mine.steps_back[start] == distinct - 1
            assert mine.events_back[start] == stop - start - 1


@settings(deadline=None)
@given(events, st.lists(st.integers(0, 4), max_size=8))
def test_selecting_rows_takes_their_events(found, rows):
    mine = past(found)
    chosen = mine.select(np.array(rows, np.int64))
    for place, row in enumerate(rows):
        here, there = slice(*chosen.starts[place : place + 2]), slice(*mine.starts[row : row + 2])
        assert np.array_equal(chosen.items[here], mine.items[there])
        assert np.array_equal(chosen.at[here], mine.at[there])


def test_order_is_that_of_time_then_that_given():
    mine = histories(
        np.array([0, 0, 1, 0]),
        np.array([3, 1, 2, 0]),
        n_rows=2,
        n_items=4,
        at=np.array([5, 1, 0, 1]),
    )
    assert mine.items.tolist() == [1, 0, 3, 2]
    unordered = histories(np.array([0, 0, 1, 0]), np.array([3, 1, 2, 0]), n_rows=2, n_items=4)
    assert unordered.items.tolist() == [3, 1, 0, 2]


def test_a_basket_counts_as_one_step():
    mine = histories(
        np.zeros(4, int), np.array([0, 1, 2, 3]), n_rows=1, n_items=4, basket=np.array([7, 7, 9, 9])
    )
    assert query(mine, decay=0.5).toarray().tolist() == [[0.5, 0.5, 1, 1]]
    assert query(mine, decay=0.5, window=1).toarray().tolist() == [[0, 0, 0, 1]]
    assert mine.by_basket().sets().toarray().tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


def test_keep_drops_events_and_no_rows():
    mine = histories(np.array([0, 1, 1]), np.array([0, 1, 0]), n_rows=2, n_items=2)
    kept = mine.keep(mine.items == 0)
    assert kept.lengths.tolist() == [1, 1]
    assert mine.keep(mine.items > 5).lengths.tolist() == [0, 0]


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"item numbers must lie in 0..1"):
        histories(np.array([0]), np.array([2]), n_rows=1, n_items=2)
    with pytest.raises(ValueError, match="row numbers"):
        histories(np.array([1]), np.array([0]), n_rows=1, n_items=2)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 60))
def test_the_largest_of_a_product_are_those_of_the_whole(seed, k, block):
    from scipy import sparse

    random = np.random.default_rng(seed)
    left = sparse.csr_matrix(random.integers(0, 3, (6, 5)).astype(np.float32))
    found = product(left, left.T.tocsr(), k, block=block).toarray()
    dense = (left @ left.T).toarray()
    np.fill_diagonal(dense, 0)
    for row in range(6):
        order = np.argsort(-dense[row], kind="stable")[:k]
        want = np.zeros(6)
        want[order] = dense[row][order]
        assert found[row].tolist() == want.tolist()


def test_largest_takes_lower_columns_of_equals_and_leaves_short_rows():
    from scipy import sparse

    matrix = sparse.csr_matrix(np.array([[1, 2, 2, 2], [5, 0, 0, 0]], np.float32))
    assert largest(matrix, 2).toarray().tolist() == [[0, 2, 2, 0], [5, 0, 0, 0]]
