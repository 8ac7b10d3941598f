"""What a run must show before shoppers see it; every verdict says its figure and its limit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reco_plugin import conf
from reco_plugin.metrics import coverage, top_share
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Floats, Ints

SMALLEST_SPREAD = 1e-4
"""Scores of one shopper must differ by this share of their size; below it every product is equal."""
TOLERANCE = 0.05
"""A run may fall short of popularity by this share of popularity's NDCG@10."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """One verdict. `passed` is None when it was not measured, which stops nothing."""

    name: str
    passed: bool | None
    words: str
    value: float | None = None
    limit: float | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON-able; a figure that is not finite becomes None."""
        told = asdict(self)
        for name in ("value", "limit"):
            if told[name] is not None and not math.isfinite(told[name]):
                told[name] = None
        return told


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """NDCG@10 of what would be served beside popularity's, over the same shoppers."""

    served: float
    popular: float
    error: float
    """Standard error of the mean of the paired differences."""
    shoppers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The thresholds in force."""

    interactions: int
    shoppers: int
    coverage: float
    top_share: float


def limits() -> Limits:
    """The thresholds the settings ask for."""
    return Limits(
        interactions=conf.settings.MIN_INTERACTIONS,
        shoppers=conf.settings.MIN_SHOPPERS,
        coverage=conf.settings.MIN_COVERAGE,
        top_share=conf.settings.MAX_TOP_SHARE,
    )


def passed(verdicts: Iterable[Gate]) -> bool:
    """May the run be published? Gates that were not measured do not stop it."""
    return all(gate.passed is not False for gate in verdicts)


def minimum_data(interactions: int, shoppers: int, limit: Limits) -> list[Gate]:
    """Enough interactions, and enough shoppers who acted on two or more products."""
    return [
        Gate(
            name="interactions",
            passed=interactions >= limit.interactions,
            words=f"{interactions:,} interactions to learn from (needs {limit.interactions:,}, "
            "RECO_MIN_INTERACTIONS)"
            + (
                "" if interactions else "; bring past orders in with reco_backfill, or send signals"
            ),
            value=interactions,
            limit=limit.interactions,
        ),
        Gate(
            name="shoppers",
            passed=shoppers >= limit.shoppers,
            words=f"{shoppers:,} shoppers with two or more products (needs {limit.shoppers:,}, "
            "RECO_MIN_SHOPPERS)",
            value=shoppers,
            limit=limit.shoppers,
        ),
    ]


def memory(needed_mb: float | None, limit_mb: int) -> list[Gate]:
    """The training must fit the memory it may have. Nothing is said where a trainer cannot tell what
    it needs; 0 is no limit."""
    if needed_mb is None:
        return []
    allowed = f"may take {limit_mb:,}" if limit_mb > 0 else "there is no limit"
    words = f"training takes about {needed_mb:,.0f} MiB ({allowed}, RECO_TRAIN_MEMORY_MB)"
    fits = limit_mb <= 0 or needed_mb <= limit_mb
    if not fits:
        words += "; learn from less (RECO_WINDOW_DAYS), in fewer dimensions, or allow it more"
    return [Gate(name="memory", passed=fits, words=words, value=needed_mb, limit=limit_mb or None)]


def finite(learnt: Learnt) -> Gate:
    """No NaN and no infinity in anything learnt."""
    arrays = (
        learnt.item_vectors,
        learnt.item_biases,
        learnt.shopper_vectors,
        learnt.feature_vectors,
        learnt.feature_biases,
    )
    bad = sum(int(array.size - np.isfinite(array).sum()) for array in arrays)
    words = "all numbers are finite" if not bad else f"{bad:,} numbers are not finite"
    return Gate(name="finite", passed=not bad, words=words, value=bad, limit=0)


def spread(learnt: Learnt, queries: Floats) -> Gate:
    """Products must score differently: the median, over `queries` (n, d), of the standard deviation
    of a shopper's scores, as a share of their largest absolute score."""
    scores = queries @ learnt.item_vectors.T + learnt.item_biases
    if not scores.size or scores.shape[1] < 2:
        return Gate(name="spread", passed=None, words="not measured: fewer than two products")
    size = np.maximum(np.abs(scores).max(axis=1), np.finfo(np.float32).tiny)
    share = float(np.median(scores.std(axis=1) / size))
    ok = share >= SMALLEST_SPREAD
    words = (
        "scores tell products apart" if ok else "every product scores the same for every shopper"
    )
    return Gate(
        name="spread",
        passed=ok,
        words=f"{words} (typical spread {share:.2g} of the largest score, at least "
        f"{SMALLEST_SPREAD:g})",
        value=share,
        limit=SMALLEST_SPREAD,
    )


def breadth(lists: Ints, items: int, limit: Limits) -> list[Gate]:
    """Top lists (n, k) must cover the catalogue and not all hold one product.

    Where n lists of k cannot cover `items` products, the share is of what they could cover. Where
    lists are long beside the catalogue a product is in many of them by arithmetic alone; the limit
    of the top share starts from there: even + (1 - even) x RECO_MAX_TOP_SHARE, even = k / items.
    """
    n, k = lists.shape
    if not n or items <= k:
        words = f"not measured: {n:,} lists of {k} over {items:,} products"
        return [
            Gate(name="coverage", passed=None, words=words),
            Gate(name="top_share", passed=None, words=words),
        ]
    return [_coverage(lists, items, limit), _top_share(lists, items, limit)]


def _coverage(lists: Ints, items: int, limit: Limits) -> Gate:
    within_reach = min(items, lists.size)
    share = coverage(lists, items) * items / within_reach
    return Gate(
        name="coverage",
        passed=share >= limit.coverage,
        words=f"top-{lists.shape[1]} lists of {len(lists):,} shoppers hold {share:.1%} of the "
        f"{within_reach:,} products they could hold (at least {limit.coverage:.1%}, "
        "RECO_MIN_COVERAGE)",
        value=share,
        limit=limit.coverage,
    )


def _top_share(lists: Ints, items: int, limit: Limits) -> Gate:
    even = lists.shape[1] / items
    most = even + (1 - even) * limit.top_share
    share = top_share(lists)
    return Gate(
        name="top_share",
        passed=share <= most,
        words=f"the most frequent product is in {share:.1%} of the top-{lists.shape[1]} lists "
        f"(at most {most:.1%}, RECO_MAX_TOP_SHARE)",
        value=share,
        limit=most,
    )


def not_worse_than_popular(difference: Difference | None) -> Gate:
    """Paired over the hold-out shoppers: NDCG@10 as served minus NDCG@10 of popularity.

    Fails when the mean difference plus one standard error lies below -TOLERANCE times popularity's
    mean: the run falls short by more than 5 %, and by more than chance easily does.
    """
    if difference is None:
        return Gate(name="popularity", passed=None, words="not measured: no evaluation was made")
    if difference.shoppers < 2:
        return Gate(
            name="popularity", passed=None, words="not measured: nobody in the hold-out to compare"
        )
    line = -TOLERANCE * difference.popular
    mean = difference.served - difference.popular
    reach = mean + difference.error
    return Gate(
        name="popularity",
        passed=reach >= line,
        words=f"NDCG@10 {difference.served:.4f} beside popularity's {difference.popular:.4f} over "
        f"{difference.shoppers:,} hold-out shoppers: {mean:+.4f} with a standard error of "
        f"{difference.error:.4f} (their sum must reach {line:+.4f}, 5 % below popularity)",
        value=reach,
        limit=line,
    )
