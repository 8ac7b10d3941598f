"""Association rules with two items on the left: who has both a and b in the cart also takes c.

Apriori's principle (Agrawal & Srikant 1994) in sparse products: only pairs that are frequent can begin a frequent
triple, so the baskets of those pairs alone are counted. A rule is kept when it says more than its halves do
(Bayardo, Agrawal & Gunopulos 1999: a minimum improvement): the list of a pair of items would otherwise repeat
those of the items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.occasions import Occasions
from reco_plugin.trainers.pairs import (
    Config,
    Entries,
    Figures,
    PairBlock,
    Pairs,
    Rows,
    Totals,
    admitted,
    all_admitted,
    runs_of,
    values_at,
)
from reco_plugin.trainers.related import RelatedLists, best_of
from reco_plugin.trainers.together import LARGEST, repeats_of

BLOCK = 1 << 23
"""Numbers worked on at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much is looked at, and what a rule must bring."""

    antecedents: int = 20_000
    """Pairs on the left: those of most support."""
    support: int = 5
    """Baskets such a pair must be in."""
    improvement: float = 1.2
    """A rule's confidence relative to the better of its halves'."""
    prior: float = 3.0
    """Imagined baskets of such a pair without the item: fewer baskets than those of one item, less sure."""
    largest: int = LARGEST

    def __post_init__(self) -> None:
        for name in ("antecedents", "support"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        configs.require(self.improvement >= 1, "improvement must be at least 1.")


def rules(
    baskets: Occasions,
    pairs: Pairs,
    config: Config,
    limits: Limits | None = None,
    *,
    progress: Progress | None = None,
) -> RelatedLists:
    """Rules as lists of one of their items, with the facts of pairs and `with`, the other item's row.

    `pairs` are those of the same baskets. Of the two items on the left, a rule is listed with the lower row.
    """
    limits = limits or Limits()
    mine = _Mine.of(baskets.upto(limits.largest), pairs, config, limits)
    found = []
    for first, second in mine.antecedents():
        found.append(mine.rules(first, second))
        if progress:
            progress("rules", int(first[-1]) + 1, pairs.n_items)
    return mine.listed(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rules:
    """(m,) each."""

    first: Rows
    second: Rows
    left: Rows
    """Baskets with both of these."""
    item: Rows
    support: Rows
    shoppers: Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mine:
    """What rules are dug out of."""

    baskets: Occasions
    entries: Entries
    """The admitted pairs of all items."""
    supports: sparse.csr_matrix
    """The same to look up, (n_items, n_items)."""
    totals: Totals
    config: Config
    limits: Limits

    @classmethod
    def of(cls, baskets: Occasions, pairs: Pairs, config: Config, limits: Limits) -> Self:
        entries = all_admitted(pairs, config)
        shape = (pairs.n_items, pairs.n_items)
        return cls(
            baskets=baskets,
            entries=entries,
            supports=sparse.csr_matrix((entries.support, (entries.row, entries.item)), shape=shape),
            totals=pairs.totals,
            config=config,
            limits=limits,
        )

    def antecedents(self) -> Iterator[tuple[Rows, Rows]]:
        """Frequent pairs, each once, some at a time."""
        entries, limits = self.entries, self.limits
        once = np.flatnonzero((entries.row < entries.item) & (entries.support >= limits.support))
        if len(once) > limits.antecedents:
            best = np.argsort(-entries.support[once], kind="stable")[: limits.antecedents]
            once = np.sort(once[best])
        first, second = entries.row[once], entries.item[once]
        for start, stop in runs_of(self.totals.held[first] + self.totals.held[second], BLOCK):
            yield first[start:stop], second[start:stop]

    def rules(self, first: Rows, second: Rows) -> _Rules:
        """The rules that these pairs begin."""
        by_item = self.baskets.by_item
        both = by_item[first].multiply(by_item[second]).tocsr()
        both.sort_indices()
        block = PairBlock(
            first=self.baskets.n_items,  # these rows are no items
            support=(both @ self.baskets.held).tocsr(),
            repeats=repeats_of(both, self.baskets),
        )
        found = admitted(block, self.config)
        one, two, item = first[found.row], second[found.row], found.item
        left = np.diff(both.indptr).astype(np.int64)[found.row]
        confidence = found.support / left
        halves = np.maximum(self._confidence(one, item), self._confidence(two, item))
        kept = (item != one) & (item != two) & (confidence >= self.config.confidence)
        kept &= confidence >= self.limits.improvement * halves
        return _Rules(
            first=one[kept],
            second=two[kept],
            left=left[kept],
            item=item[kept],
            support=found.support[kept].astype(np.int64),
            shoppers=found.shoppers[kept].astype(np.int64),
        )

    def _confidence(self, one: Rows, item: Rows) -> Figures:
        held = np.maximum(self.totals.held[one], 1)
        return np.asarray(values_at(self.supports, one, item) / held)

    def listed(self, parts: Sequence[_Rules]) -> RelatedLists:
        def whole(name: str) -> Rows:
            return np.concatenate([np.zeros(0, np.int64), *[getattr(part, name) for part in parts]])

        item, support, left = whole("item"), whole("support"), whole("left")
        held = np.maximum(self.totals.held[item], 1)
        temper = self.config.temper
        scores = support / ((left + self.limits.prior) ** (1 - temper) * held**temper)
        facts = {
            "with": whole("second"),
            "support": support,
            "confidence": support / np.maximum(left, 1),
            "lift": support / np.maximum(left, 1) * max(self.totals.occasions, 1) / held,
            "shoppers": whole("shoppers"),
        }
        return best_of(whole("first"), item, scores, facts, self.config.length)
