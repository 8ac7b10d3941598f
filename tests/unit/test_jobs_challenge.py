"""A new run beside the live one: who is judged, on what, and when the verdict is no."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.jobs import gates
from reco_plugin.jobs.challenge import FEWEST, Beside, Both, Compared, compare, head, verdicts
from reco_plugin.jobs.trial import K

SHOPPERS, ITEMS = 200, 60


def wants(seed: int = 0, each: int = 3) -> sparse.csr_matrix:
    random = np.random.default_rng(seed)
    dense = np.zeros((SHOPPERS, ITEMS), np.float32)
    for row in dense:
        row[random.choice(ITEMS, each, replace=False)] = 1
    return sparse.csr_matrix(dense)


def lists(wanted: sparse.csr_matrix, right: float, seed: int = 1) -> np.ndarray:
    """Lists that begin with what a shopper wanted, for a share `right` of them."""
    random = np.random.default_rng(seed)
    found = np.empty((wanted.shape[0], K), np.int32)
    for row in range(wanted.shape[0]):
        own = wanted[row].indices
        others = random.permutation(np.setdiff1d(np.arange(ITEMS), own))
        lead = own if random.random() < right else others[:0]
        found[row] = np.concatenate([lead, others])[:K]
    return found


def both(ours: np.ndarray, theirs: np.ndarray, wanted: sparse.csr_matrix) -> Both:
    seen = sparse.csr_matrix(np.tri(SHOPPERS, ITEMS, -1, dtype=np.float32))  # row n has met n
    top = np.arange(ITEMS) < 10
    return Both(ours=ours, theirs=theirs, wanted=wanted, seen=seen, head=top)


def beside(pair: Both) -> Beside:
    return Beside(run=7, at=0, shoppers=len(pair.ours), figures=compare(pair))


def verdict(pair: Both, name: str) -> gates.Gate:
    return next(gate for gate in verdicts(beside(pair)) if gate.name == name)


def test_a_run_is_not_worse_than_itself():
    wanted = wants()
    same = lists(wanted, 0.5)
    found = verdicts(beside(both(same, same, wanted)))
    assert {gate.name for gate in found} >= {
        "live",
        "live_coverage",
        "live_top_share",
        "live_long_tail",
    }
    assert gates.passed(found)


def test_a_clear_loss_is_refused_and_a_clear_gain_is_not():
    wanted = wants()
    good, poor = lists(wanted, 0.8), lists(wanted, 0.3)
    assert verdict(both(poor, good, wanted), "live").passed is False
    assert verdict(both(good, poor, wanted), "live").passed is True


def test_a_loss_that_may_be_chance_is_let_through():
    wanted = wants()
    found = compare(both(lists(wanted, 0.5, seed=2), lists(wanted, 0.52, seed=3), wanted))[0]
    assert found.low < 0 < found.high
    assert verdicts(Beside(run=7, at=0, shoppers=9, figures=(found,)))[0].passed is True


@pytest.mark.parametrize(("high", "passed"), [(-0.0019, True), (-0.0021, False)])
def test_a_certain_loss_is_tolerated_up_to_the_setting(high, passed):
    """2 % of .1 is .002: a shop large enough would else refuse every run for nothing."""
    figure = Compared(name="ndcg", ours=0.098, theirs=0.1, n=99, low=-0.003, high=high)
    (gate,) = verdicts(Beside(run=7, at=0, shoppers=99, figures=(figure,)))
    assert gate.passed is passed


def test_the_same_list_for_everybody_fails_coverage_and_top_share_beside_a_varied_one():
    wanted = wants()
    one = np.tile(np.arange(K, dtype=np.int32), (SHOPPERS, 1))
    pair = both(one, lists(wanted, 0.0), wanted)
    assert verdict(pair, "live_coverage").passed is False
    assert verdict(pair, "live_top_share").passed is False


def test_who_gives_up_the_long_tail_for_the_head_is_refused():
    """The total stands, the slice does not."""
    wanted = wants(each=6)
    popular = np.arange(ITEMS) < 10
    ours, theirs = lists(wanted, 1.0), lists(wanted, 1.0)
    for row in range(SHOPPERS):
        own = wanted[row].indices
        ours[row, : len(own)] = np.where(popular[own], own, np.arange(10, 10 + len(own)))
    gate = verdict(both(ours, theirs, wanted), "live_long_tail")
    assert gate.passed is False
    assert "in the long tail" in gate.words


def test_too_small_a_slice_is_not_judged():
    wanted = wants()
    seen = sparse.csr_matrix(np.ones((SHOPPERS, ITEMS), np.float32))  # nobody is new
    pair = both(lists(wanted, 0.5), lists(wanted, 0.5), wanted)
    pair = Both(ours=pair.ours, theirs=pair.theirs, wanted=wanted, seen=seen, head=pair.head)
    assert "new_shoppers" not in {figure.name for figure in compare(pair)}
    assert FEWEST > 1


def test_why_nothing_was_compared_is_told_and_stops_nothing():
    (gate,) = verdicts("run 7, which is live, kept no trial to compare with")
    assert gate.passed is None
    assert "run 7" in gate.words


def test_the_figures_are_json():
    wanted = wants()
    told = beside(both(lists(wanted, 0.6), lists(wanted, 0.5), wanted)).as_json()
    assert json.loads(json.dumps(told, allow_nan=False))["run"] == 7
    assert {figure["name"] for figure in told["figures"]} >= {"ndcg", "coverage", "top_share"}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_the_head_is_the_fewest_products_with_half_of_what_happened(columns):
    met = sparse.csr_matrix(
        (np.ones(len(columns)), (range(len(columns)), columns)), shape=(len(columns), 10)
    )
    counts, chosen = np.bincount(columns, minlength=10), head(met)
    assert 2 * counts[chosen].sum() >= counts.sum()
    least = np.flatnonzero(chosen)[np.argmin(counts[chosen])]
    assert 2 * (counts[chosen].sum() - counts[least]) < counts.sum()
