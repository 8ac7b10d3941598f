from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.jobs import gates
from reco_plugin.jobs.gates import Difference, Gate, Limits
from reco_plugin.trainers.base import Learnt

LIMIT = Limits(interactions=1_000, shoppers=25, coverage=0.02, top_share=0.9)


def learnt(items: np.ndarray, biases: np.ndarray | None = None) -> Learnt:
    d = items.shape[1]
    return Learnt(
        item_vectors=items.astype(np.float32),
        item_biases=np.zeros(len(items), np.float32) if biases is None else biases,
        shopper_vectors=np.ones((3, d), np.float32),
        feature_vectors=np.zeros((0, d), np.float32),
        feature_biases=np.zeros(0, np.float32),
        epochs=1,
    )


def difference(
    mean: float, error: float, *, popular: float = 0.1, shoppers: int = 50
) -> Difference:
    return Difference(served=popular + mean, popular=popular, error=error, shoppers=shoppers)


@pytest.mark.parametrize(
    ("interactions", "shoppers", "verdicts"),
    [(1_000, 25, [True, True]), (999, 25, [False, True]), (1_000, 24, [True, False])],
)
def test_minimum_data_counts_both(interactions, shoppers, verdicts):
    found = gates.minimum_data(interactions, shoppers, LIMIT)
    assert [gate.passed for gate in found] == verdicts


def test_minimum_data_says_where_a_history_comes_from_when_there_is_none():
    none, some = (gates.minimum_data(count, 0, LIMIT)[0].words for count in (0, 1))
    assert "reco_backfill" in none
    assert "reco_backfill" not in some


def test_minimum_data_says_what_there_is_and_what_is_needed():
    words = gates.minimum_data(12, 3, LIMIT)[0].words
    assert "12 interactions" in words
    assert "1,000" in words
    assert "RECO_MIN_INTERACTIONS" in words


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_fails_finite(bad):
    items = np.ones((4, 2))
    assert gates.finite(learnt(items)).passed is True
    items[2, 1] = bad
    found = gates.finite(learnt(items))
    assert found.passed is False
    assert "1 numbers are not finite" in found.words


def test_equal_scores_for_every_product_fail_spread():
    queries = np.ones((5, 4), np.float32)
    assert gates.spread(learnt(np.ones((30, 4))), queries).passed is False
    assert gates.spread(learnt(np.zeros((30, 4))), queries).passed is False
    varied = np.random.default_rng(1).normal(size=(30, 4))
    assert gates.spread(learnt(varied), queries).passed is True


def test_spread_does_not_depend_on_the_scale_of_the_vectors():
    varied = np.random.default_rng(1).normal(size=(30, 4))
    queries = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    values = [gates.spread(learnt(varied * scale), queries).value for scale in (1e-6, 1, 1e4)]
    assert values == pytest.approx([values[0]] * 3, rel=1e-3)


def test_one_product_is_not_measured():
    found = gates.spread(learnt(np.ones((1, 4))), np.ones((5, 4), np.float32))
    assert found.passed is None


def lists(rows: list[list[int]]) -> np.ndarray:
    return np.asarray(rows, dtype=np.int32)


def test_the_same_list_for_everybody_fails_the_top_share():
    same = lists([list(range(10))] * 100)
    coverage, top_share = gates.breadth(same, 1_000, LIMIT)
    assert coverage.passed is False
    assert top_share.passed is False
    assert "100.0%" in top_share.words


def test_varied_lists_pass():
    random = np.random.default_rng(3)
    varied = np.stack([random.choice(1_000, 10, replace=False) for _ in range(200)])
    assert [gate.passed for gate in gates.breadth(varied.astype(np.int32), 1_000, LIMIT)] == [
        True,
        True,
    ]


def test_few_shoppers_beside_a_large_catalogue_can_pass_coverage():
    """25 lists of 10 cannot hold 2 % of 20,000 products; they are held to what they could."""
    random = np.random.default_rng(3)
    varied = np.stack([random.choice(20_000, 10, replace=False) for _ in range(25)])
    coverage, _ = gates.breadth(varied.astype(np.int32), 20_000, LIMIT)
    assert coverage.passed is True


