"""Counts kept, so that a day is added to them rather than everything counted again.

What changed is the counts of the shoppers who were here, with the new events, less those without: so it makes no
difference how a visit was cut, or that what was bought long ago was sent back today.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.pairs import Config, PairBlock, Pairs, Rows, Totals
from reco_plugin.trainers.related import RelatedLists

HEAD = 20
"""Entries of a list that are looked at: more than a slate shows."""
DRIFT = 0.1
_Entries = tuple[list[int], list[int]]
"""Items and supports of a list."""
Arrays = dict[str, npt.NDArray[Any]]
_TOTALS = ("held", "lead", "follow")
_PARTS = ("data", "indices", "indptr")


def whole(pairs: Pairs) -> Pairs:
    """The same in one block of all rows."""
    if len(pairs.blocks) == 1 and len(pairs.blocks[0]) == pairs.n_items:
        return pairs
    n_items = pairs.n_items
    block = PairBlock(
        first=0,
        support=_stacked([block.support for block in pairs.blocks], n_items),
        repeats=_stacked([block.repeats for block in pairs.blocks], n_items),
        strength=_along([block.strength for block in pairs.blocks]),
    )
    return Pairs(blocks=(block,), totals=pairs.totals)


def added(one: Pairs, other: Pairs, sign: int = 1) -> Pairs:
    """Added up; `sign` -1 takes `other` away. Both over the same items."""
    mine, theirs = whole(one).blocks[0], whole(other).blocks[0]
    both = (_complex(mine, 1) + _complex(theirs, sign)).tocsr()
    return Pairs(
        blocks=(
            PairBlock(
                first=0,
                support=_with(both, both.data.real),
                strength=None if mine.strength is None else _plain(both.data.imag),
                repeats=(mine.repeats + sign * theirs.repeats).tocsr(),
            ),
        ),
        totals=one.totals.plus(other.totals, sign),
    )


def widened(pairs: Pairs, n_items: int) -> Pairs:
    """The same with more items after those there are."""
    block, more = whole(pairs).blocks[0], n_items - pairs.n_items
    totals = {name: np.pad(getattr(pairs.totals, name), (0, more)) for name in _TOTALS}
    lately = pairs.totals.lately
    if lately is not None:
        lately = np.pad(lately, (0, more), constant_values=1.0)
    return Pairs(
        blocks=(
            PairBlock(
                first=0,
                support=_larger(block.support, n_items),
                repeats=_larger(block.repeats, n_items),
                strength=block.strength,
            ),
        ),
        totals=Totals(occasions=pairs.totals.occasions, lately=lately, **totals),
    )


def some(pairs: Pairs, rows: Rows, *, without: npt.NDArray[np.bool_] | None = None) -> Pairs:
    """Only these rows' pairs (`rows` ascending); none with the items of the mask `without` (n_items,)."""
    block = whole(pairs).blocks[0]
    support = _of_rows(block.support, rows)
    strength = None
    if block.strength is not None:
        strength = _of_rows(_with(block.support, block.strength), rows).data
    if without is not None and without.any():
        chosen = ~without[support.indices]
        support = _filtered(support, chosen)
        strength = None if strength is None else strength[chosen]
    part = PairBlock(
        first=0, support=support, repeats=_of_rows(block.repeats, rows), strength=strength
    )
    return Pairs(blocks=(part,), totals=pairs.totals)


def changed(delta: Pairs, now: Pairs, config: Config) -> Rows:
    """Rows with a changed pair that has, or had, enough occasions to be told of."""
    difference, floor = whole(delta).blocks[0].support, max(config.support, config.shoppers)
    touched = np.flatnonzero(np.diff(difference.indptr))
    new = whole(some(now, touched)).blocks[0].support
    most = abs(difference).maximum(0)  # what was lost counts as what there was
    met = sparse.csr_matrix((np.ones(most.nnz), most.indices, most.indptr), shape=most.shape)
    told = (new + most).multiply(met).tocsr()
    row = np.repeat(np.arange(told.shape[0]), np.diff(told.indptr))
    return np.unique(row[told.data >= floor])


def moved(old: RelatedLists, new: RelatedLists) -> Rows:
    """Rows whose lists are worth writing again: something left them, their first HEAD are others or in another
    order, or a support among those has changed by more than a DRIFT of itself."""
    before, after = _read_out(old), _read_out(new)
    nothing: _Entries = ([], [])
    rows = before.keys() | after.keys()
    found = [row for row in rows if _differ(before.get(row, nothing), after.get(row, nothing))]
    return np.asarray(sorted(found), np.int64)


