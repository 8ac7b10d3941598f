"""Items that nobody has taken, placed by what their features predict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.trainers.placing import predicted_norm, regressed, scaled


def rows_of(table):
    return sparse.csr_matrix(np.asarray(table, np.float32))


def test_a_rule_is_found_again():
    random = np.random.default_rng(0)
    rows = rows_of(random.random((300, 5)))
    rule = random.normal(size=(5, 3)).astype(np.float32)
    found = regressed(rows, rows @ rule, np.ones(300), ridge=1e-6)
    assert np.allclose(found, rule, atol=1e-2)


@given(st.integers(1, 40), st.integers(1, 8), st.floats(0.01, 10), st.integers(0, 2**16))
def test_it_is_the_ridge_regression_that_a_solver_finds(n, features, ridge, seed):
    random = np.random.default_rng(seed)
    rows = random.random((n, features)) * (random.random((n, features)) < 0.6)
    values, counts = random.normal(size=(n, 2)), random.integers(1, 50, n)
    found = regressed(rows_of(rows), values.astype(np.float32), counts, ridge)
    weights = np.sqrt(counts) / np.sqrt(counts).sum()
    if not rows.any():
        assert not found.any()
        return
    damping = ridge * (weights @ (rows.astype(np.float32) ** 2).sum(axis=1)) / n
    system = rows.T @ (weights[:, None] * rows) + damping * np.eye(features)
    wanted = np.linalg.solve(system, rows.T @ (weights[:, None] * values))
    assert np.allclose(found, wanted, atol=0.02 * max(np.abs(wanted).max(), 0.1))


def test_what_is_taken_often_counts_more():
    rows, values = rows_of([[1], [1]]), np.array([[1.0], [0.0]], np.float32)
    alike, known = (regressed(rows, values, np.array(counts))[0, 0] for counts in ([1, 1], [99, 1]))
    assert known > alike


def test_nothing_taken_says_nothing():
    assert not regressed(rows_of([[1, 0]]), np.ones((1, 2), np.float32), np.zeros(1)).any()
    assert predicted_norm(rows_of([[1, 0]]), np.zeros((0, 2), np.float32)) == 0


def test_lengths_are_made_alike_and_zeros_stay():
    found = scaled(np.array([[3, 4], [0, 0], [0, 0.1]], np.float32), 2.0)
    assert np.linalg.norm(found, axis=1) == pytest.approx([2, 0, 2])
    assert scaled(found, 0.0) is found
