"""The vectors of a product's pictures → the vector of the product. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats, Ints

MAIN = 0.7
"""Share of the first picture where there are others. It is the one that shoppers see beside those of other
products, taken alike for all; the gallery shows backs, details and wearers, so it corrects and does not lead."""
SMALLEST = 1e-6
"""A sum shorter than this has no direction: pictures that cancel each other out."""


def aggregate(vectors: Floats, products: Ints, positions: Ints) -> tuple[Ints, Floats]:
    """One unit row for each product: its first picture weighs MAIN, the others share the rest evenly.

    `vectors` (n, d) has a unit row for each picture that could be read; `products` (n,) numbers whose it is,
    `positions` (n,) its place: the lowest counts as the main picture, so that one that cannot be read is stood in
    for by the next. Returns the numbers of the products, ascending (m,), and their vectors (m, d).
    Where pictures cancel each other out, the first stands for all.
    """
    order = np.lexsort((positions, products))
    numbers, starts, counts = np.unique(products[order], return_index=True, return_counts=True)
    weights = np.repeat(np.where(counts > 1, (1 - MAIN) / np.maximum(counts - 1, 1), 0.0), counts)
    weights[starts] = np.where(counts > 1, MAIN, 1.0)
    rows = vectors[order]
    if not len(rows):
        return numbers.astype(np.int32), np.zeros((0, vectors.shape[1]), np.float32)
    sums = np.add.reduceat(rows * weights[:, None].astype(np.float32), starts, axis=0)
    lengths = np.linalg.norm(sums, axis=1)
    sums[lengths < SMALLEST] = rows[starts[lengths < SMALLEST]]
    return numbers.astype(np.int32), unit(sums)


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Each row divided by its length; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = (rows / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return found