def _read_out(lists: RelatedLists) -> dict[int, _Entries]:
    items, supports = lists.items.tolist(), lists.facts["support"].tolist()
    return {row: (items[part], supports[part]) for row, part in lists}


def _differ(old: _Entries, new: _Entries) -> bool:
    if old[0][:HEAD] != new[0][:HEAD] or not set(old[0]) <= set(new[0]):
        return True
    supports = zip(old[1][:HEAD], new[1][:HEAD], strict=True)
    return any(abs(later - earlier) > DRIFT * earlier for earlier, later in supports)


def to_arrays(counted: Mapping[str, Pairs]) -> Arrays:
    """For `artefacts.save`."""
    found: Arrays = {}
    for relation, pairs in counted.items():
        block = whole(pairs).blocks[0]
        for name in ("support", "repeats"):
            for part in _PARTS:
                found[f"{relation}.{name}.{part}"] = getattr(getattr(block, name), part)
        if block.strength is not None:
            found[f"{relation}.strength"] = block.strength
        for name in _TOTALS:
            found[f"{relation}.{name}"] = getattr(pairs.totals, name)
        if pairs.totals.lately is not None:
            found[f"{relation}.lately"] = pairs.totals.lately
        found[f"{relation}.occasions"] = np.array([pairs.totals.occasions], np.int64)
    return found


def from_arrays(arrays: Arrays) -> dict[str, Pairs]:
    """The inverse of `to_arrays`. Raises KeyError for arrays that are not counts."""
    names = [name.removesuffix(".occasions") for name in arrays if name.endswith(".occasions")]
    return {relation: _read(arrays, relation) for relation in names}


def _read(arrays: Arrays, relation: str) -> Pairs:
    totals = {name: arrays[f"{relation}.{name}"] for name in _TOTALS}
    n_items = len(totals["held"])

    def matrix(name: str) -> sparse.csr_matrix:
        parts = tuple(arrays[f"{relation}.{name}.{part}"] for part in _PARTS)
        return sparse.csr_matrix(parts, shape=(n_items, n_items))

    block = PairBlock(
        first=0,
        support=matrix("support"),
        repeats=matrix("repeats"),
        strength=arrays.get(f"{relation}.strength"),
    )
    occasions = int(arrays[f"{relation}.occasions"][0])
    lately = arrays.get(f"{relation}.lately")
    return Pairs(blocks=(block,), totals=Totals(occasions=occasions, lately=lately, **totals))


def _complex(block: PairBlock, sign: int) -> sparse.csr_matrix:
    """Support and, as the imaginary part, strength: one sum for both."""
    return _with(block.support, sign * (block.support.data + 1j * block.weights), np.complex64)


def _with(
    matrix: sparse.csr_matrix, data: npt.NDArray[Any], kind: type[Any] = np.float32
) -> sparse.csr_matrix:
    return sparse.csr_matrix(
        (_plain(data, kind), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def _plain(data: npt.NDArray[Any], kind: type[Any] = np.float32) -> npt.NDArray[Any]:
    return np.ascontiguousarray(data, dtype=kind)


def _stacked(parts: list[sparse.csr_matrix], n_items: int) -> sparse.csr_matrix:
    if not parts:
        return sparse.csr_matrix((n_items, n_items), dtype=np.float32)
    return sparse.vstack(parts, format="csr", dtype=np.float32)


def _along(parts: list[npt.NDArray[np.float32] | None]) -> npt.NDArray[np.float32] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None


def _larger(matrix: sparse.csr_matrix, n_items: int) -> sparse.csr_matrix:
    starts = np.pad(matrix.indptr, (0, n_items - matrix.shape[0]), mode="edge")
    return sparse.csr_matrix((matrix.data, matrix.indices, starts), shape=(n_items, n_items))


def _of_rows(matrix: sparse.csr_matrix, rows: Rows) -> sparse.csr_matrix:
    """The same shape, all other rows empty."""
    found = matrix[rows]
    lengths = np.zeros(matrix.shape[0], np.int64)
    lengths[rows] = np.diff(found.indptr)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((found.data, found.indices, starts), shape=matrix.shape)


def _filtered(matrix: sparse.csr_matrix, chosen: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    before = np.concatenate([[0], np.cumsum(chosen)])
    return sparse.csr_matrix(
        (matrix.data[chosen], matrix.indices[chosen], before[matrix.indptr]), shape=matrix.shape
    )
