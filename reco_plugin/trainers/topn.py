"""The best items of every shopper, in bounded memory.

Scores are computed a tile (some shoppers x some items) at a time, by one matrix product. The items of a
tile are dealt into blocks; the k best lie in the k blocks of best maximum, so only those are looked into
and the dear part, partitioning whole rows, is not done.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.types import Floats, Ints

DEPTH = 64
"""Items of a block."""
TILE_ITEMS = 32_768
TILE_SCORES = 1 << 20
"""Scores of a tile that still fit a processor's cache (4 MiB)."""

_PADDING = np.float32(-3.0e38)
"""Score of a place that only fills up a block; finite, since 0 x inf is not a number."""

_Columns = npt.NDArray[np.int64]


def top_n(
    shopper_vectors: Floats,
    item_vectors: Floats,
    item_biases: Floats,
    k: int,
    *,
    exclude: sparse.csr_matrix | None = None,
    memory_mb: int = 256,
    threads: int = 1,
) -> tuple[Ints, Floats]:
    """The `k` items of highest `shopper @ item + bias` for each shopper, best first.

    Shapes: (n, d), (m, d), (m,), `exclude` a CSR (n, m) of items to leave out. Returns rows int32 (n, k)
    and scores float32 (n, k); where fewer than `k` items remain, -1 and -inf. Equal scores: lower row
    first. `memory_mb` bounds the working memory above inputs and answers; `threads` tiles are worked on
    at once (the matrix product itself uses what the BLAS is set to). Raises ValueError on unlike shapes
    and on numbers that are not finite.
    """
    _check(shopper_vectors, item_vectors, item_biases, k, exclude)
    n, m = len(shopper_vectors), len(item_vectors)
    rows = np.full((n, k), -1, dtype=np.int32)
    scores = np.full((n, k), -np.inf, dtype=np.float32)
    if n and m:
        shape = (n, m, shopper_vectors.shape[1])
        plan = _plan(shape, k, memory_mb=memory_mb, threads=max(threads, 1))
        for start, tile in _tiles(item_vectors, item_biases, plan.width):
            work = _Tile(plan, start, tile, shopper_vectors, exclude, rows, scores)
            work.run()
    lost = scores <= _PADDING
    rows[lost], scores[lost] = -1, -np.inf
    return rows, scores


def _check(
    shoppers: Floats, items: Floats, biases: Floats, k: int, exclude: sparse.csr_matrix | None
) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    if shoppers.ndim != 2 or items.ndim != 2 or shoppers.shape[1] != items.shape[1]:
        raise ValueError(f"Vectors of shapes {shoppers.shape} and {items.shape} do not multiply.")
    if biases.shape != (len(items),):
        raise ValueError(f"There are {len(items)} items, but biases of shape {biases.shape}.")
    if exclude is not None and exclude.shape != (len(shoppers), len(items)):
        raise ValueError(f"exclude has shape {exclude.shape}, not {(len(shoppers), len(items))}.")
    for name, array in (("shopper vectors", shoppers), ("item vectors", items), ("biases", biases)):
        # a minimum of anything with NaN is NaN: no temporary array of booleans
        if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            raise ValueError(f"The {name} are not all finite numbers; they cannot be ranked.")


@dataclass(frozen=True, slots=True)
class _Plan:
    width: int
    """Items of a tile, a multiple of DEPTH."""
    height: int
    """Shoppers of a tile."""
    threads: int


