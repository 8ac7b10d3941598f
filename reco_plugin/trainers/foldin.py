"""A shopper's vector from what they did, without training: the weighted mean of the items' vectors.

The mean is rescaled to the norm trained shoppers have, so that it weighs as much against the item
biases as a trained vector does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats

RECENCY = 0.8
"""Weight of an event relative to the next newer one."""

_TINY = 1e-12


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
    length = float(np.linalg.norm(summed))
    return np.asarray(summed * (norm / length if length > _TINY else 0.0), dtype=np.float32)


def mean_norm(vectors: Floats) -> float:
    """The mean length of the rows of `vectors` that are not zero; 1.0 when all are."""
    lengths = np.linalg.norm(vectors, axis=1)
    lengths = lengths[lengths > _TINY]
    return float(lengths.mean()) if lengths.size else 1.0
