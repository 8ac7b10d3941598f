"""Which pictures are looked at when: the hold-out by product, and the batches of an epoch. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Ints

Rows = npt.NDArray[np.int64]


def held_out(products: Ints, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """bool (n,): the pictures of a random `share` of the products, never a picture without its product.

    Depends on the set of products and the seed, not on the order or number of their pictures. Products that
    come and go change little of what is held out of the others, so that a network can be judged beside
    one that was taught before: neither has seen them.
    """
    known = np.unique(products)
    drawn = np.argsort(_lots(known, seed), kind="stable")[: round(share * len(known))]
    return np.isin(products, known[drawn])


def _lots(numbers: npt.NDArray[Any], seed: int) -> npt.NDArray[np.uint64]:
    """A number by chance for each number, the same for the same (SplitMix64: Steele et al. 2014)."""
    lots = numbers.astype(np.int64).view(np.uint64) + np.uint64(
        (seed + 1) * 0x9E3779B97F4A7C15 % 2**64
    )
    lots = (lots ^ (lots >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    lots = (lots ^ (lots >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return lots ^ (lots >> np.uint64(31))


@dataclass(frozen=True, kw_only=True, eq=False)
class Partners:
    """Who is co-viewed or co-bought with whom, among the products that train."""

    first: Ints
    """(p,) sorted: each pair stands in both directions."""
    second: Ints
    """(p,)"""

    @classmethod
    def of(cls, pairs: Ints, products: Ints) -> Partners:
        """Pairs (m, 2) of products that both have a picture here; of a product with itself, none."""
        pairs = pairs.reshape(-1, 2)
        kept = pairs[np.isin(pairs, products).all(axis=1) & (pairs[:, 0] != pairs[:, 1])]
        both = np.unique(np.concatenate([kept, kept[:, ::-1]]), axis=0)
        return cls(first=both[:, 0].astype(np.int32), second=both[:, 1].astype(np.int32))

    def __len__(self) -> int:
        return len(self.first)

    def among(self, products: Ints) -> npt.NDArray[np.bool_]:
        """bool (b, b): which two of these products are partners."""
        if not len(self):
            return np.zeros((len(products), len(products)), dtype=np.bool_)
        width = int(max(self.second.max(), products.max(initial=0))) + 1
        known = self.first.astype(np.int64) * width + self.second
        asked = products.astype(np.int64)[:, None] * width + products[None, :]
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.asarray(known[at] == asked)

    def drawn(self, products: Ints, random: np.random.Generator) -> Ints:
        """(b,): one partner of each, by chance; -1 for a product without any."""
        low = np.searchsorted(self.first, products, "left")
        high = np.searchsorted(self.first, products, "right")
        at = low + (random.random(len(products)) * (high - low)).astype(np.int64)
        found = np.full(len(products), -1, dtype=np.int32)
        has = high > low
        found[has] = self.second[at[has]]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Epochs:
    """The batches of every epoch, from the seed alone, so that a training can go on where it stopped."""

    rows: Rows
    """Pictures that train."""
    products: Ints
    """(n,) of all pictures."""
    partners: Partners
    batch: int
    seed: int
    paired: float = 0.25
    """Share of a batch that gives its place to partners of the rest, where there are any."""

    def __len__(self) -> int:
        """Batches of an epoch. What does not fill one is left to the next epoch's other order."""
        return max(len(self.rows) // self.batch, 1)

    def __call__(self, epoch: int) -> Iterator[Rows]:
        """Rows of each batch of an epoch."""
        random = np.random.default_rng([self.seed, 2, epoch])
        order = random.permutation(self.rows)
        for at in range(len(self)):
            yield self._with_partners(order[at * self.batch : (at + 1) * self.batch], random)

    def _with_partners(self, rows: Rows, random: np.random.Generator) -> Rows:
        places = int(len(rows) * self.paired)
        if not places or not len(self.partners):
            return rows
        wanted = self.partners.drawn(self.products[rows[:places]], random)
        found = self._pictures(wanted, random)
        rows = rows.copy()
        rows[-places:] = np.where(found >= 0, found, rows[-places:])
        return rows

    def _pictures(self, products: Ints, random: np.random.Generator) -> Rows:
        """A picture of each product, by chance; -1 where there is none."""
        order = np.argsort(self.products[self.rows], kind="stable")
        known = self.products[self.rows][order]
        low, high = (np.searchsorted(known, products, side) for side in ("left", "right"))
        at = low + (random.random(len(products)) * (high - low)).astype(np.int64)
        found = np.full(len(products), -1, dtype=np.int64)
        has = high > low
        found[has] = self.rows[order[at[has]]]
        return found
