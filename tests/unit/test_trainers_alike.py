"""What is like an item nobody has taken: rare features in common, and what sells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from reco_plugin.trainers import alike
from reco_plugin.trainers.alike import Alike


def rows(*told, of=8):
    """Features (numbers) of each item."""
    dense = np.zeros((len(told), of), np.float32)
    for row, features in enumerate(told):
        dense[row, list(features)] = 0.3
    return sparse.csr_matrix(dense)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(alike, "COMMONEST", 0.5)


def lists(known, new, k=3, taken=None, **options):
    counts = np.ones(known.shape[0], np.float32) if taken is None else np.asarray(taken, np.float32)
    return [found.tolist() for found in Alike(known, counts).lists(new, k, **options)]


def test_rare_features_in_common_come_first():
    known = rows({0, 1}, {0, 2}, {0, 3}, {4}, {5}, {6}, {7})
    assert lists(known, rows({0, 2})) == [[1, 0, 2]]


def test_of_two_as_alike_the_one_that_sells():
    known = rows({0, 1}, {0, 1}, {2}, {3}, {4})
    assert lists(known, rows({0, 1}), taken=[3, 30, 900, 9, 9]) == [[1, 0]]


def test_what_sells_does_not_outdo_much_likeness():
    known = rows({0, 1, 2}, {2, 5, 6}, {2, 7}, {3}, {4}, {5}, {6})
    assert lists(known, rows({0, 1, 2}), taken=[10, 40, 10, 9, 9, 9, 9])[0][0] == 0


def test_what_most_have_tells_nothing_apart():
    known = rows({0, 1}, {0, 2}, {0, 3}, {0})
    assert lists(known, rows({0}, {0, 3})) == [[], [2]]


def test_nothing_in_common_is_no_list():
    assert lists(rows({0}, {1}, {2}), rows(set(), {7})) == [[], []]


def test_never_met_is_better_than_nothing():
    assert lists(rows({0}, {1}, {2}), rows({1}), taken=[0, 0, 0]) == [[1]]


@given(
    known=arrays.arrays(np.float32, (6, 5), elements=st.sampled_from([0, 0.5])),
    new=arrays.arrays(np.float32, (4, 5), elements=st.sampled_from([0, 0.5])),
    taken=arrays.arrays(np.float32, 6, elements=st.floats(0, 50, width=32)),
    k=st.integers(1, 7),
)
def test_some_rows_at_a_time_are_as_all_at_once(known, new, taken, k):
    left, right = sparse.csr_matrix(known), sparse.csr_matrix(new)
    whole = lists(left, right, k, taken)
    assert lists(left, right, k, taken, block=1) == whole
    for row, found in enumerate(whole):
        assert len(found) == len(set(found)) <= k
        for item in found:
            assert (known[item] * new[row]).any()
