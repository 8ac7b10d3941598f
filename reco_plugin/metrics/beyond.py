"""Beyond accuracy, per list: is it new, surprising, varied, not only what all buy, true to the shopper's tastes?

Each function takes `ranked` (n, k), -1 for an empty place, and returns float64 (n,), NaN for a list the figure
says nothing of (an empty one, say), so that `np.nanmean` is the usual average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.metrics.membership import contains

Rows = npt.NDArray[np.integer[Any]]
Figures = npt.NDArray[np.float64]

MIX = 0.01
"""Share of the shopper's own tastes mixed into a list's, so that a taste it lacks does not count infinitely."""


def novelty(ranked: Rows, seen: sparse.csr_matrix) -> Figures:
    """Share of the list that is new to the shopper (Herlocker et al. 2004); `seen` is a CSR (n, n_items)."""
    filled = ranked >= 0
    return _mean(filled & ~contains(seen, ranked), filled)


def self_information(ranked: Rows, shoppers_of: npt.NDArray[Any], n_shoppers: int) -> Figures:
    """Mean bits of surprise of the list: -log2 of the share of shoppers who took the item (Zhou et al. 2010).

    `shoppers_of` (n_items,) counts distinct shoppers; an item nobody took counts as taken by one.
    """
    share = np.clip(np.asarray(shoppers_of, np.float64), 1.0, None) / max(n_shoppers, 1)
    bits = -np.log2(np.minimum(share, 1.0))
    return _mean(bits[np.maximum(ranked, 0)], ranked >= 0)


def serendipity(ranked: Rows, holdout: sparse.csr_matrix, expected: Rows) -> Figures:
    """Share of the list that was wanted and is not in `expected` (n, any): what anybody would have shown
    (Ge et al. 2010)."""
    filled = ranked >= 0
    if len(expected) != len(ranked):
        raise ValueError(f"There are {len(ranked)} lists and {len(expected)} expected ones.")
    obvious = (ranked[:, :, None] == expected[:, None, :]).any(axis=2)
    return _mean(contains(holdout, ranked) & ~obvious & filled, filled)


def diversity(ranked: Rows, features: sparse.csr_matrix) -> Figures:
    """1 - the mean cosine of two items of the list, by their features (n_items, f); lists under two are NaN
    (Ziegler et al. 2005).

    By the length of the sum of unit vectors: no pair is formed.
    """
    filled = ranked >= 0
    lengths = np.sqrt(np.asarray(features.multiply(features).sum(axis=1), np.float64)).ravel()
    unit = sparse.diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0))
    summed = (_lists(ranked, features.shape[0]) @ (unit @ features)).tocsr()
    whole = np.asarray(summed.multiply(summed).sum(axis=1), np.float64).ravel()
    own = (filled & (lengths > 0)[np.maximum(ranked, 0)]).sum(axis=1)
    count = filled.sum(axis=1).astype(np.float64)
    pairs = count * (count - 1)
    return np.where(pairs > 0, 1 - (whole - own) / np.maximum(pairs, 1), np.nan)


def popularity_bias(ranked: Rows, counts: npt.NDArray[Any], seen: sparse.csr_matrix) -> Figures:
    """How much more popular the list is than what the shopper took: the ratio of means, minus 1.

    0 is true to the shopper, 1 is twice as popular (Abdollahpouri et al. 2019); NaN for shoppers without history.
    """
    counts = np.asarray(counts, dtype=np.float64)
    taken = (seen > 0).astype(np.float64)
    number = np.asarray(taken.sum(axis=1)).ravel()
    total = np.asarray(taken @ counts).ravel()
    own = np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)
    shown = _mean(counts[np.maximum(ranked, 0)], ranked >= 0)
    bias: Figures = np.divide(shown, own, out=np.full(len(own), np.nan), where=own > 0) - 1
    return bias


def calibration(
    ranked: Rows, seen: sparse.csr_matrix, categories: sparse.csr_matrix, *, mix: float = MIX
) -> Figures:
    """Distance of the list's categories from the shopper's, in bits: 0 is the same shares (Steck 2018).

    KL(p || (1 - mix) q + mix p), `p` the shares of the shopper's history, `q` of the list; `categories` is a
    CSR (n_items, n_categories), an item in several counting a part for each. NaN where either knows none.
    """
    parts = _shares(categories.astype(np.float64))
    own = _shares((seen > 0).astype(np.float64) @ parts)
    shown = _shares((_lists(ranked, categories.shape[0]) @ parts).tocsr())
    if not own.nnz:  # SciPy answers no question with a matrix
        return np.full(own.shape[0], np.nan)
    known = (np.diff(own.indptr) > 0) & (np.diff(shown.indptr) > 0)
    rows = np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))
    theirs = np.asarray(shown[rows, own.indices], dtype=np.float64).ravel()
    told = own.data * np.log2(own.data / ((1 - mix) * theirs + mix * own.data))
    found = np.bincount(rows, weights=told, minlength=own.shape[0])
    return np.where(known, np.maximum(found, 0.0), np.nan)


def _mean(values: npt.NDArray[Any], filled: npt.NDArray[np.bool_]) -> Figures:
    count = filled.sum(axis=1)
    total = np.where(filled, values, 0).sum(axis=1).astype(np.float64)
    mean: Figures = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def _lists(ranked: Rows, n_items: int) -> sparse.csr_matrix:
    """CSR (n, n_items) of ones where an item is in the list."""
    filled = ranked >= 0
    starts = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    ones = np.ones(int(starts[-1]))
    return sparse.csr_matrix((ones, ranked[filled], starts), shape=(len(ranked), n_items))


def _shares(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows that add up to one; empty rows stay empty."""
    found = matrix.tocsr()
    total = np.asarray(found.sum(axis=1), dtype=np.float64).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    found = sparse.csr_matrix(sparse.diags(scale) @ found)
    found.sum_duplicates()
    found.eliminate_zeros()
    return found
