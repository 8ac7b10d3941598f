"""EASE for large catalogues: each item regressed on its nearest items, nothing dense of the catalogue's size.

Where an item's true regression weights lie among its nearest items, as they nearly do, the answer is that
of the whole system (the sparse approximation of Steck 2019, arXiv 1910.09645, one column at a time).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.itemknn import unit_rows
from reco_plugin.trainers.transitions import largest, product
from reco_plugin.types import Floats

BATCH_NUMBERS = 1 << 22
"""Numbers of the systems that are solved at once."""


def local_ridge(
    taken: sparse.csr_matrix,
    ridge: float,
    *,
    locals_: int,
    neighbours: int,
    progress: Progress | None = None,
) -> sparse.csr_matrix:
    """CSR (n_items, n_items): entry (i, j) is what having i adds to j; `taken` is 0/1 (n, n_items)."""
    items = taken.shape[1]
    gram = _gram(taken)
    near, width = _near(taken, min(locals_, max(items - 1, 1)))
    found: list[Floats] = []
    batch = max(1, BATCH_NUMBERS // (width * width))
    for start in range(0, items, batch):
        if progress:
            progress("fit", start, items)
        found.append(_solved(gram, near[start : start + batch], start, ridge))
    if progress:
        progress("fit", items, items)
    predicted = np.repeat(np.arange(items), width)
    values, predictors = np.concatenate(found).ravel(), near.ravel()
    there = (predictors >= 0) & (values != 0)
    whole = sparse.csr_matrix(
        (values[there], (predictors[there], predicted[there])), shape=(items, items)
    )
    return largest(whole, neighbours)


def _gram(taken: sparse.csr_matrix) -> sparse.csr_matrix:
    gram = (taken.T @ taken).tocsr().astype(np.float32)
    gram.sort_indices()
    return gram


def _near(taken: sparse.csr_matrix, k: int) -> tuple[npt.NDArray[np.int64], int]:
    """(n_items, width) rows of the nearest items by cosine, -1 where there are fewer."""
    by_item = unit_rows(taken.T.tocsr())
    likeness = product(by_item, by_item.T.tocsr(), k)
    counts = np.diff(likeness.indptr)
    width = max(int(counts.max(initial=0)), 1)
    near = np.full((taken.shape[1], width), -1, np.int64)
    places = np.arange(likeness.nnz) - np.repeat(likeness.indptr[:-1], counts)
    near[np.repeat(np.arange(len(near)), counts), places] = likeness.indices
    return near, width


def _solved(
    gram: sparse.csr_matrix, near: npt.NDArray[np.int64], start: int, ridge: float
) -> Floats:
    """(b, width): for each of the items from `start`, the weight of each of its nearest."""
    there = near >= 0
    at = np.maximum(near, 0)
    own = np.arange(start, start + len(near))
    systems = _entries(gram, at[:, :, None], at[:, None, :])
    systems *= there[:, :, None] & there[:, None, :]
    diagonal = np.arange(near.shape[1])
    systems[:, diagonal, diagonal] += ridge
    wanted = _entries(gram, at, np.broadcast_to(own[:, None], at.shape)) * there
    solved = np.linalg.solve(systems, wanted[:, :, None])[:, :, 0]
    return np.asarray(solved * there, dtype=np.float32)


def _entries(
    gram: sparse.csr_matrix, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> Floats:
    """gram[rows, columns], broadcast."""
    rows, columns = np.broadcast_arrays(rows, columns)
    picked = gram[rows.ravel(), columns.ravel()]
    return np.asarray(picked, dtype=np.float32).reshape(rows.shape)
