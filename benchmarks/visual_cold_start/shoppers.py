"""Simulated shoppers. Their tastes are drawn from what the catalogue says of products, never from pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.types import Ints

SPREAD: Mapping[str, float] = {
    "articleType": 2.0,
    "baseColour": 1.2,
    "brand": 0.8,
    "usage": 0.8,
    "season": 0.4,
}
"""How far apart a shopper's liking of two values of an attribute lies: the deviation of a normal."""
GENDERS = 4.0
"""How much less someone likes what is not made for them."""
APPEAL = 0.7
"""Deviation of what makes a product liked by all, which nobody wrote down."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many shoppers there are, and how much they do."""

    shoppers: int = 4_000
    fewest: int = 10
    most: int = 40
    spread: Mapping[str, float] = field(default_factory=lambda: dict(SPREAD))


def choices(codes: Mapping[str, Ints], crowd: Crowd, seed: int) -> sparse.csr_matrix:
    """float32 0/1 CSR (shoppers, products): what each chose, without repeats.

    A product is chosen by odds of exp(liking): the sum of what the shopper thinks of each of its values,
    and its own appeal (Gumbel's top k, so a draw without replacement).
    """
    random = np.random.default_rng([seed, 17])
    n = len(codes["gender"])
    appeal = random.normal(0, APPEAL, n)
    rows, columns = [], []
    for shopper in range(crowd.shoppers):
        liking = appeal + _liking(codes, crowd, random)
        count = int(random.integers(crowd.fewest, crowd.most + 1))
        best = np.argpartition(-(liking + random.gumbel(size=n)), count)[:count]
        rows += [shopper] * count
        columns += best.tolist()
    ones = np.ones(len(rows), np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), shape=(crowd.shoppers, n))


def _liking(
    codes: Mapping[str, Ints], crowd: Crowd, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    gender = codes["gender"]
    own = int(random.choice(gender[gender >= 0]))
    liking = np.where(gender == own, 0.0, -GENDERS)
    for name, spread in crowd.spread.items():
        known = codes[name]
        tastes = random.normal(0, spread, int(known.max()) + 1)
        liking = liking + np.where(known >= 0, tastes[known], 0.0)
    return np.asarray(liking, np.float64)
