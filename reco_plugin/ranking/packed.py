"""All members' item → item matrices in one table that is short enough to be looked up on a page.

Of each item those are kept whom any member puts among its best; of each of them what *every* member thinks is
kept, so that cutting lists short makes nobody look unknown to a member who knows them. Numbers are whole: of a
member's largest, in WHOLE parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.ranking.stored import WHOLE
from reco_plugin.ranking.votes import Heard
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.transitions import BLOCK, blocks, largest
from reco_plugin.types import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """r entries in all; those of item i are starts[i]:starts[i + 1], the items ascending."""

    members: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    """(n_items + 1,)"""
    items: Ints
    """(r,)"""
    values: Ints
    """(members, r) 0..WHOLE."""

    @property
    def n_items(self) -> int:
        return len(self.starts) - 1

    def heard(self, item: int, prior: Floats) -> Heard | None:
        """The list of an item, as a page would look it up; None where it has none. `prior` is (n_items,)."""
        part = slice(int(self.starts[item]), int(self.starts[item + 1]))
        if part.start == part.stop:
            return None
        items = self.items[part]
        return Heard(keys=items.tolist(), values=self.values[:, part], prior=prior[items].tolist())


def pack(
    matrices: Mapping[str, sparse.csr_matrix],
    best: int,
    *,
    past: Histories | None = None,
    fewest: int = 0,
    openly: frozenset[str] = frozenset(),
) -> Packed:
    """The `best` of each row of each matrix (n_items, n_items), and what all of them say of those.

    With `past`, pairs that fewer than `fewest` of its rows hold are left out, but for what members named
    `openly` say, who do not learn from shoppers.
    """
    known = _common(matrices, past, fewest, openly) if past is not None and fewest > 1 else {}
    kept = {name: _positive(known.get(name, matrix)) for name, matrix in matrices.items()}
    shape = next(iter(kept.values())).shape
    pattern = sparse.csr_matrix(shape, dtype=np.float32)
    for matrix in kept.values():
        pattern = pattern + _ones(largest(matrix.copy(), best))
    pattern = pattern.tocsr()
    pattern.sort_indices()
    cells = _cells(pattern)
    values = [_whole(_at(matrix, cells), matrix) for matrix in kept.values()]
    return Packed(
        members=tuple(kept),
        starts=pattern.indptr.astype(np.int64),
        items=pattern.indices.astype(np.int32),
        values=np.stack(values) if values else np.zeros((0, len(cells)), np.int32),
    )


def _common(
    matrices: Mapping[str, sparse.csr_matrix],
    past: Histories,
    fewest: int,
    openly: frozenset[str],
) -> dict[str, sparse.csr_matrix]:
    """The matrices that learn from shoppers, without the pairs that too few of them hold."""
    asked = sparse.csr_matrix((past.n_items, past.n_items), dtype=np.float32)
    told = {name: matrix for name, matrix in matrices.items() if name not in openly}
    for matrix in told.values():
        asked = asked + _ones(_positive(matrix))
    allowed = held_together(past, asked.tocsr(), fewest)
    return {name: matrix.multiply(allowed).tocsr() for name, matrix in told.items()}


def held_together(past: Histories, asked: sparse.csr_matrix, fewest: int) -> sparse.csr_matrix:
    """float32 0/1 (n_items, n_items): of the stored pairs of `asked` those that at least `fewest` rows hold."""
    sets = past.sets()
    holders = sets.T.tocsr()
    parts = []
    for start, stop in blocks(holders, sets, BLOCK):
        counts = (holders[start:stop] @ sets).tocsr()
        counts.data = (counts.data >= fewest).astype(np.float32)
        parts.append(counts.multiply(asked[start:stop] > 0).tocsr())
    found = sparse.csr_matrix(sparse.vstack(parts, format="csr") if parts else asked)
    found.eliminate_zeros()
    return _ones(found)


def _positive(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    found = matrix.tocsr().astype(np.float32)
    found.data = np.maximum(found.data, 0)
    found.eliminate_zeros()
    found.sort_indices()
    return found


def _ones(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    found = matrix.copy()
    found.data = np.ones(found.nnz, np.float32)
    return found


def _cells(matrix: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    """Row and column of each stored entry as one number, ascending."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return np.asarray(rows * matrix.shape[1] + matrix.indices)


def _at(matrix: sparse.csr_matrix, cells: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    own = _cells(matrix)
    if not len(own):
        return np.zeros(len(cells), np.float32)
    place = np.minimum(np.searchsorted(own, cells), len(own) - 1)
    return np.where(own[place] == cells, matrix.data[place], 0)


def _whole(values: npt.NDArray[Any], matrix: sparse.csr_matrix) -> Ints:
    most = float(matrix.data.max()) if matrix.nnz else 1.0
    return np.asarray(np.rint(values / most * WHOLE), np.int32)
