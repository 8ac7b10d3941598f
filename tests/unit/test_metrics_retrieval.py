from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reco_plugin.metrics.retrieval import agreement, label_precision, nearest

LINE = np.array([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])


def test_the_nearest_come_first_and_the_query_never():
    assert nearest(LINE, np.array([0, 3]), 2).tolist() == [[1, 2], [2, 1]]


def test_pictures_of_the_same_product_are_left_out():
    groups = np.array([7, 7, 8, 9])
    assert nearest(LINE, np.array([0]), 2, groups=groups).tolist() == [[2, 3]]


def test_too_few_others_leave_places_empty():
    found = nearest(LINE, np.array([0]), 5)
    assert found.tolist() == [[1, 2, 3, -1, -1]]
    assert label_precision(found, np.array([0]), np.zeros(4, int)).tolist() == [0.6]


def test_equals_go_by_row():
    assert nearest(np.ones((5, 2)), np.array([2]), 3).tolist() == [[0, 1, 3]]


def test_all_of_several_labels_must_agree():
    labels = np.array([[1, 1], [1, 1], [1, 2], [2, 1]])
    found = nearest(LINE, np.array([0]), 3)
    assert label_precision(found, np.array([0]), labels[:, 0]).tolist() == [2 / 3]
    assert label_precision(found, np.array([0]), labels).tolist() == [1 / 3]


def test_an_unknown_label_agrees_with_nothing_and_is_no_query():
    labels = np.array([-1, 3, 3, -1])
    found = nearest(LINE, np.array([0, 1]), 3)
    assert agreement(found, np.array([0, 1]), labels).tolist() == [[0, 0, 0], [0, 1, 0]]
    figures = label_precision(found, np.array([0, 1]), labels)
    assert np.isnan(figures[0])
    assert figures[1] == pytest.approx(1 / 3)


def test_no_query_no_figure():
    assert nearest(LINE, np.zeros(0, int), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("vectors", "queries", "k"),
    [
        (LINE, [4], 2),
        (LINE, [-1], 2),
        (LINE, [0], 0),
        (LINE[0], [0], 1),
        (np.array([[np.nan, 1.0]]), [0], 1),
    ],
)
def test_nonsense_is_refused(vectors, queries, k):
    with pytest.raises(ValueError, match=r"queries|do not go|finite"):
        nearest(vectors, np.array(queries), k)


def test_groups_must_be_of_all_rows():
    with pytest.raises(ValueError, match="groups"):
        nearest(LINE, np.array([0]), 1, groups=np.zeros(3, int))


_SMALL = hnp.arrays(
    np.int64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(-2, 2)
)


@given(_SMALL, st.integers(1, 6), st.data())
def test_it_is_what_sorting_by_hand_gives(vectors, k, data):
    n = len(vectors)
    groups = data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, 4)))
    found = nearest(vectors.astype(float), np.arange(n), k, groups=groups)
    for query in range(n):
        others = [row for row in range(n) if groups[row] != groups[query]]
        others.sort(key=lambda row: (-int(vectors[query] @ vectors[row]), row))
        wanted = (others + [-1] * k)[:k]
        assert found[query].tolist() == wanted
