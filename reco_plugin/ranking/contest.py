"""Do trees rank better than the linear ranker they are boosted from? Decided on lists that neither has learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.metrics.intervals import Estimate
from reco_plugin.metrics.paired import difference_interval
from reco_plugin.ranking import logit, trees
from reco_plugin.ranking.forest import Forest
from reco_plugin.ranking.logit import Logit
from reco_plugin.ranking.rankers import AUTO, LINEAR, RANKERS
from reco_plugin.ranking.trees import Grown, Offered
from reco_plugin.types import Floats

PARTS = 3
"""Every list is held out once, with its part."""
FEWEST = 300
"""Lists below which no trees are grown: they would learn the accidents."""
SURE = 0.99
"""Of the interval whose lower end must lie above zero."""
K = 10

_Weights = npt.NDArray[np.float64]
Laid = Callable[[Floats, _Weights], Floats]
"""(features (c, f), weights (f,)) → what trees are told of each candidate, (c, columns)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """What ranks."""

    linear: Logit
    trees: Forest | None = None
    """What is added to the linear score; None where nothing is."""
    note: str = ""
    """Why, in words; '' where nobody asked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lists:
    """What was on offer, one list after another, and what was taken."""

    features: Floats
    """(c, f)"""
    counts: npt.NDArray[np.int64]
    taken: npt.NDArray[np.float64]
    """(c,) what it is worth that a candidate was taken; 0: it was not."""

    def part(self, chosen: npt.NDArray[np.bool_]) -> Lists:
        """These of the lists."""
        kept = chosen[np.repeat(np.arange(len(self.counts)), self.counts)]
        return Lists(
            features=self.features[kept], counts=self.counts[chosen], taken=self.taken[kept]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """How it is decided."""

    laid: Laid
    columns: tuple[str, ...]
    prior: _Weights
    """(f,) what the linear ranker is drawn to."""
    ranker: str = AUTO
    """'linear'; 'lambdamart'; or 'auto': trees only where they are better on lists held out, beyond their
    interval."""
    seed: int = 0
    threads: int = 1


def chosen(lists: Lists, terms: Terms) -> Choice:
    """The ranker for such lists. Raises ValueError for one that is none of RANKERS."""
    if terms.ranker not in RANKERS:
        raise ValueError(f"There is no ranker {terms.ranker!r}, only {', '.join(RANKERS)}.")
    linear = logit.fit(lists.features, lists.counts, lists.taken, prior=terms.prior)
    if terms.ranker == LINEAR:
        return Choice(linear=linear)
    told = _told(lists)
    if why := trees.missing() or _too_few(told):
        return Choice(linear=linear, note=f"Linear ranker: {why}")
    return _contested(told, terms, linear)


def _contested(lists: Lists, terms: Terms, linear: Logit) -> Choice:
    part = np.random.default_rng(terms.seed).permutation(len(lists.counts)) % PARTS
    offered = _offered(lists, terms, part)
    grow = partial(trees.grow, columns=terms.columns, seed=terms.seed, threads=terms.threads)
    grown = [
        grow(offered.select(part != held), watch=offered.select(part == held))
        for held in range(PARTS)
    ]
    most = _best([one.curve for one in grown])
    apart = _apart(offered, part, grown, terms.seed)
    note = (
        f"NDCG@{K} with {most} trees beside the linear ranker alone, on {apart.n:,} lists held out: "
        f"{apart.mean:+.4f}, {SURE:.0%} sure to lie in {apart.low:+.4f} … {apart.high:+.4f}"
    )
    if terms.ranker == AUTO and apart.low <= 0:
        return Choice(linear=linear, note=f"Linear ranker: {note}")
    final = grow(offered, most=most)
    return Choice(linear=linear, trees=final.forest(), note=f"LambdaMART: {note}")


def _told(lists: Lists) -> Lists:
    """The lists of which anything was taken, and something not."""
    starts = np.cumsum(lists.counts) - lists.counts
    full = lists.counts > 0
    taken = np.zeros(len(full), np.int64)
    if full.any():
        taken[full] = np.add.reduceat((lists.taken > 0).astype(np.int64), starts[full])
    return lists.part((taken > 0) & (taken < lists.counts))


def _too_few(lists: Lists) -> str:
    n = len(lists.counts)
    return "" if n >= FEWEST else f"{n:,} lists to learn from, too few for trees (needs {FEWEST:,})"


def _offered(lists: Lists, terms: Terms, part: npt.NDArray[np.int64]) -> Offered:
    """With the linear score of each list by those of other parts: by its own it would look too good to correct."""
    of = part[np.repeat(np.arange(len(part)), lists.counts)]
    base, told = np.zeros(len(of), np.float32), None
    for held in range(PARTS):
        others, own = lists.part(part != held), of == held
        found = logit.fit(others.features, others.counts, others.taken, prior=terms.prior)
        mine = lists.features[own]
        base[own] = found.score(mine)
        rows = terms.laid(mine, found.weights)
        told = np.zeros((len(of), rows.shape[1]), np.float32) if told is None else told
        told[own] = rows
    assert told is not None
    return Offered(told=told, counts=lists.counts, gains=lists.taken.astype(np.float64), base=base)


def _best(curves: Sequence[Sequence[float]]) -> int:
    """How many trees do best on all parts together."""
    shortest = min(len(curve) for curve in curves)
    mean = np.mean([curve[:shortest] for curve in curves], axis=0)
    return int(mean.argmax()) + 1


def _apart(
    offered: Offered, part: npt.NDArray[np.int64], grown: Sequence[Grown], seed: int
) -> Estimate:
    """NDCG@K with trees minus that without, list by list. Neither the trees nor how many there are was learnt from
    the list: the best number of them by the very lists they are judged on would look better than it is."""
    ours, theirs = np.zeros(len(part)), np.zeros(len(part))
    for held, one in enumerate(grown):
        most = _best([other.curve for at, other in enumerate(grown) if at != held])
        asked = offered.select(part == held)
        with_trees = asked.base + one.forest(most).score(asked.told)
        ours[part == held] = ndcg(with_trees, asked.counts, asked.gains)
        theirs[part == held] = ndcg(asked.base, asked.counts, asked.gains)
    return difference_interval(ours, theirs, confidence=SURE, seed=seed)


def ndcg(
    scores: npt.NDArray[np.floating[Any]],
    counts: npt.NDArray[np.int64],
    gains: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """(lists,) NDCG@K with gains as they are; 0 where there is none (Järvelin & Kekäläinen 2002)."""
    best = _dcg(gains, counts, gains)
    found = _dcg(scores, counts, gains)
    return np.divide(found, best, out=np.zeros(len(best)), where=best > 0)


def _dcg(
    scores: npt.NDArray[np.floating[Any]],
    counts: npt.NDArray[np.int64],
    gains: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    lists = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-scores, lists))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    worth = np.where(place < K, gains[order] / np.log2(place + 2), 0.0)
    return np.asarray(np.bincount(lists, weights=worth, minlength=len(counts)), np.float64)
