"""Which places of some lists hold an item of a set."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse


def contains(
    sets: sparse.csr_matrix, ranked: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.bool_]:
    """bool (n, k): is ranked[r, p] among the stored positive entries of row r of `sets` (n, n_items)?

    By binary search over (row, item) numbers: no dense matrix, no loop. Raises ValueError on unlike rows.
    """
    if sets.shape[0] != ranked.shape[0]:
        raise ValueError(f"There are {ranked.shape[0]} lists, but sets of {sets.shape[0]} rows.")
    n, n_items = sets.shape
    row_of = np.repeat(np.arange(n, dtype=np.int64), np.diff(sets.indptr))
    known = np.sort((row_of * n_items + sets.indices)[sets.data > 0])
    if not len(known):
        return np.zeros(ranked.shape, dtype=np.bool_)
    asked = np.arange(n, dtype=np.int64)[:, None] * n_items + ranked
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.asarray((known[at] == asked) & (ranked >= 0) & (ranked < n_items))
