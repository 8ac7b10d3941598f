"""What followed what: pairs in which one item came some steps after another, nearer ones weighing more.

Sequential rules after Ludewig & Jannach 2018 (a step's weight is 1 / distance), for trails of any kind: what was
looked at on a visit and then bought, the baskets of a shopper one after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.pairs import PairBlock, Pairs, Rows, Totals, beyond_first, runs_of, summed
from reco_plugin.trainers.related import changes
from reco_plugin.types import Ints

BLOCK = 1 << 23
"""Pairs of events worked on at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trail:
    """m events, sorted by group and step; (m,) each."""

    group: Rows
    """Whose steps they are: a visit, or a shopper. Groups of one shopper stand together, ascending."""
    step: Rows
    """From 0 within a group; events of one step have no order."""
    item: Ints
    shopper: Ints
    n_items: int
    leads: npt.NDArray[np.bool_] | None = None
    """May others follow it? None: all."""
    follows: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.item)


def trail(
    group: npt.NDArray[np.integer[Any]],
    item: npt.NDArray[np.integer[Any]],
    at: npt.NDArray[np.int64],
    shopper: npt.NDArray[np.integer[Any]],
    *,
    n_items: int,
    longest: int = 0,
    occasion: npt.NDArray[np.integer[Any]] | None = None,
    bought: npt.NDArray[np.bool_] | None = None,
) -> Trail:
    """The first event of each item in each group, in order of time. All (m,).

    Events of one `occasion` are one step; without, each event is one. With `bought`, what was not bought leads
    and what was bought follows, and an item may be there as both. `longest` keeps the first so many steps of
    a group (0: all): a robot's visit costs its square.
    """
    code = item.astype(np.int64) if bought is None else item * np.int64(2) + bought
    order = np.lexsort((at, code, group))
    order = order[changes(group[order], code[order])]
    order = order[np.lexsort((code[order], at[order], group[order]))]  # the same whoever reads
    step = _steps(group[order], None if occasion is None else occasion[order])
    if longest:
        order, step = order[step < longest], step[step < longest]
    kinds = None if bought is None else bought[order]
    return Trail(
        group=group[order].astype(np.int64),
        step=step,
        item=item[order].astype(np.int32),
        shopper=shopper[order].astype(np.int32),
        n_items=n_items,
        leads=None if kinds is None else ~kinds,
        follows=kinds,
    )


