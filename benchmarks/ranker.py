"""What trees cost a page that asks the learnt blend: ranking the votes of one request with them and without.

Figure: processor time that trees add, single-threaded. Floor: a bare limit of one millisecond. Trees are full ones
(seven splits each) over random columns, more of them than shops have needed so far.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Bench, Row
from reco_plugin.ranking.forest import SPLITS, Forest
from reco_plugin.ranking.votes import TOP, Heard, Recipe, Votes, ranked, votes

TITLE = "a page's blend by trees: 300 candidates, 100 trees"

MOST_MS = 1.0
MEMBERS = ("sequential", "itemknn", "ease", "together", "beside")
DECAYS = (1.0, 0.8, 0.4)


def run(bench: Bench) -> Iterator[Row]:
    repeats = 20 if bench.quick else 400
    for products, grown in ((12, 60), (12, 100), (30, 100)):
        asked = request(products)
        linear, trees = recipe(0), recipe(grown)
        bare, with_trees = [], []
        for _ in range(repeats):
            bare.append(_ms(linear, asked))
            with_trees.append(_ms(trees, asked))
        added = statistics.median(with_trees) - statistics.median(bare)
        yield Row.at_most(
            f"{products} products, {grown} trees",
            added,
            MOST_MS,
            1.0,
            unit="ms",
            note=f"{statistics.median(with_trees):.2f} ms in all, {statistics.median(bare):.2f} without; "
            f"{len(asked.candidates)} candidates, of which trees put {min(TOP, len(asked.candidates))} in order",
        )


def request(products: int, *, each: int = 100, among: int = 300, seed: int = 0) -> Votes:
    """The lists of a shopper's newest products."""
    random = np.random.default_rng(seed)
    heard = [
        Heard(
            keys=random.choice(among, each, replace=False).tolist(),
            values=random.integers(0, 65_536, (len(MEMBERS), each)),
            prior=random.normal(size=each).tolist(),
        )
        for _ in range(products)
    ]
    return votes(heard, range(products), met=frozenset(), beside={}, members=len(MEMBERS))


def recipe(trees: int, seed: int = 0) -> Recipe:
    random = np.random.default_rng(seed)
    weights = random.normal(size=len(MEMBERS) * len(DECAYS) * 3).astype(np.float32)
    told: dict[str, Any] = {"members": MEMBERS, "decays": DECAYS, "weights": weights, "newest": 60}
    bare = Recipe(**told)
    return Recipe(**told, trees=forest(trees, bare.columns, random)) if trees else bare


def forest(trees: int, columns: tuple[str, ...], random: np.random.Generator) -> Forest:
    """Balanced trees."""
    below = np.arange(SPLITS)
    low, high = 2 * below + 1, 2 * below + 2
    inner = SPLITS // 2
    for side, offset in ((low, 0), (high, 1)):
        side[inner:] = ~(2 * (below[inner:] - inner) + offset)
    shape = (trees, SPLITS)
    return Forest(
        columns=columns,
        features=random.integers(0, len(columns), shape).astype(np.int16),
        thresholds=random.random(shape).astype(np.float32),
        low=np.tile(low.astype(np.int8), (trees, 1)),
        high=np.tile(high.astype(np.int8), (trees, 1)),
        leaves=random.normal(size=(trees, SPLITS + 1)).astype(np.float32),
    )


def _ms(told: Recipe, asked: Votes) -> float:
    began = time.process_time()
    ranked(told, asked, 100)
    return (time.process_time() - began) * 1000
