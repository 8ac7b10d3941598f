"""Counts of ordered pairs of items, some rows at a time, and the lists that are made of them.

A pair enters a list only with enough occasions *and* enough distinct shoppers: what one person always does is
neither a rule nor anybody else's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.related import RelatedLists, best_of, joined

Figures = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What a pair must have, and how the pairs of an item are ranked."""

    support: int = 3
    """Occasions a pair must have."""
    confidence: float = 0.01
    """Least share of the occasions with one that the other must follow in."""
    shoppers: int = 3
    """Distinct shoppers a pair must come from (k-anonymity)."""
    temper: float = 0.25
    """How far popularity counts against an item: 0 ranks by confidence, 0.5 by cosine."""
    prior: float = 0.0
    """Imagined followers of every item that were nothing in particular."""
    length: int = 50
    """Entries of a list."""

    def __post_init__(self) -> None:
        for name in ("support", "shoppers", "length"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("confidence", "temper"):
            configs.require(0 <= getattr(self, name) <= 1, f"{name} must lie in 0..1.")
        configs.require(self.prior >= 0, "prior must not be negative.")


@dataclass(frozen=True, kw_only=True, eq=False)
class PairBlock:
    """The pairs of some rows with every item."""

    first: int
    """The item row of row 0."""
    support: sparse.csr_matrix
    """float32 (rows, n_items): occasions of the pair."""
    repeats: sparse.csr_matrix
    """float32 (rows, n_items): how many of those were not a shopper's first."""
    strength: npt.NDArray[np.float32] | None = None
    """Along `support.data`, what the occasions weigh; None where each weighs 1."""

    def __len__(self) -> int:
        return int(self.support.shape[0])

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """Along `support.data`."""
        found = self.support.data if self.strength is None else self.strength
        return np.asarray(found, dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Totals:
    """What pairs are held against. All (n_items,) but `occasions`."""

    held: Figures
    """Occasions in which the item could lead."""
    lead: Figures
    """The strength of all pairs it leads."""
    follow: Figures
    """The strength of all pairs it follows in."""
    occasions: int
    lately: Figures | None = None
    """How much more each item is wanted now than over the whole of the log; None: as much."""

    def plus(self, other: Totals, sign: int = 1) -> Totals:
        """Added up; `sign` -1 takes away. What season it is stays what it was."""
        return replace(
            self,
            held=self.held + sign * other.held,
            lead=self.lead + sign * other.lead,
            follow=self.follow + sign * other.follow,
            occasions=self.occasions + sign * other.occasions,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """All counts of one relation."""

    blocks: tuple[PairBlock, ...]
    totals: Totals

    @property
    def n_items(self) -> int:
        return len(self.totals.held)

    def unordered(self) -> Pairs:
        """The same with every occasion weighing 1."""
        held = self.totals.held
        return Pairs(
            blocks=tuple(replace(block, strength=None) for block in self.blocks),
            totals=replace(self.totals, lead=held, follow=held),
        )

    def lists(self, config: Config) -> RelatedLists:
        """The lists of all items."""
        return joined([lists_of(block, self.totals, config) for block in self.blocks])


def lists_of(block: PairBlock, totals: Totals, config: Config) -> RelatedLists:
    """The lists of a block's rows, with facts `support`, `confidence`, `lift` and `shoppers`."""
    entries = admitted(block, config)
    row, item, support = entries.row + block.first, entries.item, entries.support
    confidence = support / np.maximum(totals.held[row], 1)
    sure = np.flatnonzero(confidence >= config.confidence)
    row, item, support, confidence = row[sure], item[sure], support[sure], confidence[sure]
    chance = np.maximum(totals.held[item], 1) / max(totals.occasions, 1)
    lead = np.maximum(totals.lead + config.prior, 1e-9) ** (1 - config.temper)
    follow = np.maximum(totals.follow, 1e-9) ** config.temper
    scores = entries.strength[sure] / (lead[row] * follow[item])
    if totals.lately is not None:
        scores *= totals.lately[item]
    facts = {
        "support": support.astype(np.int64),
        "confidence": confidence,
        "lift": confidence / chance,
        "shoppers": entries.shoppers[sure].astype(np.int64),
    }
    return best_of(row, item, scores, facts, config.length)


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """Pairs of a block, (m,) each."""

    row: Rows
    """Rows of the block."""
    item: Rows
    support: Figures
    strength: Figures
    shoppers: Figures
    """Distinct ones."""


def admitted(block: PairBlock, config: Config) -> Entries:
    """The pairs with enough occasions and enough distinct shoppers, the diagonal left out."""
    found = block.support
    enough = np.flatnonzero(found.data >= max(config.support, config.shoppers))
    row = np.searchsorted(found.indptr, enough, side="right").astype(np.int64) - 1
    item = found.indices[enough].astype(np.int64)
    support = found.data[enough].astype(np.float64)
    shoppers = support - values_at(block.repeats, row, item)
    kept = (shoppers >= config.shoppers) & (item != row + block.first)
    return Entries(
        row=row[kept],
        item=item[kept],
        support=support[kept],
        strength=block.weights[enough[kept]].astype(np.float64),
        shoppers=shoppers[kept],
    )


def all_admitted(pairs: Pairs, config: Config) -> Entries:
    """Those of all items; `row` is the item's."""
    parts = [(block.first, admitted(block, config)) for block in pairs.blocks]

    def whole(name: str) -> npt.NDArray[Any]:
        empty = np.zeros(0, np.int64 if name in ("row", "item") else np.float64)
        return np.concatenate([empty, *[getattr(part, name) for _, part in parts]])

    lengths = [len(part.row) for _, part in parts]
    return Entries(
        row=whole("row") + np.repeat([first for first, _ in parts], lengths).astype(np.int64),
        item=whole("item"),
        support=whole("support"),
        strength=whole("strength"),
        shoppers=whole("shoppers"),
    )


def values_at(matrix: sparse.csr_matrix, row: Rows, column: Rows) -> Figures:
    """The entries at (row, column), 0 where there is none."""
    if not matrix.nnz:
        return np.zeros(len(row))
    width = np.int64(matrix.shape[1])
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    places = rows * width + matrix.indices
    order = np.argsort(places)
    places = places[order]
    wanted = row * width + column
    at = np.minimum(np.searchsorted(places, wanted), len(places) - 1)
    return np.where(places[at] == wanted, matrix.data[order][at], 0.0)


def beyond_first(cells: sparse.csr_matrix, row_of: Rows, rows: int) -> sparse.csr_matrix:
    """(rows, n_items): how often each pair of a cell came beyond once, summed over the cells of a row.

    `row_of` (cells,) is ascending.
    """
    more = cells.data > 1
    before = np.concatenate([[0], np.cumsum(more)])
    left = sparse.csr_matrix(
        (cells.data[more] - 1, cells.indices[more], before[cells.indptr]), shape=cells.shape
    )
    return sums(row_of, rows) @ left


def sums(row_of: Rows, rows: int) -> sparse.csr_matrix:
    """The matrix that adds up entries (m,) by their row, which is ascending."""
    starts = np.searchsorted(row_of, np.arange(rows + 1))
    ones = np.ones(len(row_of), np.float32)
    return sparse.csr_matrix((ones, np.arange(len(row_of)), starts), shape=(rows, len(row_of)))


def summed(many: sparse.csr_matrix) -> sparse.csr_matrix:
    """Entries of equal row and column added up. (A product does that without sorting.)"""
    rows = many.shape[0]
    return (sparse.identity(rows, dtype=np.float32, format="csr") @ many).tocsr()


def runs_of(weights: npt.NDArray[Any], size: float) -> Iterator[tuple[int, int]]:
    """Runs of neighbouring rows whose `weights` (n,) add up to at most about `size`."""
    ends = np.cumsum(weights, dtype=np.float64)
    start = 0
    while start < len(ends):
        begun = ends[start - 1] if start else 0.0
        stop = max(int(np.searchsorted(ends, begun + size, side="right")), start + 1)
        yield start, stop
        start = stop