def test_a_catalogue_no_longer_than_a_list_is_not_measured():
    found = gates.breadth(lists([list(range(10))] * 3), 10, LIMIT)
    assert [gate.passed for gate in found] == [None, None]


def test_a_catalogue_little_longer_than_a_list_is_not_failed_by_arithmetic():
    """Of 11 products every list of 10 leaves out one: the most frequent is in over 90 % of lists."""
    rotated = lists([[(start + at) % 11 for at in range(10)] for start in range(11)])
    assert gates.breadth(rotated, 11, LIMIT)[1].passed is True


@pytest.mark.parametrize(
    ("mean", "error", "verdict"),
    [
        (0.02, 0.01, True),
        (-0.01, 0.02, True),
        (-0.03, 0.01, False),
        (-0.004, 0.0, True),
        (-0.006, 0.0, False),
    ],
    ids=["better", "undecided", "worse", "worse by less than 5 %", "surely worse by 6 %"],
)
def test_popularity_fails_only_beyond_tolerance_and_chance(mean, error, verdict):
    assert gates.not_worse_than_popular(difference(mean, error)).passed is verdict


def test_popularity_states_statistic_error_and_line():
    words = gates.not_worse_than_popular(difference(-0.03, 0.01)).words
    for part in ("NDCG@10", "0.0700", "0.1000", "50", "-0.0300", "0.0100", "-0.0050", "5 %"):
        assert part in words


def test_popularity_without_evaluation_is_marked_not_measured():
    assert gates.not_worse_than_popular(None).words.startswith("not measured")
    assert gates.passed([gates.not_worse_than_popular(None)])
    lonely = difference(-0.04, 0.0, shoppers=1)
    assert gates.not_worse_than_popular(lonely).passed is None


@given(st.lists(st.sampled_from([True, False, None]), max_size=6))
def test_one_failed_gate_stops_a_run_and_nothing_else_does(verdicts):
    found = [Gate(name="g", passed=verdict, words="") for verdict in verdicts]
    assert gates.passed(found) is (False not in verdicts)


@given(st.floats(), st.floats())
def test_gates_are_json_whatever_the_figures(value, limit):
    gate = Gate(name="g", passed=False, words="", value=value, limit=limit)
    told = json.loads(json.dumps(gate.as_json(), allow_nan=False))
    assert told["value"] is None or math.isfinite(told["value"])


def test_limits_follow_the_settings(settings):
    settings.RECO_MIN_INTERACTIONS = 7
    settings.RECO_MAX_TOP_SHARE = 0.5
    assert gates.limits().interactions == 7
    assert gates.limits().top_share == 0.5


def test_r14_a_training_that_would_not_fit_is_refused_before_it_begins():
    (gate,) = gates.memory(900.0, 512)
    assert gate.passed is False
    assert "takes about 900 MiB (may take 512, RECO_TRAIN_MEMORY_MB)" in gate.words
    assert "RECO_WINDOW_DAYS" in gate.words


@pytest.mark.parametrize(("needed", "limit"), [(512.0, 512), (10.0, 512), (1e9, 0)])
def test_r14_a_training_that_fits_is_told_what_it_takes(needed, limit):
    (gate,) = gates.memory(needed, limit)
    assert gate.passed is True
    assert f"{needed:,.0f} MiB" in gate.words


def test_r14_a_trainer_that_cannot_tell_is_not_judged():
    assert gates.memory(None, 512) == []


def test_r14_lightfm_reckons_a_million_shoppers_and_products_in_gigabytes():
    from scipy import sparse

    from reco_plugin.trainers.lightfm import LightFM
    from reco_plugin.types import Dataset, IdMap

    million = IdMap(keys=np.arange(10**6))
    empty = sparse.csr_matrix((10**6, 10**6), dtype=np.float32)
    dataset = Dataset(interactions=empty, shoppers=million, items=million)
    small, large = (LightFM({"dimensions": d}).memory_mb(dataset) for d in (32, 64))
    assert 1_900 < large < 2_100
    assert large / small == pytest.approx(65 / 33)
