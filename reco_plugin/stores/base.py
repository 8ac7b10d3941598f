"""The contract of a store: publish a run beside the live one, read it, drop it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from reco_plugin.types import EventKind, Floats, IdMap, Key


class Progress(Protocol):
    """Told how far a stage is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """What a run publishes. float32; rows follow the id maps."""

    items: IdMap
    item_vectors: Floats
    """(n_items, d), unfolded: item-to-item uses their cosine."""
    item_biases: Floats
    """(n_items,): folded into one more dimension, so that one inner product is the whole score."""
    shoppers: IdMap
    shopper_vectors: Floats
    """(n_shoppers, d)"""

    def folded(self) -> Floats:
        """(n_items, d + 1): `[vector, bias]`; the query to match is `[shopper, 1]`."""
        return np.hstack([self.item_vectors, self.item_biases[:, None]]).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Handle:
    """Enough to read a published run: its number and the state the store gave back at publish."""

    run: int
    site: int = 1
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """One answer of a store or of a list."""

    key: Key
    score: float
    facts: Mapping[str, float] = field(default_factory=dict)
    """What a list knows of this entry besides: 'support', 'confidence', 'lift', 'shoppers' …"""
    beside: Key | None = None
    """The other product on the left of a rule, as it was stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """A SELECT of product keys (SQL and its parameters) that answers must be among."""

    sql: str
    params: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """A scalar SQL expression that scores one product, the larger the better, NULL for one unknown."""

    sql: str
    """`{key}`, once, stands where the product's key goes."""
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class PastEvent:
    """One event of a shopper, newest first, with the item's unfolded vector where the run has one."""

    key: Key
    kind: EventKind
    occurred_at: dt.datetime
    vector: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """What a store knows of a shopper: their recent events and, if trained, their own vector."""

    events: tuple[PastEvent, ...]
    vector: Floats | None
    """(d,) or None for a shopper the run has not seen."""


class Store(Protocol):
    """Every method reads or writes whole runs; none knows rules or requests."""

    name: ClassVar[str]

    def publish(
        self, handle: Handle, vectors: Vectors, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Write a run beside the live one; returns the JSON-able state a Handle needs to read it.

        No reader is ever blocked; a failure leaves nothing behind. Raises StoreError.
        """
        ...

    def upsert(self, handle: Handle, items: IdMap, vectors: Floats, biases: Floats) -> None:
        """Add products born after the training (or replace their vectors) in a published run."""
        ...

    def history(self, handle: Handle | None, shopper: uuid.UUID, limit: int) -> History:
        """The shopper's most recent product events and vectors, in one statement."""
        ...

    def nearest(
        self, handle: Handle, query: Floats, k: int, *, within: Within | None = None
    ) -> list[Scored]:
        """The `k` items of largest folded inner product with `query` (d,), best first, one statement.

        With `within`, exactly min(k, matching) items: an exact scan over what matches.
        """
        ...

    def neighbours(
        self, handle: Handle, key: Key, k: int, *, within: Within | None = None
    ) -> list[Scored]:
        """The `k` items of largest cosine with item `key`, itself left out, best first."""
        ...

    def drop(self, handle: Handle) -> None:
        """Forget a run; dropping one that is gone already is no error."""
        ...

    def check(self) -> Sequence[str]:
        """What stands in the way of using this store here, in plain words; empty when nothing."""
        ...


class Tuned(Protocol):
    """What a store may have besides: settings that a caller can make once for several reads."""

    def settings(self, handle: Handle) -> Mapping[str, str]:
        """The database settings that `nearest` wants for this run, see `stores.in_force`."""
        ...


@runtime_checkable
class Sweeping(Protocol):
    """What a store may have besides: leftovers of processes that died, which it can find by itself."""

    def sweep(self, *, dry_run: bool = False) -> list[str]:
        """Drop (or only name) what no run names any more. Raises StoreError."""
        ...


@runtime_checkable
class Forgetting(Protocol):
    """What a store should have besides: it can let go of single shoppers of a published run."""

    def forget(self, handle: Handle, shoppers: Sequence[uuid.UUID]) -> int:
        """Remove the vectors of `shoppers` while the run is read; returns how many it had.

        Doing it again, for shoppers it never knew or for a run that is gone, is no error. Raises
        StoreError.
        """
        ...


@runtime_checkable
class Exporting(Protocol):
    """What a store should have besides: it hands out a run's items whole, to whatever machine asks."""

    def item_vectors(self, handle: Handle) -> tuple[IdMap, Floats]:
        """Every item of a published run and its unfolded vector (n, d), in no particular order.

        Raises StoreError.
        """
        ...


@runtime_checkable
class Lending(Protocol):
    """What a store should have besides: it hands out the vectors of a few items, for diversity."""

    def vectors_of(self, handle: Handle, keys: Sequence[Key]) -> Mapping[Key, Floats]:
        """Unfolded vectors (d,) of those of `keys` that the run has, in one statement. Raises StoreError."""
        ...


@runtime_checkable
class Ordering(Protocol):
    """What a store in the shop's own database should have besides: the shop's queries can order by it."""

    def ordering(self, handle: Handle, query: Floats) -> Scoring:
        """The folded inner product of `query` (d,) and an item, as SQL. Reads nothing. Raises StoreError."""
        ...


@runtime_checkable
class Rechecking(Protocol):
    """What a store with approximate indexes should have besides: it can tell whether they still serve."""

    def recheck(
        self, handle: Handle, progress: Progress | None = None
    ) -> Mapping[str, Mapping[str, Any]]:
        """Per indexed space of a published run: 'recall' (of 10, as it was found), 'words', and, where
        something was changed, 'state', to be kept under that name in the run's state. Readers go on
        meanwhile. Raises StoreError.
        """
        ...
