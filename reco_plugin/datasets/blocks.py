"""What both readers of the database hand over: packed columns of some thousand rows at a time."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets.keys import Bytes

Array = npt.NDArray[Any]

HAS_RATING = 1
KIND_SHIFT = 1
QUANTITY_SHIFT = 8
"""`detail` packs three small numbers: bit 0 says that the row has a rating, bits 1-7 hold the kind,
the bits above the quantity (clipped to ±MOST_UNITS)."""
MOST_UNITS = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Interactions with a product, in no particular order."""

    shoppers: Bytes
    """16 bytes a row."""
    products: Sequence[Bytes]
    """As `Keys.select` packs them."""
    at: Array
    """int64 microseconds of the Unix epoch, UTC."""
    detail: Array
    """int32."""
    ratings: Array
    """float64, only of the rows whose detail says that they have one."""

    @property
    def kind(self) -> Array:
        return ((self.detail >> KIND_SHIFT) & 0x7F).astype(np.uint8)

    @property
    def quantity(self) -> Array:
        return (self.detail >> QUANTITY_SHIFT).astype(np.int32)

    @property
    def rating(self) -> Array:
        """float32, NaN for rows without a rating."""
        found = np.full(len(self.detail), np.nan, np.float32)
        found[(self.detail & HAS_RATING).astype(bool)] = self.ratings
        return found


class Progress(Protocol):
    """Told how far a stage is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


class Reader(Protocol):
    """A way to get at the rows: fast on PostgreSQL, plain elsewhere."""

    def events(
        self,
        site: int,
        since: dt.datetime | None,
        until: dt.datetime | None,
        shoppers: Sequence[uuid.UUID] | None = None,
    ) -> Iterator[tuple[Block, float]]:
        """Blocks, and the share of the table read so far; of `shoppers` only, where they are given."""
        ...

    def items(self, site: int) -> tuple[Sequence[Bytes], Array]:
        """Every Item's packed key, and whether it is sensitive (bool)."""
        ...

    def links(self, site: int) -> tuple[Bytes, Bytes]:
        """Visitors who turned out to be a shopper, and that shopper; 16 bytes each."""
        ...
