"""Vectors with fewer numbers that find as well or better: PCA, whitened as far as that helps. NumPy only.

Jégou & Chum 2012, "Negative evidences and co-occurrences in image retrieval: the benefit of PCA and
whitening". What is common to all pictures is taken away, and directions in which all of them vary much
are made to count less; how much less is measured, for trained embeddings bear less of it than others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from reco_plugin import artefacts
from reco_plugin.encoders.aggregate import unit
from reco_plugin.metrics.retrieval import label_precision, nearest
from reco_plugin.types import Floats, Ints

POWERS = (0.0, 0.25, 0.5, 1.0)
"""Variances are divided out to these powers of a half: 0 only turns and shortens, 1 whitens whole."""
FEWEST = 200
"""Products with a label, below which nothing is tried."""
MOST_QUERIES = 2_000
K = 10
MARGIN = 0.002
"""Precision by which longer vectors must be better than shorter ones."""
FLOOR = 1e-6
"""Of the largest variance: directions with less are noise, and are not blown up beyond this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Whitening:
    """`unit((x - mean) @ matrix)`, for vectors of products and of shoppers' photos alike."""

    mean: Floats
    """(d,)"""
    matrix: Floats
    """(d, k)"""

    @classmethod
    def fitted(cls, vectors: Floats, dimension: int, power: float = 1.0) -> Self:
        """Learn it from unit rows (n, d); at most `dimension`, n and d numbers are left."""
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors.astype(np.float64) - mean
        variances, axes = np.linalg.eigh(centred.T @ centred / max(len(vectors), 1))
        order = np.argsort(-variances)[: min(dimension, *vectors.shape)]
        kept = np.maximum(variances[order], max(variances.max(), 1e-12) * FLOOR)
        matrix = axes[:, order] / kept ** (power / 2)
        return cls(mean=mean.astype(np.float32), matrix=matrix.astype(np.float32))

    @property
    def dimension(self) -> int:
        return int(self.matrix.shape[1])

    def __call__(self, vectors: Floats) -> Floats:
        """(n, d) → (n, k), each row of length 1."""
        return unit((vectors - self.mean) @ self.matrix)

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For an artefact."""
        return {"mean": self.mean, "matrix": self.matrix}


def read(path: str | Path, sha256: str | None = None) -> Whitening | None:
    """What the artefact of a visual run says is to be done to an encoder's vectors; None: nothing.

    Raises ArtefactCorrupt.
    """
    arrays, _ = artefacts.load(path, sha256)
    if "matrix" not in arrays:
        return None
    return Whitening(mean=arrays["mean"], matrix=arrays["matrix"])


# --- whether it helps -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """What is done to vectors, and the figures that decided it."""

    whitening: Whitening | None
    """None: they stay as the encoder gave them."""
    figures: Mapping[str, float]
    """Precision@10 by attributes of held-out products, by what was tried."""
    words: str

    def __call__(self, vectors: Floats) -> Floats:
        return vectors if self.whitening is None else self.whitening(vectors)


def choose(vectors: Floats, labels: Mapping[str, Ints], dimension: int, *, seed: int = 0) -> Choice:
    """Try PCA to `dimension` numbers under several whitenings; keep what brings like to like best.

    `vectors` (n, d) are unit rows of products, `labels` int32 (n,) by attribute, -1 unknown. A fifth of the
    products, drawn by lot, take no part in the fit and are the queries; all are searched. Longer vectors must
    be better than shorter ones by MARGIN. Without enough labels they stay as they are.
    """
    if dimension <= 0 or len(vectors) < FEWEST:
        return Choice(
            whitening=None, figures={}, words="Not tried: too few products or no dimension."
        )
    queries, fit = _parted(len(vectors), seed)
    known = [each for each in labels.values() if (each[queries] >= 0).sum() >= FEWEST // 10]
    if not known:
        return Choice(whitening=None, figures={}, words="Not tried: too few products have a label.")
    tried = {f"pca{power:g}": Whitening.fitted(vectors[fit], dimension, power) for power in POWERS}
    figures = {name: _precision(one(vectors), known, queries) for name, one in tried.items()}
    figures["as they are"] = _precision(vectors, known, queries)
    best = max(tried, key=lambda name: figures[name])
    is_shorter = tried[best].dimension < vectors.shape[1]
    gain = figures[best] - figures["as they are"]
    told = {name: round(value, 4) for name, value in figures.items()}
    words = (
        f"precision@{K} {figures[best]:.4f} by {best} in {tried[best].dimension} numbers beside "
        f"{figures['as they are']:.4f} in {vectors.shape[1]}"
    )
    if gain <= (-MARGIN if is_shorter else 0.0):
        return Choice(whitening=None, figures=told, words=f"Not whitened: {words}.")
    power = POWERS[list(tried).index(best)]
    whole = Whitening.fitted(vectors, dimension, power)
    return Choice(whitening=whole, figures=told, words=f"Whitened: {words}.")


def _parted(n: int, seed: int) -> tuple[Ints, Ints]:
    order = np.random.default_rng(seed).permutation(n).astype(np.int32)
    held = n // 5
    return order[:held][:MOST_QUERIES], order[held:]


def _precision(vectors: Floats, labels: Sequence[Ints], queries: Ints) -> float:
    """Mean over attributes of the mean over queries that have it."""
    found = nearest(vectors, queries, K)
    means = [float(np.nanmean(label_precision(found, queries, each))) for each in labels]
    return sum(means) / len(means)
