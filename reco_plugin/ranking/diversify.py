"""Maximal marginal relevance: each next product is good, and unlike those before it.

Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
producing summaries", SIGIR 1998. Relevance is a product's place in the list, since scores of
different sources do not compare. Likeness is the cosine of the run's vectors, or the share of facts
(brand, categories, tags, attributes) two products have in common where one of them has no vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.ranking import fields
from reco_plugin.types import Candidate, Floats, ItemFacts, Key

LEAST_REACH = 32
MOST_REACH = 200
OVER = 4
"""Candidates that are reordered for each tile, for live stock to choose from."""


def reach(size: int) -> int:
    """How many of the first candidates are reordered for a slate of `size`; others stay behind them."""
    return min(MOST_REACH, max(LEAST_REACH, OVER * size))


def diversify(
    candidates: Sequence[Candidate],
    diversity: float,
    *,
    size: int,
    vectors: Mapping[Key, Floats],
    facts: Mapping[Key, ItemFacts],
) -> list[Candidate]:
    """The same candidates: in their order at `diversity` 0, by unlikeness alone at 1.

    The first one always stays first. Deterministic: ties go by place.
    """
    near, rest = list(candidates[: reach(size)]), list(candidates[reach(size) :])
    if diversity <= 0 or len(near) < 3:
        return near + rest
    alike = likeness([one.key for one in near], vectors, facts)
    return [near[row] for row in _order(alike, min(1.0, diversity))] + rest


def likeness(
    keys: Sequence[Key], vectors: Mapping[Key, Floats], facts: Mapping[Key, ItemFacts]
) -> Floats:
    """float32 (n, n), 0 for nothing in common to 1 for the same."""
    units, known = _units([vectors.get(key) for key in keys])
    cosines: Floats = np.clip(units @ units.T, 0.0, 1.0)
    if known.all():
        return cosines
    shared = _overlap([facts.get(key) for key in keys])
    found: Floats = np.where(known[:, None] & known[None, :], cosines, shared)
    return found


def _order(alike: Floats, diversity: float) -> list[int]:
    """Rows, greedily: the largest (1 - diversity) · relevance - diversity · likeness to any before."""
    count = len(alike)
    relevance = (1.0 - diversity) * (1.0 - np.arange(count) / count)
    nearest = np.zeros(count)
    penalty = diversity * alike.astype(np.float64)
    gain = relevance.copy()
    order: list[int] = []
    for _ in range(count):
        row = int(gain.argmax())
        order.append(row)
        relevance[row] = -np.inf
        np.maximum(nearest, penalty[row], out=nearest)
        np.subtract(relevance, nearest, out=gain)
    return order


def _units(rows: Sequence[Floats | None]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(n, d) rows of length one, and which of them are known: a zero vector has no direction."""
    width = next((len(row) for row in rows if row is not None), 1)
    nothing = np.zeros(width, dtype=np.float32)
    joined = np.concatenate([nothing if row is None else row for row in rows], dtype=np.float32)
    stacked = joined.reshape(len(rows), width)
    lengths: Floats = np.sqrt(np.einsum("ij,ij->i", stacked, stacked)).astype(np.float32)
    known = lengths > 0
    units: Floats = stacked / np.where(known, lengths, 1.0).astype(np.float32)[:, None]
    return units, known


def _overlap(found: Sequence[ItemFacts | None]) -> Floats:
    """Jaccard index of the facts, (n, n); 0 where nothing is known."""
    tokens = [_tokens(one) for one in found]
    columns: dict[Any, int] = {}
    for each in tokens:
        for token in each:
            columns.setdefault(token, len(columns))
    held: Floats = np.zeros((len(found), max(1, len(columns))), dtype=np.float32)
    for row, each in enumerate(tokens):
        held[row, [columns[token] for token in each]] = 1.0
    shared = held @ held.T
    counts = held.sum(axis=1)
    either = counts[:, None] + counts[None, :] - shared
    overlap: Floats = shared / np.maximum(either, 1.0)
    return overlap


def _tokens(facts: ItemFacts | None) -> set[tuple[str, str]]:
    if facts is None:
        return set()
    found = {("category", path) for path in fields.filed(facts)}
    found |= {("tag", tag) for tag in facts.tags}
    found |= {(name, value) for name, value in facts.attributes.items() if value}
    return found | {("brand", brand) for brand in fields.said(facts, "brand")}
