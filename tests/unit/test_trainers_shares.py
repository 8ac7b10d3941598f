from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.trainers.rates import WORTH
from reco_plugin.trainers.shares import usual

NAMES = 5


def of(counts: np.ndarray) -> np.ndarray:
    """`counts` (shoppers, names)"""
    shopper, name = np.nonzero(counts)
    many = counts[shopper, name]
    return usual(np.repeat(shopper, many), np.repeat(name, many), n_names=counts.shape[1])


def drawn(strength: float, seed: int = 0) -> np.ndarray:
    """400 shoppers of a Dirichlet-multinomial."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(strength * np.array([0.4, 0.3, 0.15, 0.1, 0.05]), size=400)
    return np.stack([rng.multinomial(rng.integers(2, 30), each) for each in shares])


@pytest.mark.parametrize("strength", [4.0, 20.0, 80.0])
def test_the_strength_that_was_planted_is_found(strength):
    assert of(drawn(strength)).sum() == pytest.approx(strength, rel=0.25)


def test_shares_are_those_of_the_shop():
    found = of(drawn(20.0))
    assert found / found.sum() == pytest.approx([0.4, 0.3, 0.15, 0.1, 0.05], abs=0.03)


def test_shoppers_who_keep_to_their_own_leave_little_to_the_shop():
    assert of(10 * np.eye(NAMES, dtype=int)).sum() == pytest.approx(WORTH[0])


def test_shoppers_who_are_all_alike_leave_all_to_it():
    assert of(np.full((50, NAMES), 3)).sum() == pytest.approx(WORTH[1])


def test_one_shopper_who_buys_everything_is_not_the_shop():
    counts = np.zeros((101, 2), int)
    counts[:100, 0], counts[100, 1] = 1, 100
    found = of(counts)
    assert found[0] > 5 * found[1]


def test_nobody_wanted_anything():
    assert of(np.zeros((3, NAMES), int)).tolist() == [0.0] * NAMES


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, NAMES - 1)), min_size=1, max_size=60))
def test_whatever_was_wanted_the_prior_is_worth_something_within_its_limits(rows):
    shopper, name = np.array(rows).T
    found = usual(shopper, name, n_names=NAMES)
    assert (found >= 0).all()
    assert WORTH[0] * 0.999 <= found.sum() <= WORTH[1] * 1.001
    assert set(np.flatnonzero(found)) == set(name.tolist())
