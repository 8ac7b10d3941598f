"""How well vectors bring like to like: of the nearest rows, how many agree on an attribute.

Rows are compared by inner product (cosine, for rows of length 1). NumPy only, in blocks of queries, so that
memory is bounded by `BLOCK` times the size of the catalogue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Figures = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Whole = npt.NDArray[np.integer[Any]]

BLOCK = 512


def nearest(
    vectors: npt.NDArray[np.floating[Any]],
    queries: Whole,
    k: int = 10,
    *,
    groups: Whole | None = None,
) -> Rows:
    """int64 (q, k): for each row of `queries` the `k` other rows nearest to it, best first.

    `groups` (n,) bars all rows of the query's own group, e.g. other pictures of the same product. Ties go
    to the lower row. -1 where there are fewer than `k` others. Raises ValueError for unlike shapes, rows that
    are not there, and numbers that are not finite.
    """
    n = len(vectors)
    own = np.arange(n) if groups is None else np.asarray(groups)
    if vectors.ndim != 2 or k < 1 or own.shape != (n,):
        raise ValueError(
            f"Vectors of {vectors.shape}, groups of {own.shape} and k = {k} do not go."
        )
    if len(queries) and not (queries.min() >= 0 and queries.max() < n):
        raise ValueError(f"The queries must be rows of the {n} vectors.")
    if not np.isfinite(vectors).all():
        raise ValueError("The vectors are not all finite numbers.")
    found = np.full((len(queries), k), -1, dtype=np.int64)
    for start in range(0, len(queries), BLOCK):
        rows = queries[start : start + BLOCK]
        scores = np.asarray(vectors[rows] @ vectors.T, dtype=np.float64)
        scores[own[rows][:, None] == own[None, :]] = -np.inf
        found[start : start + len(rows), : min(k, n)] = _best(scores, min(k, n))
    return found


def _best(scores: Figures, k: int) -> Rows:
    """The columns of the k highest of each row, best first; -1 for a barred one."""
    n = scores.shape[1]
    # a stable order among equals needs the row number in the comparison: partition widely, then sort
    kth = np.partition(scores, n - k, axis=1)[:, n - k, None]
    found = np.full((len(scores), k), -1, dtype=np.int64)
    for place, (row, least) in enumerate(zip(scores, kth, strict=True)):
        columns = np.flatnonzero((row >= least) & (row > -np.inf))
        order = np.lexsort((columns, -row[columns]))[:k]
        found[place, : len(order)] = columns[order]
    return found


def agreement(found: Rows, queries: Whole, labels: Whole) -> Figures:
    """float64 (q, k): 1 where the row found has the label of the query, 0 where not.

    `labels` is (n,), or (n, m) for m attributes that must all be the same. An unknown label, -1, agrees
    with nothing; so does an empty place.
    """
    table = labels if labels.ndim == 2 else labels[:, None]
    own, others = table[queries][:, None, :], table[found]
    same = (own == others) & (own >= 0)
    return np.asarray(same.all(axis=2) & (found >= 0), dtype=np.float64)


def label_precision(found: Rows, queries: Whole, labels: Whole) -> Figures:
    """float64 (q,): the share of the `k` places of each query whose row has its label(s).

    NaN for a query whose own label is not known. Where the catalogue has fewer than `k` rows with a label the
    best there can be is below 1, as it is for whoever looks at the list.
    """
    table = labels if labels.ndim == 2 else labels[:, None]
    figures: Figures = agreement(found, queries, labels).mean(axis=1)
    figures[(table[queries] < 0).any(axis=1)] = np.nan
    return figures
