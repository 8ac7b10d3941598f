"""Figures over all lists together: how much of the catalogue they show, and how alike they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def item_counts(
    ranked: npt.NDArray[np.integer[Any]], n_items: int, k: int | None = None
) -> npt.NDArray[np.int64]:
    """int64 (n_items,): in how many lists each item is. `ranked` is (n, >=k), -1 for an empty place."""
    placed = ranked[:, :k].ravel()
    return np.bincount(placed[placed >= 0], minlength=n_items).astype(np.int64)


def coverage(ranked: npt.NDArray[np.integer[Any]], n_items: int, k: int | None = None) -> float:
    """Share of the catalogue that is in at least one list, 0..1 (Ge et al. 2010)."""
    return float((item_counts(ranked, n_items, k) > 0).mean()) if n_items else 0.0


def gini(ranked: npt.NDArray[np.integer[Any]], n_items: int, k: int | None = None) -> float:
    """How unevenly the places go to the items of the catalogue: 0 all alike, near 1 all to one (Gini 1912)."""
    counts = np.sort(item_counts(ranked, n_items, k)).astype(np.float64)
    if not counts.sum():
        return 0.0
    order = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((order @ counts) / (n_items * counts.sum()))


def top_share(ranked: npt.NDArray[np.integer[Any]], k: int | None = None) -> float:
    """Share of the lists that hold the commonest item, 0..1; empty lists are not counted."""
    filled = ranked[(ranked[:, :k] >= 0).any(axis=1), :k]
    if not len(filled):
        return 0.0
    return float(item_counts(filled, int(filled.max()) + 1).max() / len(filled))


def score_variance(scores: npt.NDArray[np.floating[Any]]) -> float:
    """Mean over rows of the variance of a row's finite scores; 0 says the trainer tells nothing apart.

    `scores` is (n, m), places without an answer holding -inf. Rows of fewer than two scores are left out.
    """
    known = np.isfinite(scores)
    count = known.sum(axis=1)
    rows = count > 1
    if not rows.any():
        return 0.0
    values = np.where(known[rows], scores[rows], 0.0).astype(np.float64)
    mean = values.sum(axis=1) / count[rows]
    spread = np.where(known[rows], values - mean[:, None], 0.0)
    return float((np.square(spread).sum(axis=1) / count[rows]).mean())
