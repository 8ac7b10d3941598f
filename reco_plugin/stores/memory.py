"""A run's item vectors in the memory of this process, and how much of that there may be."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np

from reco_plugin.types import Floats, Key


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """Items and their folded vectors, (n, d + 1): the bias is the last column."""

    keys: list[Key]
    folded: Floats
    version: int = 0
    """Highest number among the rows this was read from."""

    @property
    def nbytes(self) -> int:
        return self.folded.nbytes + 100 * len(self.keys)

    @cached_property
    def rows(self) -> dict[Key, int]:
        return {key: row for row, key in enumerate(self.keys)}

    @property
    def embedding(self) -> Floats:
        """(n, d), unfolded."""
        return self.folded[:, :-1]

    @cached_property
    def norms(self) -> Floats:
        """(n,) lengths of the unfolded vectors."""
        found: Floats = np.linalg.norm(self.embedding, axis=1)
        return found

    def vector(self, key: Key) -> Floats | None:
        row = self.rows.get(key)
        return None if row is None else self.embedding[row].copy()

    def scores(self, query: Floats) -> Floats:
        """(n,) folded inner products with `query` (d,)."""
        found: Floats = self.folded @ np.append(query, np.float32(1))
        return found

    def cosines(self, row: int) -> Floats:
        """(n,) cosines with item `row`; NaN for vectors without a direction."""
        lengths = self.norms * self.norms[row]
        products = self.embedding @ self.embedding[row]
        usable = lengths > 0
        found: Floats = np.full(len(products), np.nan, dtype=np.float32)
        np.divide(products, lengths, out=found, where=usable)
        return found


def best(scores: Floats, k: int) -> list[int]:
    """Rows of the `k` largest scores, best first; NaN is never among them. Ties go by row."""
    usable = np.flatnonzero(~np.isnan(scores))
    values = scores[usable]
    if k < len(values):
        bar = np.partition(values, -k)[-k]
        usable = usable[values >= bar]
        values = scores[usable]
    order = np.argsort(-values, kind="stable")[:k]
    return [int(row) for row in usable[order]]


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


S = TypeVar("S", bound=_Sized)


@dataclass(kw_only=True)
class _Slot(Generic[S]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: S | None = None
    checked: float = 0.0


class Cache(Generic[S]):
    """Values read once per process and used by all of its threads, least recently used out first.

    A child of fork starts empty: a lock that another thread held would never be released there.
    """

    def __init__(self, *, fresh_seconds: float, limit_bytes: Callable[[], int]) -> None:
        self.fresh_seconds = fresh_seconds
        self.limit_bytes = limit_bytes
        self.clear()
        os.register_at_fork(after_in_child=self.clear)

    def clear(self) -> None:
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot[S]] = OrderedDict()

    def get(self, key: Hashable, load: Callable[[S | None], S]) -> S:
        """The value of `key`. `load(old)` makes it, or says by returning `old` that it still holds;
        that is asked again after `fresh_seconds`. Only threads that want this key wait for it."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            value = slot.value
            if value is None or time.monotonic() - slot.checked > self.fresh_seconds:
                value = self._loaded(key, slot, load)
        self._shrink()
        return value

    def expire(self, key: Hashable) -> None:
        """Ask again at the next `get`."""
        with self._lock:
            if slot := self._slots.get(key):
                slot.checked = float("-inf")

    def forget(self, matches: Callable[[Hashable], bool]) -> None:
        with self._lock:
            for key in [key for key in self._slots if matches(key)]:
                del self._slots[key]

    def _loaded(self, key: Hashable, slot: _Slot[S], load: Callable[[S | None], S]) -> S:
        try:
            value = load(slot.value)
        except BaseException:
            self.forget(lambda other: other == key)
            raise
        slot.value, slot.checked = value, time.monotonic()
        return value

    def _shrink(self) -> None:
        with self._lock:
            sizes = {key: slot.value.nbytes for key, slot in self._slots.items() if slot.value}
            excess = sum(sizes.values()) - self.limit_bytes()
            for key in list(sizes)[:-1]:
                if excess <= 0:
                    return
                excess -= sizes[key]
                del self._slots[key]
