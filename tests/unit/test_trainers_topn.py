from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.trainers import topn
from reco_plugin.trainers.topn import top_n


def plainly(shoppers, items, biases, k, exclude=None):
    """Sort everything: best first, ties by lower row."""
    scores = (shoppers @ items.T + biases).astype(np.float32)
    if exclude is not None:
        scores[exclude.toarray() != 0] = -np.inf
    rows = np.full((len(shoppers), k), -1, np.int32)
    best = np.full((len(shoppers), k), -np.inf, np.float32)
    for shopper, mine in enumerate(scores):
        order = [item for item in np.argsort(-mine, kind="stable") if mine[item] > -np.inf][:k]
        rows[shopper, : len(order)], best[shopper, : len(order)] = order, mine[order]
    return rows, best


def whole_numbers(random, *shape, most=3):
    """Small integers: every sum is exact, and ties are everywhere."""
    return random.integers(-most, most + 1, shape).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 7),
    m=st.integers(1, 700),
    d=st.integers(1, 4),
    k=st.integers(1, 12),
    tile=st.sampled_from([64, 192, 32_768]),
    threads=st.sampled_from([1, 2]),
    share=st.sampled_from([0.0, 0.2, 0.95, 1.0]),
    most=st.sampled_from([0, 1, 50]),
    seed=st.integers(0, 1000),
)
def test_agrees_with_sorting_everything(n, m, d, k, tile, threads, share, most, seed):
    random = np.random.default_rng(seed)
    told = (
        whole_numbers(random, n, d, most=most),
        whole_numbers(random, m, d, most=most),
        whole_numbers(random, m, most=most),
    )
    exclude = sparse.csr_matrix((random.random((n, m)) < share).astype(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topn, "TILE_ITEMS", tile)
        patch.setattr(topn, "TILE_SCORES", 3 * tile)
        rows, scores = top_n(*told, k, exclude=exclude, threads=threads)
    expected_rows, expected_scores = plainly(*told, k, exclude)
    assert np.array_equal(rows, expected_rows)
    assert np.array_equal(scores, expected_scores)
    assert (rows.dtype, scores.dtype) == (np.int32, np.float32)


def test_agrees_on_real_numbers():
    random = np.random.default_rng(0)
    told = [
        random.normal(size=shape).astype(np.float32) for shape in ((40, 64), (5_000, 64), 5_000)
    ]
    rows, scores = top_n(*told, 10)
    expected, best = plainly(*told, 10)
    assert np.array_equal(rows, expected)
    assert np.allclose(scores, best, rtol=1e-4)


@pytest.mark.parametrize("memory_mb", [1, 8])
def test_r14_memory_stays_within_its_bound_and_changes_no_answer(memory_mb):
    random = np.random.default_rng(0)
    told = [whole_numbers(random, *shape) for shape in ((600, 16), (40_000, 16), (40_000,))]
    tracemalloc.start()
    rows, scores = top_n(*told, 10, memory_mb=memory_mb)
    peak = tracemalloc.get_traced_memory()[1] - rows.nbytes - scores.nbytes
    tracemalloc.stop()
    assert peak < memory_mb * 2**20
    assert np.array_equal(rows[:20], plainly(told[0][:20], *told[1:], 10)[0])


def test_nothing_to_rank():
    none, biases = np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
    assert top_n(none, np.ones((4, 3), np.float32), np.ones(4, np.float32), 2)[0].shape == (0, 2)
    rows, scores = top_n(np.ones((2, 3), np.float32), none, biases, 2)
    assert rows.tolist() == [[-1, -1]] * 2
    assert np.isneginf(scores).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"shoppers": np.ones((2, 4), np.float32)}, "do not multiply"),
        ({"biases": np.ones(4, np.float32)}, "5 items, but biases of shape"),
        ({"exclude": sparse.csr_matrix((5, 2))}, "exclude has shape"),
        ({"biases": np.array([0, 0, np.nan, 0, 0], np.float32)}, "biases are not all finite"),
        ({"shoppers": np.full((2, 3), np.inf, np.float32)}, "shopper vectors are not all finite"),
    ],
)
def test_what_does_not_fit_is_refused(change, said):
    told = {
        "shoppers": np.ones((2, 3), np.float32),
        "items": np.ones((5, 3), np.float32),
        "biases": np.ones(5, np.float32),
        "k": 2,
        "exclude": None,
    } | change
    exclude = told.pop("exclude")
    with pytest.raises(ValueError, match=said):
        top_n(*told.values(), exclude=exclude)
