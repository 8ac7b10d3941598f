"""Item-KNN: items taken by the same shoppers are alike (cosine, TF-IDF or BM25 weights).

BM25 after Robertson & Zaragoza 2009, the shopper in the place of the document's term: a shopper who takes
everything says little of any item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.transitions import Transitions, product, required
from reco_plugin.types import Features

WEIGHTS = ("cosine", "tfidf", "bm25")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    weighting: str = "tfidf"
    k1: float = 1.2
    """bm25: how soon further events of the same pair stop counting."""
    b: float = 0.75
    """bm25: how much an item taken by many is discounted, 0..1."""
    shrink: float = 0.0
    """cosine, tfidf: added to the product of the lengths; damps likeness of rarely taken items."""
    neighbours: int = 100
    decay: float = 1.0
    window: int = 0

    def __post_init__(self) -> None:
        configs.choice("weighting", self.weighting, WEIGHTS)
        configs.require(self.neighbours >= 1, "neighbours must be at least 1.")
        configs.require(self.k1 > 0, "k1 must be positive.")
        configs.require(0 <= self.b <= 1, "b must lie in 0..1.")
        for name in ("window", "shrink"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")
        configs.require(0 < self.decay <= 1, "decay must be above 0 and at most 1.")


class ItemKNN:
    """The `itemknn` trainer."""

    name: ClassVar[str] = "itemknn"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self,
        past: Histories,
        *,
        features: Features | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Transitions:
        """Compare items by who took them. Raises NotEnoughData when there is no event."""
        config = self.config
        taken = required(past).sets().T.tocsr()
        if progress:
            progress("fit", 0, 1)
        found = product(*_sides(taken, config), config.neighbours)
        if progress:
            progress("fit", 1, 1)
        return Transitions(matrix=found, decay=config.decay, window=config.window)


def _sides(taken: sparse.csr_matrix, config: Config) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """(items x shoppers) and (shoppers x items) whose product is the likeness."""
    if config.weighting == "bm25":
        left = bm25(taken, k1=config.k1, b=config.b)
        return left, left.T.tocsr()
    if config.weighting == "tfidf":
        taken = tfidf(taken)
    left = unit_rows(taken, config.shrink)
    return left, left.T.tocsr()


def inverse_frequency(taken: sparse.csr_matrix) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n_shoppers,): log(items / items of this shopper), 0 for one who took nothing."""
    counts = np.bincount(taken.indices, minlength=taken.shape[1]).astype(np.float64)
    return np.where(counts > 0, np.log(taken.shape[0] / np.maximum(counts, 1)) + 1e-6, 0.0)


def tfidf(taken: sparse.csr_matrix) -> sparse.csr_matrix:
    """Items x shoppers, each shopper scaled by how few items they took."""
    return sparse.csr_matrix(
        np.sqrt(taken) @ sparse.diags(inverse_frequency(taken)), dtype=np.float32
    )


def bm25(taken: sparse.csr_matrix, *, k1: float, b: float) -> sparse.csr_matrix:
    """Items x shoppers weighted by BM25."""
    lengths = np.asarray(taken.sum(axis=1), dtype=np.float64).ravel()
    norm = (1.0 - b) + b * lengths / max(float(lengths.mean()), 1e-12)
    found = taken.tocsr(copy=True)
    per_entry = np.repeat(norm, np.diff(found.indptr))
    found.data = (found.data * (k1 + 1.0) / (k1 * per_entry + found.data)).astype(np.float32)
    return sparse.csr_matrix(found @ sparse.diags(inverse_frequency(taken)), dtype=np.float32)


def unit_rows(matrix: sparse.csr_matrix, shrink: float = 0.0) -> sparse.csr_matrix:
    """Rows of length one, or shorter by `shrink` where there is little in them; rows of zeros stay."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1), dtype=np.float64)).ravel()
    scale = np.divide(
        1.0, np.sqrt(lengths**2 + shrink), out=np.zeros_like(lengths), where=lengths > 0
    )
    return sparse.csr_matrix(sparse.diags(scale) @ matrix, dtype=np.float32)
