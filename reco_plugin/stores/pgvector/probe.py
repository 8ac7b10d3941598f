"""How much of the exact answer an index finds, asked at publish with queries as serving sends them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from reco_plugin.stores.base import Scored
from reco_plugin.types import Floats, IdMap

SAMPLE = 100
DEPTH = 10
MAX_EF_SEARCH = 1_000
"""pgvector's own limit of hnsw.ef_search."""
BLOCK_BYTES = 64 << 20

Search: TypeAlias = Callable[[int, int], Sequence[Scored]]
"""(number of the query, ef_search) → what the index answers."""


def sample(rows: int, *, size: int = SAMPLE, seed: int = 0) -> list[int]:
    """Up to `size` rows out of `rows`, the same at every call."""
    chosen = np.random.default_rng(seed).choice(rows, size=min(size, rows), replace=False)
    return [int(row) for row in chosen]


def enough_ef(
    recall: Callable[[int], float], *, start: int, least: float
) -> tuple[int | None, float]:
    """The first of `start`, twice it, … at which `recall` reaches `least`, and that recall.

    None and the best recall seen when even the largest ef_search does not reach it.
    """
    ef, best = max(1, min(start, MAX_EF_SEARCH)), 0.0
    while True:
        best = recall(ef)
        if best >= least:
            return ef, best
        if ef == MAX_EF_SEARCH:
            return None, best
        ef = min(2 * ef, MAX_EF_SEARCH)


def recall_at_10(
    items: IdMap, scores: Callable[[Sequence[int]], Floats], queries: int, search: Search, ef: int
) -> float:
    """Mean share of the exact ten best that `search` finds, over queries 0 … queries - 1.

    `scores(numbers)` gives the exact scores, shape (len(numbers), n_items). An item as good as the
    tenth counts as found, so that ties cost nothing.
    """
    found, block = 0.0, max(1, BLOCK_BYTES // (4 * max(1, len(items))))
    for start in range(0, queries, block):
        numbers = range(start, min(start + block, queries))
        for number, exact in zip(numbers, scores(numbers), strict=True):
            found += _share(items, exact, search(number, ef))
    return found / queries if queries else 1.0


def _share(items: IdMap, exact: Floats, answer: Sequence[Scored]) -> float:
    depth = min(DEPTH, int(np.count_nonzero(exact > -np.inf)))
    if depth == 0:
        return 1.0
    bar = np.partition(exact, -depth)[-depth]
    rows = [items.row(scored.key) for scored in answer[:depth]]
    good = [row is not None and bool(exact[row] >= bar - 1e-5 * abs(bar)) for row in rows]
    return sum(good) / depth
