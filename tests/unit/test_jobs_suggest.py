"""Votes of products that look alike, and how far they are to be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.jobs.certainty import BIN, FEWEST, Certainty
from reco_plugin.jobs.guessing import VOTERS, vote

KNOWN = np.eye(4, dtype=np.float32).repeat(VOTERS, axis=0)
VALUES = np.repeat(np.arange(4, dtype=np.int32), VOTERS)


def measured(strengths, right) -> Certainty:
    found = Certainty.measured(np.asarray(strengths, np.float32), np.asarray(right, np.bool_))
    assert found is not None
    return found


def test_those_that_look_alike_say_what_it_is():
    values, strengths = vote(np.eye(4, dtype=np.float32)[[2, 0]], KNOWN, VALUES)
    assert values.tolist() == [2, 0]
    assert strengths == pytest.approx([1, 1])


def test_the_nearer_count_for_more_and_dissent_for_less():
    known = np.asarray([[1, 0], [0.6, 0.8], [0.6, 0.8]], np.float32)
    values, strengths = vote(np.asarray([[1, 0]], np.float32), known, np.asarray([5, 7, 7]))
    assert values.tolist() == [7]
    assert strengths == pytest.approx([1.2 / VOTERS])


def test_who_has_no_say_is_not_asked():
    without = sparse.csr_matrix((VALUES == 2).astype(np.float32))
    values, strengths = vote(np.eye(4, dtype=np.float32)[[2]], KNOWN, VALUES, without=without)
    assert values.tolist() == [-1]
    assert strengths.tolist() == [0]


def test_nobody_to_ask_and_nothing_to_ask_about():
    nothing = np.zeros((0, 4), np.float32)
    assert vote(KNOWN[:1], nothing, VALUES[:0])[0].tolist() == [-1]
    assert len(vote(nothing, KNOWN, VALUES)[0]) == 0


def test_certainty_is_the_share_of_like_guesses_that_are_right():
    """Strengths of four kinds, of which a known share is right."""
    random = np.random.default_rng(0)
    truth = {0.1: 0.2, 0.4: 0.5, 0.6: 0.8, 0.9: 0.97}
    strengths = random.choice(list(truth), 8_000)
    right = random.random(8_000) < np.asarray([truth[one] for one in strengths])
    found = measured(strengths, right)
    for strength, share in truth.items():
        assert found.of(np.float32([strength])) == pytest.approx([share], abs=0.03)


def test_too_few_guesses_say_nothing():
    assert Certainty.measured(np.ones(FEWEST - 1, np.float32), np.ones(FEWEST - 1, bool)) is None


def test_a_guess_weaker_than_any_that_was_measured_is_not_trusted():
    found = measured(np.linspace(0.5, 1, 400), np.ones(400))
    assert found.of(np.float32([0.4])).tolist() == [0]


def test_nothing_is_certain():
    found = measured(np.linspace(0.5, 1, 400), np.ones(400))
    assert 0.9 < found.of(np.float32([1]))[0] < 1


@given(st.integers(0, 2**32 - 1), st.integers(FEWEST, 4 * BIN), st.integers(1, 50))
def test_certainty_never_falls_with_strength(seed, count, steps):
    random = np.random.default_rng(seed)
    strengths = random.integers(0, steps + 1, count) / np.float32(steps)
    found = measured(strengths, random.random(count) < random.random())
    assert (np.diff(found.edges) > 0).all()
    assert (np.diff(found.shares) > 0).all()
    shares = found.of(np.linspace(0, 1, 50, dtype=np.float32))
    assert (np.diff(shares) >= 0).all()
    assert (shares < 1).all()
