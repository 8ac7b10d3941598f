from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin import metrics

N_ITEMS = 12


@st.composite
def cases(draw):
    """Lists (n, 5) without repeats, -1 for empty places at the end, and a hold-out."""
    n = draw(st.integers(1, 6))
    lists = [draw(st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=5)) for _ in range(n)]
    wanted = [draw(st.sets(st.integers(0, N_ITEMS - 1), max_size=7)) for _ in range(n)]
    return lists, wanted, draw(st.integers(1, 5))


def arrays(lists, wanted):
    ranked = np.array([[*mine, *[-1] * (5 - len(mine))] for mine in lists], np.int32)
    dense = np.zeros((len(wanted), N_ITEMS), np.float32)
    for row, items in enumerate(wanted):
        dense[row, list(items)] = 1
    return ranked, sparse.csr_matrix(dense)


@settings(deadline=None)
@given(cases())
def test_figures_agree_with_ones_written_by_hand(case):
    lists, wanted, k = case
    ranked, holdout = arrays(lists, wanted)
    recall, ndcg, hit, reciprocal = [], [], [], []
    for mine, want in zip(lists, wanted, strict=True):
        if not want:
            continue
        places = [place for place, item in enumerate(mine[:k]) if item in want]
        recall.append(len(places) / len(want))
        ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(want))))
        ndcg.append(sum(1 / math.log2(place + 2) for place in places) / ideal)
        hit.append(float(bool(places)))
        reciprocal.append(1 / (places[0] + 1) if places else 0.0)
    assert np.allclose(metrics.recall_at_k(ranked, holdout, k), recall)
    assert np.allclose(metrics.ndcg_at_k(ranked, holdout, k), ndcg)
    assert metrics.hit_rate(ranked, holdout, k).tolist() == hit
    assert np.allclose(metrics.mrr(ranked, holdout, k), reciprocal)
    assert metrics.judged(holdout).tolist() == [row for row, want in enumerate(wanted) if want]


@settings(deadline=None)
@given(cases())
def test_catalogue_figures_agree_with_ones_written_by_hand(case):
    lists, wanted, k = case
    ranked, _ = arrays(lists, wanted)
    shown = [item for mine in lists for item in mine[:k]]
    assert metrics.coverage(ranked, N_ITEMS, k) == len(set(shown)) / N_ITEMS
    filled = [mine for mine in lists if mine]
    most = max((sum(item in mine[:k] for mine in filled) for item in shown), default=0)
    assert metrics.top_share(ranked, k) == (most / len(filled) if filled else 0.0)


@settings(deadline=None)
@given(cases())
def test_all_figures_are_shares(case):
    lists, wanted, k = case
    report = metrics.evaluate(*arrays(lists, wanted), k=k)
    figures = [report.recall.mean, report.ndcg.mean, report.hit_rate.mean, report.mrr.mean]
    assert all(0 <= figure <= 1 + 1e-12 for figure in [*figures, report.coverage, report.top_share])
    assert report.shoppers == sum(map(bool, wanted))


def test_zeros_and_unsorted_entries_of_a_holdout_are_understood():
    indices, data = np.array([5, 2, 0]), np.array([1, 1, 0], np.float32)
    holdout = sparse.csr_matrix((data, indices, np.array([0, 3, 3])), shape=(2, N_ITEMS))
    ranked = np.array([[2, 0], [1, 2]], np.int32)
    assert metrics.recall_at_k(ranked, holdout).tolist() == [0.5]
    assert holdout.indices.tolist() == [5, 2, 0]


def test_items_beyond_the_holdout_are_no_hits():
    holdout = sparse.csr_matrix(np.array([[0, 0], [1, 0]], np.float32))
    assert metrics.recall_at_k(np.array([[2, 3], [2, 1]]), holdout).tolist() == [0.0]


@pytest.mark.parametrize(
    ("ranked", "k", "said"),
    [
        (np.zeros((3, 2), np.int32), None, "3 rows and the hold-out 2"),
        (np.zeros((2, 2), np.int32), 3, "k is 3, but the lists hold 2 places"),
        (np.zeros((2, 2), np.int32), 0, "k at least 1"),
        (np.zeros(2, np.int32), None, "must be"),
    ],
)
def test_what_does_not_fit_is_refused(ranked, k, said):
    with pytest.raises(ValueError, match=said):
        metrics.ndcg_at_k(ranked, sparse.csr_matrix((2, 4)), k)


def test_a_report_in_json():
    told = metrics.evaluate(*arrays([[0, 1]], [{1}]), k=2).as_dict()
    assert told["mrr@2"] == {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 1}
    assert told["coverage@2"] == 2 / N_ITEMS
    assert told["top_share@2"] == 1.0


# --- variance ------------------------------------------------------------------------------------


def test_equal_scores_have_no_variance():
    assert metrics.score_variance(np.ones((3, 4), np.float32)) == 0.0
    assert metrics.score_variance(np.full((1, 4), -np.inf)) == 0.0


def test_variance_is_per_row_and_leaves_empty_places_out():
    scores = np.array([[1, 3, -np.inf], [100, 100, 100]], np.float32)
    assert metrics.score_variance(scores) == pytest.approx((1.0 + 0.0) / 2)


# --- intervals -----------------------------------------------------------------------------------


def test_the_normal_interval_is_the_textbook_one():
    found = metrics.normal_interval([0.0, 0.0, 1.0, 1.0])
    assert found.mean == 0.5
    assert found.high - found.mean == pytest.approx(1.959964 * math.sqrt((1 / 3) / 4), rel=1e-5)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


@pytest.mark.parametrize(
    "interval", [metrics.normal_interval, partial(metrics.bootstrap_interval, draws=200)]
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(interval):
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        found = interval(random.exponential(size=80), confidence=0.9)
        held += found.low <= 1.0 <= found.high
    assert 0.8 <= held / 200 <= 0.97


@pytest.mark.parametrize("interval", [metrics.normal_interval, metrics.bootstrap_interval])
def test_intervals_of_nothing_and_of_one(interval):
    assert interval([]).as_dict() == {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 0}
    assert interval([0.25]).as_dict() == {"mean": 0.25, "low": 0.25, "high": 0.25, "n": 1}


def test_the_bootstrap_repeats_itself():
    values = np.arange(20.0)
    assert metrics.bootstrap_interval(values) == metrics.bootstrap_interval(values)
    assert metrics.bootstrap_interval(values) != metrics.bootstrap_interval(values, seed=1)