def _plan(shape: tuple[int, int, int], k: int, *, memory_mb: int, threads: int) -> _Plan:
    n, m, d = shape
    budget = memory_mb * 2**20
    width = min(m, TILE_ITEMS, max(budget // 4 // (4 * (d + 1)), 1))
    width = -(-width // DEPTH) * DEPTH
    per_row = 4 * (width + 2 * width // DEPTH + d) + 16 * k * (DEPTH + 8)
    left = (
        max(budget - 2 * 4 * width * (d + 1), 0) // threads
    )  # the next tile is made beside the last
    height = min(left // per_row, max(TILE_SCORES // width, 1), n)
    return _Plan(width=width, height=max(int(height), 1), threads=threads)


def _tiles(items: Floats, biases: Floats, width: int) -> Iterator[tuple[int, Floats]]:
    """(d + 1, width) columns [vector, bias] of `width` items at a time, filled up to whole blocks."""
    for start in range(0, len(items), width):
        stop = min(start + width, len(items))
        tile = np.zeros((items.shape[1] + 1, -(-(stop - start) // DEPTH) * DEPTH), np.float32)
        tile[:-1, : stop - start] = items[start:stop].T
        tile[-1, : stop - start] = biases[start:stop]
        tile[-1, stop - start :] = _PADDING
        yield start, tile


@dataclass(frozen=True, slots=True)
class _Tile:
    """Some items against all shoppers; `run` merges their best into `rows` and `scores`, in place."""

    plan: _Plan
    start: int
    items: Floats
    shoppers: Floats
    exclude: sparse.csr_matrix | None
    rows: Ints
    scores: Floats

    def run(self) -> None:
        n, height, threads = len(self.shoppers), self.plan.height, self.plan.threads
        chunks = [slice(at, min(at + height, n)) for at in range(0, n, height)]
        if threads == 1 or len(chunks) == 1:
            return self._work(chunks)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._work, [chunks[at::threads] for at in range(threads)]))
        return None

    def _work(self, chunks: list[slice]) -> None:
        buffer = np.empty((self.plan.height, self.items.shape[1]), dtype=np.float32)
        queries = np.ones((self.plan.height, self.items.shape[0]), dtype=np.float32)
        for chunk in chunks:
            n = chunk.stop - chunk.start
            queries[:n, :-1] = self.shoppers[chunk]
            values = np.matmul(queries[:n], self.items, out=buffer[:n])
            if self.exclude is not None:
                _mask(values, self.exclude[chunk], self.start)
            at, best = _best(values, self.rows.shape[1])
            _merge(self.rows[chunk], self.scores[chunk], at + self.start, best)


def _mask(values: Floats, seen: sparse.csr_matrix, start: int) -> None:
    shopper = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    item = seen.indices - start
    inside = (item >= 0) & (item < values.shape[1])
    values[shopper[inside], item[inside]] = -np.inf


def _best(values: Floats, k: int) -> tuple[_Columns, Floats]:
    """Columns and values of the k largest of each row, largest first, ties by lower column."""
    n, width = values.shape
    blocks = width // DEPTH
    if blocks <= 2 * k:
        return _ordered(values, _largest(values, min(k, width)))
    # block j holds columns j, j + blocks, j + 2 blocks …: their maximum runs along memory
    dealt = values.reshape(n, DEPTH, blocks)
    heads = dealt.max(axis=1)
    chosen = np.sort(np.argpartition(heads, -k, axis=1)[:, -k:], axis=1)
    inside = np.take_along_axis(dealt, chosen[:, None, :], axis=2).reshape(n, DEPTH * k)
    at = np.sort(_largest(inside, k), axis=1)
    columns = at // k * blocks + np.take_along_axis(chosen, at % k, axis=1)
    for row in _tied(heads, chosen, k):
        columns[row] = _row_largest(values[row], k)
    return _ordered(values, columns)


def _tied(values: Floats, found: _Columns, k: int) -> _Columns:
    """Rows where more than `k` values reach the least of those found: which are they is a choice."""
    edge = np.take_along_axis(values, found, axis=1).min(axis=1, keepdims=True)
    return np.flatnonzero((values >= edge).sum(axis=1) > k)


def _largest(values: Floats, k: int) -> _Columns:
    """Columns of the k largest of each row, in no order; of equal values at the edge the lower columns."""
    if k >= values.shape[1]:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    found = np.argpartition(values, -k, axis=1)[:, -k:]
    for row in _tied(values, found, k):
        found[row] = _row_largest(values[row], k)
    return found


def _row_largest(values: Floats, k: int) -> _Columns:
    """Columns of the k largest of one row; of equal values the lower columns."""
    edge = np.partition(values, -k)[-k]
    above = np.flatnonzero(values > edge)
    return np.append(above, np.flatnonzero(values == edge)[: k - len(above)])


def _ordered(values: Floats, columns: _Columns) -> tuple[_Columns, Floats]:
    columns = np.sort(columns, axis=1)
    best = np.take_along_axis(values, columns, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(best, order, axis=1)


def _merge(rows: Ints, scores: Floats, at: _Columns, best: Floats) -> None:
    """Keep the k best of what stands and what is new, in place; what stands has lower rows."""
    both = np.hstack([scores, best])
    order = np.argsort(-both, axis=1, kind="stable")[:, : rows.shape[1]]
    rows[...] = np.take_along_axis(np.hstack([rows, at.astype(np.int32)]), order, axis=1)
    scores[...] = np.take_along_axis(both, order, axis=1)
