"""Where an item that nobody has taken belongs: what its features predict, by ridge regression over those that were.

Attributes are mapped to factors after these are learnt (Gantner et al. 2010). So the side features need not carry
what is known of items that sell, which they do badly: on Amazon Beauty features of half the weight of a row take
half of NDCG, and on Online Retail II new items are found better by the regression than by the embeddings of features
that were trained along.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.foldin import mean_norm
from reco_plugin.types import Floats

RIDGE = 1.0
"""Of the mean square of a row, so that it means the same for any features."""
ROUNDS = 60
"""Most steps of the conjugate gradients; about 30 are needed."""
CLOSE = 1e-4
"""Of the first residue, where they end."""
_TINY = 1e-30

Doubles = npt.NDArray[np.float64]


def regressed(
    rows: sparse.csr_matrix, values: Floats, counts: npt.NDArray[Any], ridge: float = RIDGE
) -> Floats:
    """float32 (f, v): what each feature adds, so that `rows` (n, f) times these come near `values` (n, v).

    An item counts by the root of how often it was taken (`counts`, (n,)): what sells little is learnt badly.
    """
    weights = np.sqrt(np.asarray(counts, np.float64))
    total = float(weights.sum())
    if not total or not rows.nnz:
        return np.zeros((rows.shape[1], values.shape[1]), np.float32)
    weights /= total
    told = rows.astype(np.float64)
    squares = np.asarray(told.multiply(told).sum(axis=1)).ravel()
    damping = ridge * float(weights @ squares) / max(len(weights), 1)
    turned = told.T.tocsr()
    wanted = turned @ (weights[:, None] * values.astype(np.float64))
    return _solved(told, turned, weights, damping, wanted).astype(np.float32)


def _solved(
    rows: sparse.csr_matrix,
    turned: sparse.csr_matrix,
    weights: Doubles,
    damping: float,
    wanted: Doubles,
) -> Doubles:
    """Conjugate gradients on the normal equations, every column at its own pace; no features x features matrix."""
    found = np.zeros_like(wanted)
    residue, step = wanted.copy(), wanted.copy()
    size = (residue**2).sum(axis=0)
    enough = CLOSE**2 * size
    for _ in range(ROUNDS):
        moved = turned @ (weights[:, None] * (rows @ step)) + damping * step
        pace = size / np.maximum((step * moved).sum(axis=0), _TINY)
        found += pace * step
        residue -= pace * moved
        smaller = (residue**2).sum(axis=0)
        if (smaller <= enough).all():
            break
        step = residue + smaller / np.maximum(size, _TINY) * step
        size = smaller
    return found


def scaled(vectors: Floats, norm: float) -> Floats:
    """float32, every row that is not zero at length `norm`: how many features told of an item says nothing of how
    much it is wanted. 0 leaves them as they are."""
    if not norm:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = np.divide(norm, lengths, out=np.zeros_like(lengths), where=lengths > 1e-12)
    return np.asarray(vectors * shares, dtype=np.float32)


def predicted_norm(rows: sparse.csr_matrix, named: Floats) -> float:
    """The mean length of what features (`named`, (f, d)) predict for items (`rows`, (n, f)); 0 without any."""
    if not len(named) or not rows.shape[0]:
        return 0.0
    return mean_norm(np.asarray(rows @ named, dtype=np.float32))