def _steps(group: npt.NDArray[Any], occasion: npt.NDArray[Any] | None) -> Rows:
    begins = changes(group)
    if occasion is None:
        number = np.arange(len(group))
    else:
        number = np.zeros(len(group), np.int64)
        number[changes(group, occasion)] = 1
        number = np.cumsum(number)
    return np.asarray(number - np.repeat(number[begins], np.diff(np.append(begins, len(group)))))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Leads:
    """Events that lead, by item and shopper, each with the range of the events that follow it."""

    item: Ints
    shopper: Ints
    place: Rows
    start: Rows
    lengths: Rows

    def between(self, begin: int, end: int) -> _Leads:
        """Those from `begin` up to `end`."""
        part = slice(begin, end)
        return _Leads(
            item=self.item[part],
            shopper=self.shopper[part],
            place=self.place[part],
            start=self.start[part],
            lengths=self.lengths[part],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """Who counts as having followed whom, and how much."""

    steps: int = 10
    """Furthest distance."""
    flat: bool = False
    """Each distance weighs 1 rather than 1 / distance."""

    def __post_init__(self) -> None:
        configs.require(self.steps >= 1, "steps must be at least 1.")

    def weights(self) -> npt.NDArray[np.complex64]:
        """By distance - 1: 1 as the real part, the weight as the imaginary one."""
        distance = np.arange(1, self.steps + 1)
        return (1 + 1j / (np.ones_like(distance) if self.flat else distance)).astype(np.complex64)


def following(
    steps: Trail, reach: Reach | None = None, *, progress: Progress | None = None
) -> Pairs:
    """Count who came within `reach` of whom."""
    found = []
    for block in blocks_of(steps, reach or Reach()):
        found.append(block)
        if progress:
            progress("following", block.first + len(block), steps.n_items)
    return Pairs(blocks=tuple(found), totals=_totals(steps, found))


def _totals(steps: Trail, blocks: list[PairBlock]) -> Totals:
    lead, follow = np.zeros(steps.n_items), np.zeros(steps.n_items)
    for block in blocks:
        weights = block.weights.astype(np.float64)
        rows = np.repeat(np.arange(len(block)), np.diff(block.support.indptr))
        lead[block.first : block.first + len(block)] = np.bincount(rows, weights, len(block))
        follow += np.bincount(block.support.indices, weights, steps.n_items)
    leads = steps.item if steps.leads is None else steps.item[steps.leads]
    return Totals(
        held=np.bincount(leads, minlength=steps.n_items).astype(np.float64),
        lead=lead,
        follow=follow,
        occasions=len(changes(steps.group)),
    )


def blocks_of(steps: Trail, reach: Reach, size: float = BLOCK) -> Iterator[PairBlock]:
    """Count, some rows at a time."""
    place = _places(steps, reach.steps)
    after = np.arange(len(steps)) if steps.follows is None else np.flatnonzero(steps.follows)
    item, spot = steps.item[after], place[after]
    leads = _leads(steps, place, spot, reach)
    ends = np.searchsorted(leads.item, np.arange(steps.n_items + 1))
    terms = np.diff(np.concatenate([[0], np.cumsum(leads.lengths)])[ends])
    weights = reach.weights()
    for start, stop in runs_of(terms, size):
        part = leads.between(ends[start], ends[stop])
        at = _expanded(part.start, part.lengths)
        values = weights[spot[at] - np.repeat(part.place + 1, part.lengths)]
        yield _block(part, range(start, stop), item[at], values, steps.n_items)


def _places(steps: Trail, reach: int) -> Rows:
    """One number for each step of all groups, those of different groups more than `reach` apart."""
    begins = changes(steps.group)
    last = steps.step[np.append(begins[1:], len(steps)) - 1] if len(begins) else begins
    offset = np.concatenate([[0], np.cumsum(last[:-1] + reach + 1)]) if len(begins) else begins
    lengths = np.diff(np.append(begins, len(steps)))
    return np.asarray(steps.step + np.repeat(offset, lengths), dtype=np.int64)


def _leads(steps: Trail, place: Rows, after: Rows, reach: Reach) -> _Leads:
    leads = np.arange(len(steps)) if steps.leads is None else np.flatnonzero(steps.leads)
    start = np.searchsorted(after, place[leads], side="right")
    stop = np.searchsorted(after, place[leads] + reach.steps, side="right")
    order = np.argsort(steps.item[leads], kind="stable")
    chosen = leads[order]
    return _Leads(
        item=steps.item[chosen],
        shopper=steps.shopper[chosen],
        place=place[chosen],
        start=start[order].astype(np.int64),
        lengths=(stop - start)[order].astype(np.int64),
    )


def _expanded(start: Rows, lengths: Rows) -> Rows:
    """All numbers of all ranges, one range after another."""
    shift = start - (np.cumsum(lengths) - lengths)
    return np.asarray(np.repeat(shift, lengths) + np.arange(int(lengths.sum())))


def _block(
    leads: _Leads, rows: range, item: Ints, values: npt.NDArray[np.complex64], n_items: int
) -> PairBlock:
    """`item` and `values` are of the events that follow `leads`, one after another.

    Being complex, they add up both counts and weights in one product.
    """
    lead = leads.item.astype(np.int64) - rows.start
    ends = np.concatenate([[0], np.cumsum(leads.lengths)])
    by_item = ends[np.searchsorted(lead, np.arange(len(rows) + 1))]
    many = sparse.csr_matrix((values, item, by_item), shape=(len(rows), n_items))
    found = summed(many)
    return PairBlock(
        first=rows.start,
        support=_like(found, found.data.real),
        strength=np.ascontiguousarray(found.data.imag),
        repeats=_repeats(leads, item, lead, len(rows), n_items),
    )


def _like(matrix: sparse.csr_matrix, data: npt.NDArray[Any]) -> sparse.csr_matrix:
    values = np.ascontiguousarray(data, dtype=np.float32)
    return sparse.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def _repeats(leads: _Leads, item: Ints, lead: Rows, rows: int, n_items: int) -> sparse.csr_matrix:
    """Occasions of a pair beyond each shopper's first; only those who led twice can have repeated it."""
    begins = changes(lead, leads.shopper)
    times = np.diff(np.append(begins, len(lead)))
    again = np.repeat(times > 1, times)
    kept = item[np.repeat(again, leads.lengths)]
    ends = np.concatenate([[0], np.cumsum(leads.lengths[again])])
    starts = ends[np.concatenate([[0], np.cumsum(times[times > 1])])]
    ones, shape = np.ones(len(kept), np.float32), (len(starts) - 1, n_items)
    cells = summed(sparse.csr_matrix((ones, kept, starts), shape=shape))
    return beyond_first(cells, lead[begins][times > 1], rows)
