"""Occasions: the visits of a shopper, or their baskets, as rows of a matrix that knows whose each is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.types import Ints

PAUSE = 30 * 60 * 1_000_000
"""Microseconds of silence after which the next visit has begun."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Occasions:
    """n occasions, those of one shopper one after another."""

    held: sparse.csr_matrix
    """float32 (n, n_items) of ones: what each held."""
    shopper: Ints
    """(n,) ascending."""

    def __len__(self) -> int:
        return len(self.shopper)

    @property
    def n_items(self) -> int:
        return int(self.held.shape[1])

    @cached_property
    def by_item(self) -> sparse.csr_matrix:
        """(n_items, n)"""
        return self.held.T.tocsr()

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """(n_items,) occasions of each item."""
        return np.bincount(self.held.indices, minlength=self.n_items)

    def upto(self, most: int) -> Occasions:
        """Those of at most `most` items: a whole catalogue in one basket says nothing of any two of them,
        and costs its square."""
        few = np.diff(self.held.indptr) <= most
        if few.all():
            return self
        return Occasions(held=self.held[few], shopper=self.shopper[few])


def visit_numbers(
    shopper: npt.NDArray[np.integer[Any]], at: npt.NDArray[np.int64], pause: int = PAUSE
) -> npt.NDArray[np.int64]:
    """(m,) the number of each event's visit: of one shopper, with no silence longer than `pause` µs.

    Numbers rise by shopper, then in time.
    """
    order = np.lexsort((at, shopper))
    who, when = shopper[order], at[order]
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = (who[1:] != who[:-1]) | (when[1:] - when[:-1] > pause)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return numbers


def occasions(
    shopper: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    number: npt.NDArray[np.int64],
    *,
    n_items: int,
) -> Occasions:
    """One row for each `number` (m,), which rises by shopper, as `visit_numbers` tells."""
    count = int(number.max(initial=-1)) + 1
    owner = np.zeros(count, np.int32)
    owner[number] = shopper
    ones = np.ones(len(items), np.float32)
    held = sparse.csr_matrix((ones, (number, items)), shape=(count, n_items))
    held.data[:] = 1  # several events of an item in one visit were added up
    return Occasions(held=held, shopper=owner)
