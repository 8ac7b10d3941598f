"""The shop's history as arrays: who, what, which kind, when. Frozen, compact, free of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets.interning import Rows
from reco_plugin.types import IdMap

DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EventLog:
    """Events with a known product, in no particular order. All arrays have shape (n,)."""

    shopper: Rows
    """int32 rows of `shoppers`."""
    item: Rows
    """int32 rows of `items`."""
    kind: npt.NDArray[np.uint8]
    """EventKind numbers."""
    at: npt.NDArray[np.int64]
    """Microseconds of the Unix epoch, UTC."""
    quantity: npt.NDArray[np.int32]
    rating: npt.NDArray[np.float32]
    """0..1, NaN for events without a rating."""
    shoppers: IdMap
    """Those with at least one event when the log was read, sorted by id."""
    items: IdMap
    """Every learnable Item, with or without events, sorted by key."""
    read: int = 0
    """Events with a product that the database gave."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many of those were left out, by reason."""

    def __len__(self) -> int:
        return len(self.shopper)

    def select(self, chosen: npt.NDArray[Any], **changes: Any) -> EventLog:
        """The events at `chosen` (a mask or row numbers), over the same id maps."""
        names = ("shopper", "item", "kind", "at", "quantity", "rating")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names}, **changes)

    def cells(self) -> npt.NDArray[np.int64]:
        """(n,) `shopper * len(items) + item`: one number per pair."""
        return self.shopper.astype(np.int64) * max(1, len(self.items)) + self.item

    def last_seen(self) -> npt.NDArray[np.int64]:
        """(len(shoppers),) microseconds of each shopper's last event; 0 for those without one."""
        found = np.zeros(len(self.shoppers), np.int64)
        np.maximum.at(found, self.shopper, self.at)
        return found
