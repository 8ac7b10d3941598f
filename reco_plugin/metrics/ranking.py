"""Figures per shopper: what share of what they did next was in their list, and how high.

Each function returns float64 (m,): one figure for each of the m judged rows, those with anything in
the hold-out, in row order (`judged(holdout)` names them), so that `.mean()` is the usual average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.metrics.membership import contains

Rows = npt.NDArray[np.integer[Any]]
Figures = npt.NDArray[np.float64]


def judged(holdout: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    """The rows that have something in the hold-out."""
    return np.flatnonzero(_counts(_positive(holdout)))


def hits(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> npt.NDArray[np.bool_]:
    """bool (m, k): which places of the judged rows hold an item of the hold-out.

    Raises ValueError when the shapes do not belong together.
    """
    return _judge(ranked, holdout, k)[0]


def recall_at_k(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """Hits in the first `k` places (all, by default) over the items in the hold-out (Cleverdon et al. 1966)."""
    found, wanted = _judge(ranked, holdout, k)
    return np.asarray(found.sum(axis=1) / wanted, dtype=np.float64)


def precision_at_k(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """Hits in the first `k` places over `k`; an empty place is a miss (Cleverdon et al. 1966)."""
    found, _ = _judge(ranked, holdout, k)
    return np.asarray(found.sum(axis=1) / found.shape[1], dtype=np.float64)


def f1_at_k(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """Harmonic mean of precision and recall, 0 without a hit (van Rijsbergen 1979)."""
    found, wanted = _judge(ranked, holdout, k)
    return np.asarray(2 * found.sum(axis=1) / (found.shape[1] + wanted), dtype=np.float64)


def accuracy_at_k(
    ranked: Rows, holdout: sparse.csr_matrix, n_candidates: int, k: int | None = None
) -> Figures:
    """Share of the `n_candidates` items that were rightly shown or rightly not shown: (TP + TN) / all
    (Herlocker et al. 2004).

    Close to 1 for anything in a large catalogue: asked for, but not a figure to decide by.
    """
    found, wanted = _judge(ranked, holdout, k)
    shown = (_checked(ranked, k)[judged(holdout)] >= 0).sum(axis=1)
    wrong = shown + wanted - 2 * found.sum(axis=1)
    return np.asarray(1 - wrong / max(n_candidates, 1), dtype=np.float64)


def average_precision(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """Mean, over what is in the hold-out, of the precision at the place of each hit; `.mean()` is MAP@k
    (Buckley & Voorhees 2000).

    Divided by min(items in the hold-out, k), so that a perfect list has 1.
    """
    found, wanted = _judge(ranked, holdout, k)
    places = np.arange(1, found.shape[1] + 1)
    precision = np.cumsum(found, axis=1) / places
    best = np.minimum(wanted, found.shape[1])
    return np.asarray((precision * found).sum(axis=1) / best, dtype=np.float64)


def ndcg_at_k(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """Normalised discounted cumulative gain with binary gains (Järvelin & Kekäläinen 2002)."""
    found, wanted = _judge(ranked, holdout, k)
    discounts: Figures = 1.0 / np.log2(np.arange(2, found.shape[1] + 2))
    ideal: Figures = np.cumsum(discounts)[np.minimum(wanted, found.shape[1]) - 1]
    return np.asarray((found * discounts).sum(axis=1) / ideal, dtype=np.float64)


def hit_rate(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """1 where any of the first `k` places is a hit, else 0 (Deshpande & Karypis 2004)."""
    return np.asarray(hits(ranked, holdout, k).any(axis=1), dtype=np.float64)


def mrr(ranked: Rows, holdout: sparse.csr_matrix, k: int | None = None) -> Figures:
    """1 / place of the first hit within `k`, 0 without one (Voorhees 1999)."""
    found = hits(ranked, holdout, k)
    return np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1.0), 0.0)


def _judge(
    ranked: Rows, holdout: sparse.csr_matrix, k: int | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Hits of the judged rows, and how many items each has in the hold-out."""
    ranked, holdout = _checked(ranked, k), _positive(holdout)
    if ranked.shape[0] != holdout.shape[0]:
        raise ValueError(
            f"ranked has {ranked.shape[0]} rows and the hold-out {holdout.shape[0]}; "
            "give both for the same shoppers, in the same order."
        )
    rows = np.flatnonzero(_counts(holdout))
    return contains(holdout[rows], ranked[rows]), _counts(holdout)[rows]


def _checked(ranked: Rows, k: int | None) -> Rows:
    if ranked.ndim != 2 or (k is not None and k < 1):
        raise ValueError("ranked must be (n, k) rows of items, and k at least 1.")
    k = ranked.shape[1] if k is None else k
    if k > ranked.shape[1]:
        raise ValueError(f"k is {k}, but the lists hold {ranked.shape[1]} places.")
    return ranked[:, :k]


def _positive(holdout: sparse.csr_matrix) -> sparse.csr_matrix:
    if holdout.nnz and not holdout.data.min() > 0:
        holdout = holdout.copy()
        holdout.data = np.where(holdout.data > 0, holdout.data, 0)
        holdout.eliminate_zeros()
    return holdout if holdout.has_canonical_format else _canonical(holdout)


def _canonical(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    matrix = matrix.copy()
    matrix.sum_duplicates()
    return matrix


def _counts(holdout: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    return np.asarray(np.diff(holdout.indptr), dtype=np.int64)
