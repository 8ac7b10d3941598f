"""Keys → dense row numbers, a block at a time: an open-addressing hash table made of arrays.

Sorting millions of 16-byte keys costs several times what reading them does; probing a table of
arrays does not, and compares whole keys, so it is exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
"""Keys as (n, w) native 64-bit words: one for integers, two for UUIDs, more for text."""
Rows = npt.NDArray[np.int32]


class Interner:
    """Gives every distinct key the next row number. Not for more than 2**30 keys."""

    def __init__(self, width: int, *, expected: int = 1 << 10) -> None:
        random = np.random.default_rng()  # unguessable, so that made-up keys cannot collide
        self._factors = random.integers(1 << 63, size=width, dtype=np.uint64) * 2 + 1
        self._keys: Words = np.empty((expected, width), np.uint64)
        self._count = 0
        self._resize(expected)

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> Words:
        """(n, w): the key of every row."""
        return self._keys[: self._count]

    def add(self, keys: Words) -> Rows:
        """The rows of `keys` (m, w), new ones for keys not met before."""
        self._make_room(len(keys))
        return self._probe(keys, insert=True)

    def put(self, keys: Words) -> None:
        """Add distinct keys that are not in yet, in their order: the i-th gets row `len + i`."""
        self._make_room(len(keys))
        rows = np.arange(self._count, self._count + len(keys), dtype=np.int32)
        self._keys[rows] = keys
        self._count += len(keys)
        self._place(rows, self._hash(keys))

    def find(self, keys: Words) -> Rows:
        """The rows of `keys` (m, w), -1 where a key was never added."""
        return self._probe(keys, insert=False)

    def _probe(self, keys: Words, *, insert: bool) -> Rows:
        rows = np.full(len(keys), -1, np.int32)
        pending = np.arange(len(keys), dtype=np.int32)
        slots = self._hash(keys)
        while len(pending):
            held = self._slots[slots]
            free = held < 0
            if insert and free.any():
                held[free] = self._claim(keys, pending[free], slots[free])
                free = held < 0
            same = ~free & self._equal(held, keys, pending)
            rows[pending[same]] = held[same]
            ahead = ~(same | free)
            pending, slots = pending[ahead], (slots[ahead] + 1) & self._mask
        return rows

    def _claim(self, keys: Words, wanting: Rows, slots: npt.NDArray[np.int64]) -> Rows:
        """Of all keys that want a free slot the last one gets it; gives the row now in each slot."""
        self._slots[slots] = wanting
        won = self._slots[slots] == wanting
        fresh = np.arange(self._count, self._count + np.count_nonzero(won), dtype=np.int32)
        self._keys[fresh] = keys[wanting[won]]
        self._slots[slots[won]] = fresh
        self._count += len(fresh)
        return self._slots[slots]

    def _equal(self, held: Rows, keys: Words, pending: Rows) -> npt.NDArray[np.bool_]:
        same: npt.NDArray[np.bool_] = self._keys[held, 0] == keys[pending, 0]
        for word in range(1, keys.shape[1]):
            same &= self._keys[held, word] == keys[pending, word]
        return same

    def _hash(self, keys: Words) -> npt.NDArray[np.int64]:
        """Multiply-shift, word by word (Dietzfelbinger et al. 1997)."""
        mixed: npt.NDArray[np.uint64] = keys[:, 0] * self._factors[0]
        for word in range(1, keys.shape[1]):
            mixed = (mixed ^ (mixed >> np.uint64(29)) ^ keys[:, word]) * self._factors[word]
        return (mixed >> self._shift).astype(np.int64)

    def _make_room(self, more: int) -> None:
        if 2 * (self._count + more) > len(self._slots):
            self._resize(2 * (self._count + more))

    def _resize(self, capacity: int) -> None:
        bits = max(4, (2 * capacity - 1).bit_length())
        self._mask = (1 << bits) - 1
        self._shift = np.uint64(64 - bits)
        self._slots: Rows = np.full(1 << bits, -1, np.int32)
        kept = self.keys
        self._keys = np.empty((1 << (bits - 1), kept.shape[1]), np.uint64)
        self._keys[: self._count] = kept
        self._place(np.arange(self._count, dtype=np.int32), self._hash(kept))

    def _place(self, rows: Rows, slots: npt.NDArray[np.int64]) -> None:
        """Put distinct keys, whose rows are known, into a table that has none of them."""
        while len(rows):
            free = self._slots[slots] < 0
            self._slots[slots[free]] = rows[free]
            ahead = self._slots[slots] != rows
            rows, slots = rows[ahead], (slots[ahead] + 1) & self._mask
