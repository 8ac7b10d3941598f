"""Add up weights by shopper, item and day: pack all three and the weight's code into one number, sort.

NumPy sorts ten million 64-bit numbers in a fraction of the time it takes to order them indirectly,
and equal keys then stand together, always in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.datasets.log import DAY, EventLog

Words = npt.NDArray[np.uint64]
WORD = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Sums by shopper and item, sorted."""

    shopper: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    sums: npt.NDArray[np.float64]

    def to_csr(self, shape: tuple[int, int]) -> sparse.csr_matrix:
        """float32, only what is positive."""
        kept = self.sums.astype(np.float32) > 0
        counts = np.bincount(self.shopper[kept], minlength=shape[0])
        indptr = np.concatenate([[0], np.cumsum(counts)])
        index = np.int32 if indptr[-1] < np.iinfo(np.int32).max else np.int64
        parts = (
            self.sums[kept].astype(np.float32),
            self.item[kept].astype(index),
            indptr.astype(index),
        )
        found = sparse.csr_matrix(parts, shape=shape, copy=False)
        found.has_sorted_indices = True
        found.has_canonical_format = True
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Sums by shopper, item and UTC day, sorted. All arrays (n_groups,)."""

    shopper: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    """0 is `first_day`."""
    sums: npt.NDArray[np.float64]
    first_day: int
    """Days since 1970."""
    n_days: int

    def into_cells(self, sums: npt.NDArray[np.float64]) -> Cells:
        """Add up `sums` (n_groups,) over the days."""
        new = np.ones(len(self.shopper), bool)
        new[1:] = (self.shopper[1:] != self.shopper[:-1]) | (self.item[1:] != self.item[:-1])
        starts = np.flatnonzero(new)
        return Cells(
            shopper=self.shopper[starts],
            item=self.item[starts],
            sums=np.add.reduceat(sums, starts),
        )


def group(log: EventLog, code: Words, values: npt.NDArray[np.float64]) -> Group:
    """Sums of `values[code]` (code: (n,)) by shopper, item and day. `log` must not be empty."""
    day = log.at // DAY
    first = int(day.min())
    day -= first
    n_days = int(day.max()) + 1
    sizes = (len(log.shoppers), len(log.items), n_days, len(values))
    bits = [max(1, (size - 1).bit_length()) for size in sizes]
    parts = (log.shopper, log.item, day, code)
    if sum(bits) <= WORD:
        shopper, item, days, sums = _sorted_sums(parts, bits, values)
    else:
        shopper, item, days, sums = _ordered_sums(parts, values)
    return Group(shopper=shopper, item=item, day=days, sums=sums, first_day=first, n_days=n_days)


Sums = tuple[
    npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]
]
Parts = tuple[npt.NDArray[Any], ...]


def _sorted_sums(parts: Parts, bits: list[int], values: npt.NDArray[np.float64]) -> Sums:
    packed = parts[0].astype(np.uint64)
    for part, size in zip(parts[1:], bits[1:], strict=True):
        packed <<= np.uint64(size)
        packed |= part.astype(np.uint64)
    packed.sort()
    weights = values[packed & np.uint64((1 << bits[3]) - 1)]
    packed >>= np.uint64(bits[3])
    new = np.ones(len(packed), bool)
    np.not_equal(packed[1:], packed[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    sums = np.add.reduceat(weights, starts)
    packed = packed[starts]
    day = (packed & np.uint64((1 << bits[2]) - 1)).astype(np.int32)
    packed >>= np.uint64(bits[2])
    item = (packed & np.uint64((1 << bits[1]) - 1)).astype(np.int32)
    return (packed >> np.uint64(bits[1])).astype(np.int32), item, day, sums


def _ordered_sums(parts: Parts, values: npt.NDArray[np.float64]) -> Sums:
    """The same for shops whose numbers do not fit into one word."""
    order = np.lexsort(parts[::-1])
    shopper, item, day, code = (part[order] for part in parts)
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(shopper) != 0) | (np.diff(item) != 0) | (np.diff(day) != 0)
    starts = np.flatnonzero(new)
    sums = np.add.reduceat(values[code], starts)
    return shopper[starts], item[starts], day[starts].astype(np.int32), sums
