"""Lists and what would have been right → a line of figures with its standard error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from reco_plugin.metrics import coverage, hit_rate, ndcg_at_k, recall_at_k

K = 10
RISEN = 3
"""Shoppers that a product which rose has at least."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the table. Figures are means over `cases`; `error` is one standard error."""

    name: str
    kind: str
    asked: str
    cases: int
    recall: float
    recall_error: float
    ndcg: float
    ndcg_error: float
    hit: float
    coverage: float
    """Share of the catalogue in any list."""
    filled: float
    """Places filled, of all."""
    own: float
    """Share of the tiles that the kind itself gave, not a fallback."""
    floor: str
    floor_recall: float
    floor_ndcg: float
    ratio: float
    """NDCG over the floor's; infinite where the floor has none."""
    ratio_error: float
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """One list."""

    keys: list[Any]
    own: int
    """Of them not from a fallback."""


def line(
    kind: str,
    asked: str,
    wanted: Sequence[frozenset[Any]],
    ours: Sequence[Answer],
    floor: Sequence[Sequence[Any]],
    *,
    name: str,
    floor_name: str,
    catalogue: int,
    k: int = K,
    note: str = "",
) -> Line:
    """`wanted`, `ours` and `floor` belong together, case by case; none of `wanted` is empty."""
    rows: dict[Any, int] = {}
    right = _matrix(wanted, rows)
    mine = _lists([answer.keys for answer in ours], rows, k)
    bare = _lists(floor, rows, k)
    right.resize(len(wanted), max(len(rows), 1))
    ndcg, base = ndcg_at_k(mine, right), ndcg_at_k(bare, right)
    recall = recall_at_k(mine, right)
    shown = sum(len(answer.keys) for answer in ours)
    return Line(
        name=name,
        kind=kind,
        asked=asked,
        cases=len(wanted),
        recall=float(recall.mean()),
        recall_error=error(recall),
        ndcg=float(ndcg.mean()),
        ndcg_error=error(ndcg),
        hit=float(hit_rate(mine, right).mean()),
        coverage=coverage(mine, max(catalogue, len(rows))) * max(catalogue, len(rows)) / catalogue,
        filled=shown / (k * len(ours)),
        own=sum(answer.own for answer in ours) / max(shown, 1),
        floor=floor_name,
        floor_recall=float(recall_at_k(bare, right).mean()),
        floor_ndcg=float(base.mean()),
        ratio=float(ndcg.mean() / base.mean()) if base.any() else float("inf"),
        ratio_error=_ratio_error(ndcg, base),
        note=note,
    )


def error(values: np.ndarray[Any, Any]) -> float:
    """One standard error of the mean; 0 for a single value."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def _ratio_error(ours: np.ndarray[Any, Any], bare: np.ndarray[Any, Any]) -> float:
    """Of the ratio of two paired means, by the delta method."""
    if len(ours) < 2 or not bare.any():
        return 0.0
    ratio = ours.mean() / bare.mean()
    return float(np.std(ours - ratio * bare, ddof=1) / (len(ours) ** 0.5 * bare.mean()))


def _matrix(wanted: Sequence[frozenset[Any]], rows: dict[Any, int]) -> sparse.csr_matrix:
    at: list[int] = []
    starts = [0]
    for keys in wanted:
        at.extend(sorted(rows.setdefault(key, len(rows)) for key in keys))
        starts.append(len(at))
    ones = np.ones(len(at), np.float32)
    return sparse.csr_matrix((ones, at, starts), shape=(len(wanted), max(len(rows), 1)))


def _lists(lists: Sequence[Sequence[Any]], rows: dict[Any, int], k: int) -> Any:
    found = np.full((len(lists), k), -1, np.int32)
    for row, keys in enumerate(lists):
        for place, key in enumerate(keys[:k]):
            found[row, place] = rows.setdefault(key, len(rows))
    return found


def risen(now: Counter[Any], before: Counter[Any]) -> frozenset[Any]:
    """Products whose share has at least doubled; half a buyer before is taken for granted."""
    whole, earlier = max(now.total(), 1), max(before.total(), 1)
    return frozenset(
        key
        for key, count in now.items()
        if count >= RISEN and count / whole >= 2 * (before[key] + 0.5) / earlier
    )
