"""Every figure against one written by hand, over cases hypothesis thinks of."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin import metrics

N_ITEMS = 9
items = st.integers(0, N_ITEMS - 1)


@st.composite
def cases(draw):
    n = draw(st.integers(1, 5))
    lists = [draw(st.lists(items, unique=True, max_size=4)) for _ in range(n)]
    sets = [draw(st.sets(items, max_size=6)) for _ in range(n)]
    return lists, sets


def arrays(lists, sets, width=4):
    ranked = np.array([[*mine, *[-1] * (width - len(mine))] for mine in lists], np.int32)
    dense = np.zeros((len(sets), N_ITEMS), np.float32)
    for row, mine in enumerate(sets):
        dense[row, list(mine)] = 1
    return ranked, sparse.csr_matrix(dense)


def same(found, wanted):
    assert found.shape == (len(wanted),)
    assert np.allclose(found, [math.nan if one is None else one for one in wanted], equal_nan=True)


# --- more of accuracy ----------------------------------------------------------------------------


@settings(deadline=None)
@given(cases(), st.integers(1, 4))
def test_precision_f1_accuracy_and_average_precision(case, k):
    lists, sets = case
    ranked, holdout = arrays(lists, sets)
    precision, f1, right, average = [], [], [], []
    for mine, want in zip(lists, sets, strict=True):
        if not want:
            continue
        hit = [item in want for item in mine[:k]]
        p, r = sum(hit) / k, sum(hit) / len(want)
        precision.append(p)
        f1.append(2 * p * r / (p + r) if p else 0.0)
        right.append(sum((item in mine[:k]) == (item in want) for item in range(N_ITEMS)) / N_ITEMS)
        gained = sum(sum(hit[: at + 1]) / (at + 1) for at, it in enumerate(hit) if it)
        average.append(gained / min(len(want), k))
    same(metrics.precision_at_k(ranked, holdout, k), precision)
    same(metrics.f1_at_k(ranked, holdout, k), f1)
    same(metrics.accuracy_at_k(ranked, holdout, N_ITEMS, k), right)
    same(metrics.average_precision(ranked, holdout, k), average)


@settings(deadline=None)
@given(st.data())
def test_auc_counts_pairs(data):
    scores = np.array(data.draw(st.lists(st.integers(0, 3), min_size=6, max_size=6)), np.float32)
    want = data.draw(st.sets(st.integers(0, 5)))
    out = data.draw(st.sets(st.integers(0, 5)))
    pairs = [
        (scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b])
        for a in want - out
        for b in set(range(6)) - want - out
    ]
    wanted = sparse.csr_matrix(np.array([[at in want for at in range(6)]], np.float32))
    barred = np.array([[at in out for at in range(6)]])
    found = metrics.auc(scores[None], wanted, barred=barred)
    same(found, [float(np.mean(pairs)) if pairs else None])


def test_auc_of_chance_is_a_half_and_unlike_shapes_are_refused():
    wanted = sparse.csr_matrix(np.eye(3, 5, dtype=np.float32))
    assert metrics.auc(np.ones((3, 5)), wanted).tolist() == [0.5] * 3
    with pytest.raises(ValueError, match="scores are"):
        metrics.auc(np.ones((3, 4)), wanted)


# --- beyond it -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(cases())
def test_novelty_is_the_share_not_seen(case):
    lists, seen = case
    want = [
        sum(item not in old for item in mine) / len(mine) if mine else None
        for mine, old in zip(lists, seen, strict=True)
    ]
    same(metrics.novelty(*arrays(lists, seen)), want)


@settings(deadline=None)
@given(cases(), st.lists(st.integers(0, 8), min_size=N_ITEMS, max_size=N_ITEMS))
def test_self_information_is_the_mean_surprise(case, counts):
    ranked, _ = arrays(*case)
    want = [
        np.mean([-math.log2(max(counts[item], 1) / 8) for item in mine]) if mine else None
        for mine in case[0]
    ]
    same(metrics.self_information(ranked, np.array(counts), 8), want)


@settings(deadline=None)
@given(cases(), st.lists(items, unique=True, min_size=2, max_size=2))
def test_serendipity_is_what_was_wanted_and_not_obvious(case, obvious):
    lists, wanted = case
    ranked, holdout = arrays(lists, wanted)
    want = [
        sum(item in w and item not in obvious for item in mine) / len(mine) if mine else None
        for mine, w in zip(lists, wanted, strict=True)
    ]
    same(metrics.serendipity(ranked, holdout, np.tile(obvious, (len(lists), 1))), want)


@settings(deadline=None)
@given(cases(), st.integers(0, 1000))
def test_diversity_is_one_less_the_mean_cosine(case, seed):
    random = np.random.default_rng(seed)
    features = random.integers(0, 3, (N_ITEMS, 4)).astype(np.float64)
    ranked, _ = arrays(*case)

    def cosine(one, other):
        size = np.linalg.norm(features[one]) * np.linalg.norm(features[other])
        return features[one] @ features[other] / size if size else 0.0

    want = [
        1 - np.mean([cosine(a, b) for a, b in combinations(mine, 2)]) if len(mine) > 1 else None
        for mine in case[0]
    ]
    same(metrics.diversity(ranked, sparse.csr_matrix(features)), want)


@settings(deadline=None)
@given(cases(), st.lists(st.integers(1, 8), min_size=N_ITEMS, max_size=N_ITEMS))
def test_popularity_bias_compares_the_list_to_the_shopper(case, counts):
    lists, seen = case
    counts = np.array(counts)
    want = [
        np.mean(counts[mine]) / np.mean(counts[list(old)]) - 1 if mine and old else None
        for mine, old in zip(lists, seen, strict=True)
    ]
    ranked, history = arrays(lists, seen)
    same(metrics.popularity_bias(ranked, counts, history), want)


@settings(deadline=None)
@given(cases(), st.integers(0, 1000))
def test_calibration_is_the_divergence_of_categories(case, seed):
    random = np.random.default_rng(seed)
    categories = (random.random((N_ITEMS, 3)) < 0.5).astype(np.float32)
    lists, seen = case

    def shares(of):
        total = np.zeros(3)
        for item in of:
            if categories[item].sum():
                total += categories[item] / categories[item].sum()
        return total / total.sum() if total.sum() else None

    want = []
    for mine, old in zip(lists, seen, strict=True):
        p, q = shares(old), shares(mine)
        if p is None or q is None:
            want.append(None)
            continue
        mixed = 0.99 * q + 0.01 * p
        want.append(sum(a * math.log2(a / b) for a, b in zip(p, mixed, strict=True) if a > 0))
    ranked, history = arrays(lists, seen)
    found = metrics.calibration(ranked, history, sparse.csr_matrix(categories))
    assert np.allclose(
        found, [math.nan if one is None else one for one in want], atol=1e-6, equal_nan=True
    )


def test_a_list_of_the_shopper_s_own_shares_is_calibrated():
    categories = sparse.csr_matrix(np.eye(N_ITEMS, 2, dtype=np.float32))
    ranked, seen = arrays([[0, 1]], [{0, 1}])
    assert metrics.calibration(ranked, seen, categories).tolist() == [0.0]


@settings(deadline=None)
@given(cases())
def test_gini_is_the_mean_difference_of_two_items(case):
    ranked, _ = arrays(*case)
    counts = metrics.item_counts(ranked, N_ITEMS)
    apart = np.abs(counts[:, None] - counts[None, :]).sum()
    want = apart / (2 * N_ITEMS * counts.sum()) if counts.sum() else 0.0
    assert metrics.gini(ranked, N_ITEMS) == pytest.approx(want)


def test_sets_of_other_shoppers_are_refused():
    with pytest.raises(ValueError, match="2 lists, but sets of 3 rows"):
        metrics.novelty(np.zeros((2, 1), np.int32), sparse.csr_matrix((3, 4)))


# --- pairs ---------------------------------------------------------------------------------------


def test_a_ratio_is_the_ratio_of_means_and_pairs_make_it_sure():
    random = np.random.default_rng(0)
    theirs = random.exponential(size=400)
    ours = 1.1 * theirs
    found = metrics.ratio_interval(ours, theirs)
    assert found.mean == pytest.approx(1.1)
    assert found.low == pytest.approx(1.1)
    assert found.high == pytest.approx(1.1)
    shuffled = metrics.ratio_interval(random.permutation(ours), theirs)
    assert shuffled.high - shuffled.low > 0.1


def test_ratios_to_nothing():
    assert metrics.ratio_interval([1, 0], [0, 0]).mean == math.inf
    assert metrics.ratio_interval([0, 0], [0, 0]).low == 1.0
    assert metrics.ratio_interval([], []).n == 0


def test_intervals_of_pairs_hold_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(1)
    held = [0, 0]
    for _ in range(150):
        theirs = random.exponential(size=80)
        ours = theirs + random.normal(0.2, 0.5, size=80)
        for at, (interval, truth) in enumerate(
            [(metrics.ratio_interval, 1.2), (metrics.difference_interval, 0.2)]
        ):
            found = interval(ours, theirs, confidence=0.9, draws=200)
            held[at] += found.low <= truth <= found.high
    assert all(0.8 <= one / 150 <= 0.97 for one in held)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_the_permutation_test_agrees_with_all_permutations(differences):
    apart = np.array([one for one in differences if one], float)
    found = metrics.permutation_test(differences, np.zeros(len(differences)), draws=4_000)
    if not len(apart):
        assert found == 1.0
        return
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(apart))).reshape(len(apart), -1)
    exact = (np.abs(signs.T @ apart) >= abs(apart.sum()) - 1e-9).mean()
    assert found == pytest.approx(exact, abs=0.04)


def test_what_is_no_pair_is_refused():
    with pytest.raises(ValueError, match="are no pairs"):
        metrics.permutation_test([1, 2], [1])
