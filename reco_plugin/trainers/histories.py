"""What shoppers did, in order: the input of every trainer that asks what goes with, or follows, what.

A matrix of shoppers by items has no order, no baskets and no repeats left; here they still stand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.types import Floats, Ints

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """n rows (shoppers, visits or baskets) of events, oldest first; m events in all."""

    starts: npt.NDArray[np.int64]
    """(n + 1,): the events of row r are starts[r]:starts[r + 1]."""
    items: Ints
    """(m,) item rows."""
    n_items: int
    at: Times | None = None
    """(m,) microseconds of the Unix epoch, UTC; None where only the order is known."""
    basket: Ints | None = None
    """(m,) number of the event's basket, not falling within a row; None: each event stands alone."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) events of each row."""
        return np.diff(self.starts)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """(m,) the row of each event."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def events_back(self) -> npt.NDArray[np.int64]:
        """(m,) 0 for the newest event of a row, 1 for the one before it, and so on."""
        return np.repeat(self.starts[1:], self.lengths) - 1 - np.arange(len(self.items))

    @cached_property
    def step(self) -> npt.NDArray[np.int64]:
        """(m,) one number per basket of a row, rising by one over all events."""
        if not len(self.items):
            return np.zeros(0, np.int64)
        begins = self._changes(self.rows)
        if self.basket is None:
            begins[:] = True
        else:
            begins |= self._changes(self.basket)
        return np.cumsum(begins) - 1

    @cached_property
    def steps_back(self) -> npt.NDArray[np.int64]:
        """(m,) 0 for events of the newest basket of a row, 1 for the one before it, and so on."""
        if not len(self.items):
            return np.zeros(0, np.int64)
        last = self.step[np.maximum(self.starts[1:] - 1, 0)]
        return np.repeat(last, self.lengths) - self.step

    def keep(self, chosen: npt.NDArray[np.bool_]) -> Histories:
        """The events where `chosen` (m,) is true; rows may become empty but stay."""
        counts = np.bincount(self.rows[chosen], minlength=len(self))
        return replace(
            self,
            starts=_starts(counts),
            items=self.items[chosen],
            at=None if self.at is None else self.at[chosen],
            basket=None if self.basket is None else self.basket[chosen],
        )

    def select(self, rows: npt.NDArray[np.integer[Any]]) -> Histories:
        """These rows, in this order; a row may be asked for more than once."""
        rows = np.asarray(rows, dtype=np.int64)
        counts = self.lengths[rows]
        starts = _starts(counts)
        chosen = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return replace(
            self,
            starts=starts,
            items=self.items[chosen],
            at=None if self.at is None else self.at[chosen],
            basket=None if self.basket is None else self.basket[chosen],
        )

    def by_basket(self) -> Histories:
        """One row per basket, oldest first within a shopper."""
        if not len(self.items):
            return replace(self, starts=np.zeros(1, np.int64), basket=None)
        return replace(self, starts=_starts(np.bincount(self.step)), basket=None)

    def matrix(self, weights: npt.NDArray[Any] | None = None) -> sparse.csr_matrix:
        """float32 CSR (n, n_items): the sum of `weights` (m,), or how often, for each row and item."""
        values = np.ones(len(self.items)) if weights is None else weights
        shape = (len(self), self.n_items)
        found = sparse.csr_matrix(
            (values.astype(np.float32), self.items.astype(np.int32), self.starts), shape=shape
        )
        found.sum_duplicates()
        return found

    def sets(self) -> sparse.csr_matrix:
        """float32 CSR (n, n_items) of ones: which items each row holds."""
        found = self.matrix()
        found.data[:] = 1
        return found

    def counts(self) -> Floats:
        """(n_items,) in how many rows each item is."""
        return np.bincount(self.sets().indices, minlength=self.n_items).astype(np.float32)

    def _changes(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        return np.concatenate([[True], values[1:] != values[:-1]])


def histories(
    rows: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    *,
    n_rows: int,
    n_items: int,
    at: npt.NDArray[np.int64] | None = None,
    basket: npt.NDArray[np.integer[Any]] | None = None,
) -> Histories:
    """Histories of events in any order; of equal (or no) times the given order holds.

    A basket's events stay together, at the time of its first. Raises ValueError for rows or items out of range.
    """
    _within("row", rows, n_rows)
    _within("item", items, n_items)
    if basket is not None:
        basket = np.unique(basket, return_inverse=True)[1].ravel()
    order = _order(rows, at, basket)
    return Histories(
        starts=_starts(np.bincount(rows, minlength=n_rows)),
        items=items[order].astype(np.int32),
        n_items=n_items,
        at=None if at is None else at[order].astype(np.int64),
        basket=None if basket is None else _renumbered(rows[order], basket[order]),
    )


def _order(
    rows: npt.NDArray[Any], at: npt.NDArray[Any] | None, basket: npt.NDArray[Any] | None
) -> npt.NDArray[np.int64]:
    place = np.arange(len(rows))
    if basket is None:
        return np.lexsort((place, rows) if at is None else (place, at, rows))
    if not len(rows):
        return place
    key = place if at is None else at
    first = np.full(int(basket.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, basket, key)
    return np.lexsort((place, basket, first[basket], rows))


def _renumbered(rows: npt.NDArray[Any], basket: npt.NDArray[Any]) -> Ints:
    """Numbers that rise in the order given."""
    if not len(rows):
        return np.zeros(0, np.int32)
    begins = np.concatenate([[True], (basket[1:] != basket[:-1]) | (rows[1:] != rows[:-1])])
    return (np.cumsum(begins) - 1).astype(np.int32)


def _starts(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _within(what: str, values: npt.NDArray[Any], size: int) -> None:
    if len(values) and not (values.min() >= 0 and values.max() < size):
        raise ValueError(f"There are {size} {what}s; {what} numbers must lie in 0..{size - 1}.")
