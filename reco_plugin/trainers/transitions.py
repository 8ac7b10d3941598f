"""What a trainer hands back whose answer is item → items: a sparse matrix and how to ask it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import Features

BLOCK = 1 << 24
"""Entries of a product worked on at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Transitions:
    """Row i of `matrix` says what goes with, or follows, item i. A score is the weighted sum of rows."""

    matrix: sparse.csr_matrix
    """float32 (n_items, n_items), finite, the best few of each row, nothing on the diagonal."""
    decay: float = 1.0
    """Weight of an event of a history relative to the next newer one, 0..1."""
    window: int = 0
    """Newest events of a history that are asked; 0 for all."""
    notes: tuple[str, ...] = ()
    """What a reader of the run should know, in plain words."""

    def query(self, past: Histories) -> sparse.csr_matrix:
        """float32 CSR (n, n_items): how much each item of each history counts."""
        return query(past, decay=self.decay, window=self.window)

    def score(self, past: Histories) -> sparse.csr_matrix:
        """float32 CSR (n, n_items); an item without an entry scores nothing."""
        return (self.query(past) @ self.matrix).tocsr()


class NeighbourTrainer(Protocol):
    """`config` is JSON-able hyper-parameters; unknown keys are refused with a ValueError."""

    name: ClassVar[str]

    def __init__(self, config: Mapping[str, Any] | None = None) -> None: ...

    def fit(
        self,
        past: Histories,
        *,
        features: Features | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Transitions:
        """Learn from histories; those without side features ignore `features`, those without chance `seed`.

        Raises NotEnoughData when there is no event, ValueError for unusable input.
        """
        ...


def query(past: Histories, *, decay: float = 1.0, window: int = 0) -> sparse.csr_matrix:
    """float32 CSR (n, n_items): decay ** (baskets back) of each event, summed; the newest `window` events."""
    weights = np.power(float(decay), np.minimum(past.steps_back, 1_000), dtype=np.float64)
    if window:
        weights = np.where(past.events_back < window, weights, 0.0)
    found = past.matrix(weights)
    found.eliminate_zeros()
    return found


def required(past: Histories) -> Histories:
    """`past`, or NotEnoughData when nothing happened in it."""
    if not len(past.items):
        raise NotEnoughData(
            f"There is no event among {len(past)} histories of {past.n_items} items; record or import some."
        )
    return past


def without_diagonal(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same without what an item says of itself, and without stored zeros."""
    found = matrix.tocoo()
    apart = (found.row != found.col) & (found.data != 0)
    return sparse.csr_matrix(
        (found.data[apart].astype(np.float32), (found.row[apart], found.col[apart])),
        shape=matrix.shape,
    )


def largest(matrix: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """The `k` largest entries of each row; of equal ones the lower columns. Indices are sorted."""
    matrix = matrix.tocsr()
    matrix.sort_indices()
    kept = np.ones(matrix.nnz, dtype=np.bool_)
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        kept[inside] = _best(matrix.data[inside], k)
    if kept.all():
        return matrix
    counts = np.minimum(np.diff(matrix.indptr), k)
    return sparse.csr_matrix(
        (matrix.data[kept], matrix.indices[kept], np.concatenate([[0], np.cumsum(counts)])),
        shape=matrix.shape,
    )


def _best(values: npt.NDArray[Any], k: int) -> npt.NDArray[np.bool_]:
    edge = np.partition(values, len(values) - k)[len(values) - k]
    best = values > edge
    level = np.flatnonzero(values == edge)
    best[level[: k - int(best.sum())]] = True
    return np.asarray(best)


def product(
    left: sparse.csr_matrix, right: sparse.csr_matrix, k: int, *, block: int = BLOCK
) -> sparse.csr_matrix:
    """The `k` largest entries off the diagonal of each row of left @ right, some rows at a time."""
    parts = [
        largest(_off_diagonal((left[start:stop] @ right).tocsr(), start), k)
        for start, stop in blocks(left, right, block)
    ]
    if not parts:
        return sparse.csr_matrix((left.shape[0], right.shape[1]), dtype=np.float32)
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"), dtype=np.float32)


def _off_diagonal(part: sparse.csr_matrix, start: int) -> sparse.csr_matrix:
    rows = start + np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
    part.data[rows == part.indices] = 0
    part.eliminate_zeros()
    return part


def blocks(left: sparse.csr_matrix, right: sparse.csr_matrix, block: int) -> list[tuple[int, int]]:
    """Runs of rows of `left` whose products have at most about `block` terms."""
    terms: npt.NDArray[Any] = np.asarray(left.astype(bool) @ np.diff(right.indptr)).ravel()
    ends = np.cumsum(terms.astype(np.float64))
    cuts = [0]
    while cuts[-1] < left.shape[0]:
        begun = ends[cuts[-1] - 1] if cuts[-1] else 0.0
        stop = int(np.searchsorted(ends, begun + block, side="right"))
        cuts.append(max(stop, cuts[-1] + 1))
    return list(itertools.pairwise(cuts))
