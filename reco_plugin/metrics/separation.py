"""AUC: how often a wanted item stands before one that is not, over all items and not only the first few."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

Figures = npt.NDArray[np.float64]


def auc(
    scores: npt.NDArray[np.floating[Any]],
    wanted: sparse.csr_matrix,
    *,
    barred: npt.NDArray[np.bool_] | None = None,
) -> Figures:
    """float64 (n,): the share of (wanted, other) pairs in the right order, a tie counting half.

    `scores` is (n, m), `wanted` a CSR (n, m); items `barred` (n, m) are in no pair. NaN for a row without a
    pair (nothing wanted, or nothing else). 0.5 is chance (Hanley & McNeil 1982). Raises ValueError for unlike shapes.
    """
    if scores.shape != wanted.shape:
        raise ValueError(f"The scores are {scores.shape}, what was wanted is {wanted.shape}.")
    chosen = np.zeros(scores.shape, dtype=np.bool_)
    rows = np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr))
    chosen[rows[wanted.data > 0], wanted.indices[wanted.data > 0]] = True
    allowed = np.ones(scores.shape, dtype=np.bool_) if barred is None else ~barred
    chosen &= allowed
    places = stats.rankdata(np.where(allowed, scores, -np.inf), axis=1)
    hidden = (~allowed).sum(axis=1)
    own = chosen.sum(axis=1).astype(np.float64)
    others = allowed.sum(axis=1) - own
    total = np.where(chosen, places - hidden[:, None], 0).sum(axis=1)
    pairs = own * others
    won = total - own * (own + 1) / 2
    found: Figures = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return found
