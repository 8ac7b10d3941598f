"""Bought together: how often two products were in one basket, and by how many people.

Counted block by block: no more than a block of the product of the baskets with themselves is worked on at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.occasions import Occasions
from reco_plugin.trainers.pairs import PairBlock, Pairs, Totals, beyond_first, runs_of
from reco_plugin.trainers.related import changes
from reco_plugin.trainers.transitions import BLOCK

LARGEST = 100
"""Baskets of more items are left out: they say little of any two of them, and cost their square. On Online
Retail II that is as good for completing carts as a limit of 200, and better than none."""


def together(
    baskets: Occasions, *, largest: int = LARGEST, progress: Progress | None = None
) -> Pairs:
    """Count every pair both ways round."""
    baskets = baskets.upto(largest)
    held = baskets.counts.astype(np.float64)
    found = []
    for block in blocks_of(baskets):
        found.append(block)
        if progress:
            progress("together", block.first + len(block), baskets.n_items)
    totals = Totals(held=held, lead=held, follow=held, occasions=len(baskets))
    return Pairs(blocks=tuple(found), totals=totals)


def blocks_of(baskets: Occasions, size: int = BLOCK) -> Iterator[PairBlock]:
    """Count, some rows at a time."""
    by_item = baskets.by_item
    terms = by_item @ np.diff(baskets.held.indptr)
    for start, stop in runs_of(terms, size):
        rows = by_item[start:stop]
        yield PairBlock(
            first=start,
            support=(rows @ baskets.held).tocsr(),
            repeats=repeats_of(rows, baskets),
        )


def repeats_of(rows: sparse.csr_matrix, baskets: Occasions) -> sparse.csr_matrix:
    """Occasions of each row (rows, n) with each item beyond each shopper's first.

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
    return beyond_first(cells @ baskets.held, item[begins][lengths > 1], rows.shape[0])
