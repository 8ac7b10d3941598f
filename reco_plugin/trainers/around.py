"""What was met on the same visit, sooner or later: one count that knows both togetherness and order.

Pairs are counted in the order they were met, which is half of them; the other half is the transpose. An occasion
weighs 1 / distance for what came later, and a share of that for what came before, so that in a log whose order
means little pairs still find the shoppers they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.following import Trail
from reco_plugin.trainers.occasions import Occasions
from reco_plugin.trainers.pairs import PairBlock, Pairs, Rows, Totals, runs_of, summed
from reco_plugin.trainers.related import changes
from reco_plugin.trainers.together import repeats_of

BLOCK = 1 << 22
"""Pairs of events worked on at once."""
Indices = npt.NDArray[np.int32]


def around(steps: Trail, *, backward: float, progress: Progress | None = None) -> Pairs:
    """Count all pairs of each group of `steps`, each event a step of its own.

    `support` is how many groups hold both items, whatever their order, as `together` counts it.
    Raises ValueError unless 0 <= backward <= 1.
    """
    if not 0 <= backward <= 1:
        raise ValueError(f"backward must lie in 0..1, not {backward!r}.")
    begins = changes(steps.group)
    with ThreadPoolExecutor(1) as beside:  # SciPy lets go of the interpreter while it counts
        repeated = beside.submit(_repeated, steps, begins)
        both = _both(steps, begins, backward, progress)
        return _pairs(both, *repeated.result())


def _both(
    steps: Trail, begins: Rows, backward: float, progress: Progress | None
) -> sparse.csr_matrix:
    """complex64 (n_items, n_items): how often two were met, and (imaginary) how closely, both ways round."""
    shape = (steps.n_items, steps.n_items)
    parts = list(_later(steps, begins, progress))
    later = (
        sparse.vstack(parts, format="csr")
        if parts
        else sparse.csr_matrix(shape, dtype=np.complex64)
    )
    del parts
    sooner = later.T.tocsr()
    later = sooner.T.tocsr()  # sorted now, as the other is: adding them is several times faster
    sooner.data.imag *= backward
    return (later + sooner).tocsr()


def _pairs(both: sparse.csr_matrix, groups: Occasions, repeats: sparse.csr_matrix) -> Pairs:
    support = sparse.csr_matrix(
        (np.ascontiguousarray(both.data.real), both.indices, both.indptr), shape=both.shape
    )
    weights = sparse.csr_matrix(
        (np.ascontiguousarray(both.data.imag), both.indices, both.indptr), shape=both.shape
    )
    totals = Totals(
        held=groups.counts.astype(np.float64),
        lead=_row_sums(weights),
        follow=weights.T @ np.ones(both.shape[0]),
        occasions=len(groups),
    )
    block = PairBlock(first=0, support=support, strength=weights.data, repeats=repeats)
    return Pairs(blocks=(block,), totals=totals)


def _row_sums(matrix: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    """(rows,) in double precision, without a copy of the matrix in it."""
    sums = np.zeros(matrix.shape[0])
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if len(filled):
        sums[filled] = np.add.reduceat(matrix.data, matrix.indptr[filled], dtype=np.float64)
    return sums


def _repeated(steps: Trail, begins: Rows) -> tuple[Occasions, sparse.csr_matrix]:
    """The groups, and the occasions of each pair beyond each shopper's first."""
    groups = _groups(steps, begins)
    return groups, repeats_of(groups.by_item, groups)


def _groups(steps: Trail, begins: Rows) -> Occasions:
    held = sparse.csr_matrix(
        (np.ones(len(steps), np.float32), steps.item, np.append(begins, len(steps))),
        shape=(len(begins), steps.n_items),
    )
    return Occasions(held=held, shopper=steps.shopper[begins])


def _later(steps: Trail, begins: Rows, progress: Progress | None) -> Iterator[sparse.csr_matrix]:
    """Rows of items: how often each other was met later, and (imaginary) the sum of 1 / distance."""
    lengths = np.diff(np.append(begins, len(steps)))
    left = (np.repeat(begins + lengths, lengths) - np.arange(len(steps)) - 1).astype(np.int32)
    weights = _weights(int(lengths.max(initial=1)))
    order, ends = _by_item(steps)
    left = left[order]
    terms = np.diff(np.concatenate([[0], np.cumsum(left, dtype=np.int64)])[ends])
    for start, stop in runs_of(terms, BLOCK):
        chosen = slice(ends[start], ends[stop])
        at, distance = _windows(order[chosen], left[chosen])
        per_item = np.concatenate([[0], np.cumsum(terms[start:stop])])
        many = sparse.csr_matrix(
            (weights[distance], steps.item[at], per_item), shape=(stop - start, steps.n_items)
        )
        yield summed(many)
        if progress:
            progress("around", stop, steps.n_items)


def _by_item(steps: Trail) -> tuple[Indices, Indices]:
    """Events by item, and where each item's begin."""
    places = np.arange(len(steps), dtype=np.int32)
    whole = np.array([0, len(steps)], np.int32)
    shape = (1, steps.n_items)
    # a transpose counts rather than compares: several times faster than sorting
    by_item = sparse.csr_matrix((places, steps.item, whole), shape=shape).tocsc()
    return by_item.data, by_item.indptr


def _weights(longest: int) -> npt.NDArray[np.complex64]:
    """By distance - 1."""
    return (1 + 1j / np.arange(1, longest + 1)).astype(np.complex64)


def _windows(events: Indices, lengths: Indices) -> tuple[Indices, Indices]:
    """For each event the places of the next `lengths` ones, and how far off each is, less one."""
    total = int(lengths.sum(dtype=np.int64))
    distance = np.arange(total, dtype=np.int32)
    distance -= np.repeat((np.cumsum(lengths) - lengths).astype(np.int32), lengths)
    at = np.repeat(events, lengths)
    at += distance
    at += 1
    return at, distance
