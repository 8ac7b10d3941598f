"""Bought together: how often two products were in one basket, and whether that is more than chance.

Counted block by block, so that memory holds one block of the product of the baskets with themselves and
never the whole. A pair enters only with enough baskets *and* enough distinct shoppers: one person who
always buys the same two things is neither a rule nor anybody else's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.trainers import config as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.occasions import Occasions
from reco_plugin.trainers.related import RelatedLists, best_of, changes, joined
from reco_plugin.trainers.transitions import BLOCK, blocks

_Figures = npt.NDArray[np.float64]
SCORES = ("confidence", "cosine")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What a pair must have, and how pairs are ranked."""

    support: int = 3
    """Baskets a pair must be in."""
    confidence: float = 0.01
    """Least share of the baskets with one that the other must be in."""
    shoppers: int = 3
    """Distinct shoppers a pair must come from (k-anonymity)."""
    score: str = "confidence"
    length: int = 50
    """Entries of a list."""
    largest: int = 200
    """Baskets of more items than this are left out."""

    def __post_init__(self) -> None:
        configs.choice("score", self.score, SCORES)
        configs.require(self.support >= 1, "support must be at least 1.")
        configs.require(self.shoppers >= 1, "shoppers must be at least 1.")
        configs.require(0 <= self.confidence <= 1, "confidence must lie in 0..1.")
        configs.require(self.length >= 1, "length must be at least 1.")
        configs.require(self.largest >= 2, "largest must be at least 2.")


@dataclass(frozen=True, kw_only=True, eq=False)
class PairBlock:
    """The pairs of some rows with every item, the diagonal left out."""

    first: int
    """The item row of row 0."""
    support: sparse.csr_matrix
    """float32 (rows, n_items): occasions that hold both."""
    repeats: sparse.csr_matrix
    """float32 (rows, n_items): how many of those were not a shopper's first."""


def together(
    baskets: Occasions, config: Config | None = None, progress: Progress | None = None
) -> RelatedLists:
    """The lists of all items, with facts `support`, `confidence`, `lift` and `shoppers`."""
    config = config or Config()
    baskets = baskets.upto(config.largest)
    counts, total = baskets.counts, len(baskets)
    parts = []
    for block in pair_blocks(baskets):
        parts.append(lists_of(block, counts, total, config))
        if progress:
            progress("together", block.first + block.support.shape[0], baskets.n_items)
    return joined(parts)


def pair_blocks(baskets: Occasions, size: int = BLOCK) -> Iterator[PairBlock]:
    """Count, some rows at a time."""
    by_item = baskets.by_item
    for start, stop in blocks(by_item, baskets.held, size):
        rows = by_item[start:stop]
        yield PairBlock(
            first=start,
            support=(rows @ baskets.held).tocsr(),
            repeats=_repeats(rows, baskets),
        )


def _repeats(rows: sparse.csr_matrix, baskets: Occasions) -> sparse.csr_matrix:
    """Occasions of a pair beyond each shopper's first.

    Only a shopper who took an item twice can have repeated a pair of it, so only those cells are looked at.
    """
    item = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    begins = changes(item, baskets.shopper[rows.indices])
    lengths = np.diff(np.append(begins, rows.nnz))
    again = np.repeat(lengths > 1, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths[lengths > 1])])
    ones = np.ones(int(starts[-1]), np.float32)
    shape = (len(starts) - 1, rows.shape[1])
    cells = sparse.csr_matrix((ones, rows.indices[again], starts), shape=shape)
    return beyond_first((cells @ baskets.held).tocsr(), item[begins][lengths > 1], rows.shape[0])


def beyond_first(
    cells: sparse.csr_matrix, row_of: npt.NDArray[np.int64], rows: int
) -> sparse.csr_matrix:
    """(rows, n_items): how often each pair of a cell came beyond once, summed over the cells of a row."""
    more = cells.data > 1
    before = np.concatenate([[0], np.cumsum(more)])
    left = sparse.csr_matrix(
        (cells.data[more] - 1, cells.indices[more], before[cells.indptr]), shape=cells.shape
    )
    starts = np.searchsorted(row_of, np.arange(rows + 1))
    sums = sparse.csr_matrix(
        (np.ones(len(row_of), np.float32), np.arange(len(row_of)), starts),
        shape=(rows, cells.shape[0]),
    )
    return (sums @ left).tocsr()


def lists_of(
    block: PairBlock, counts: npt.NDArray[np.int64], total: int, config: Config
) -> RelatedLists:
    """The lists of a block's rows; `counts` (n_items,) occasions of each item among `total`."""
    row, item, support, shoppers = admitted(block, config)
    row = row + block.first
    confidence = support / np.maximum(counts[row], 1)
    sure = confidence >= config.confidence
    row, item, support = row[sure], item[sure], support[sure]
    shoppers, confidence = shoppers[sure], confidence[sure]
    chance = counts[item] / max(total, 1)
    cosine = support / np.sqrt(counts[row].astype(np.float64) * counts[item])
    facts = {
        "support": support.astype(np.int64),
        "confidence": confidence,
        "lift": confidence / chance,
        "shoppers": shoppers.astype(np.int64),
    }
    scores = cosine if config.score == "cosine" else confidence
    return best_of(row, item, scores, facts, config.length)


def admitted(
    block: PairBlock, config: Config
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], _Figures, _Figures]:
    """(row in the block, item, support, distinct shoppers) of pairs with enough of both."""
    found = block.support
    enough = np.flatnonzero(found.data >= max(config.support, config.shoppers))
    row = np.searchsorted(found.indptr, enough, side="right") - 1
    item = found.indices[enough].astype(np.int64)
    support = found.data[enough].astype(np.float64)
    shoppers = support - _values(block.repeats, row, item)
    kept = (shoppers >= config.shoppers) & (item != row + block.first)
    return row[kept], item[kept], support[kept], shoppers[kept]


def _values(
    matrix: sparse.csr_matrix, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
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
