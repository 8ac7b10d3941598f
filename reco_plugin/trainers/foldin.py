"""A shopper's vector from what they did, without training: the weighted mean of the items' vectors.

The mean is rescaled to the norm trained shoppers have, so that it weighs as much against the item
biases as a trained vector does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.types import Floats

RECENCY = 0.8
"""Weight of an event relative to the next newer one."""

_TINY = 1e-12


def recency_weights(count: int, decay: float = RECENCY) -> Floats:
    """float32 (count,): 1 for the newest event, then `decay` times the one before; newest first."""
    return np.power(np.float32(decay), np.arange(count, dtype=np.float32))


def fold_in(vectors: Floats, weights: npt.NDArray[Any], *, norm: float) -> Floats:
    """float32 (d,): the mean of `vectors` (m, d) weighted by `weights` (m,), rescaled to `norm`.

    Negative weights push away. Zeros when there is nothing to go by. Raises ValueError when the
    shapes do not belong together.
    """
    if vectors.ndim != 2 or weights.shape != (vectors.shape[0],):
        raise ValueError(
            f"{vectors.shape} vectors do not go with {weights.shape} weights; give (m, d) and (m,)."
        )
    summed = np.asarray(weights, dtype=np.float64) @ vectors.astype(np.float64)
    folded: Floats = _rescale(summed[None, :], norm)[0]
    return folded


def fold_in_rows(weights: sparse.csr_matrix, item_vectors: Floats, *, norm: float) -> Floats:
    """float32 (n, d): `fold_in` for n shoppers at once; `weights` is a CSR (n, n_items) of event weights."""
    if weights.shape[1] != item_vectors.shape[0]:
        raise ValueError(
            f"weights have {weights.shape[1]} columns, but there are {item_vectors.shape[0]} items."
        )
    return _rescale(np.asarray(weights @ item_vectors, dtype=np.float64), norm)


def mean_norm(vectors: Floats) -> float:
    """The mean length of the rows of `vectors` that are not zero; 1.0 when all are."""
    lengths = np.linalg.norm(vectors, axis=1)
    lengths = lengths[lengths > _TINY]
    return float(lengths.mean()) if lengths.size else 1.0


def _rescale(summed: npt.NDArray[np.float64], norm: float) -> Floats:
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    scale = np.where(lengths > _TINY, norm / np.maximum(lengths, _TINY), 0.0)
    return np.asarray(summed * scale, dtype=np.float32)
