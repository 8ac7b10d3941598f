"""Replenishment: after how many days people buy the same product again.

Of each pair of shopper and product that bought it on several days, the typical gap counts once, however
often it recurs: a café that orders milk daily is one shopper. A product's interval is the median of its
shoppers' gaps, drawn in log-days to that of its category, and that to the shop's, the more the fewer
shoppers tell of it (normal-normal empirical Bayes, Efron & Morris 1975, JASA 70:311-319). Only what is
bought again by enough shoppers, and by a fair share of its buyers, has one (the repeat customer
probability of Bhagat et al. 2018, "Buy It Again", KDD).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers.related import RelatedLists, changes

DAY = 86_400_000_000
"""Microseconds."""
FAIR = 0.05
"""Least share of a product's buyers who bought it again."""
WEAKEST, STRONGEST = 1.0, 50.0
"""Shoppers that the category's interval counts as, at least and at most."""

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Gaps:
    """One entry for each pair of shopper and item that bought it again, sorted by item."""

    item: Rows
    log_days: Numbers
    """The median of the pair's gaps, in log-days."""


def intervals(
    shoppers: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    at: npt.NDArray[np.int64],
    *,
    n_items: int,
    category: npt.NDArray[np.integer[Any]] | None = None,
    least: int = 3,
    fair: float = FAIR,
) -> RelatedLists:
    """For each product that is bought again, a list of itself alone; score: days until then.

    One entry per purchase that stood: `shoppers` and `items` are rows, `at` µs since 1970 UTC; those of
    one UTC day are one. `category` (n_items,) numbers each item's, below 0 where it has none. `least` is
    the floor of distinct shoppers who bought it again. Facts: 'shoppers' (how many those are), 'spread'
    (days: half the distance between the quartiles) and 'share' (of its buyers).
    """
    days = np.unique(np.column_stack([items, shoppers, at // DAY]).astype(np.int64), axis=0)
    gaps = _gaps(days)
    buyers = np.bincount(days[changes(days[:, 0], days[:, 1]), 0], minlength=n_items)
    again = np.bincount(gaps.item, minlength=n_items)
    share = again / np.maximum(buyers, 1)
    usual = _usual(gaps, again, category if category is not None else np.full(n_items, -1))
    rows = np.flatnonzero((again >= max(least, 1)) & (share >= fair))
    lower, upper = (np.exp(_quantiles(gaps, again, at)) for at in (0.25, 0.75))
    return RelatedLists(
        rows=rows.astype(np.int32),
        starts=np.arange(len(rows) + 1, dtype=np.int64),
        items=rows.astype(np.int32),
        scores=np.exp(usual[rows]).astype(np.float32),
        facts={
            "shoppers": again[rows],
            "spread": ((upper - lower) / 2)[rows],
            "share": share[rows],
        },
    )


def _gaps(days: Rows) -> _Gaps:
    """`days` are (item, shopper, day), sorted, each once."""
    same = (days[1:, :2] == days[:-1, :2]).all(axis=1)
    item, shopper = days[1:][same, 0], days[1:][same, 1]
    gap = np.log(np.diff(days[:, 2])[same]) if same.any() else np.zeros(0)
    order = np.lexsort((gap, shopper, item))
    item, shopper, gap = item[order], shopper[order], gap[order]
    begins = changes(item, shopper)
    middle = _middles(gap, begins, 0.5)
    order = np.lexsort((middle, item[begins]))
    return _Gaps(item=item[begins][order], log_days=middle[order])


def _middles(values: Numbers, begins: Rows, share: float) -> Numbers:
    """The quantile of each group of sorted `values` that begins at `begins`; linear between two."""
    lengths = np.diff(np.append(begins, len(values)))
    place = begins + share * (lengths - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, begins + lengths - 1)
    part = place - low
    return np.asarray(values[low] * (1 - part) + values[high] * part)


def _quantiles(gaps: _Gaps, again: Rows, share: float) -> Numbers:
    """(n_items,) of each item's gaps; 0 where it has none."""
    found = np.zeros(len(again))
    begins = changes(gaps.item)
    found[gaps.item[begins]] = _middles(gaps.log_days, begins, share)
    return found


def _usual(gaps: _Gaps, again: Rows, category: npt.NDArray[np.integer[Any]]) -> Numbers:
    """(n_items,) log-days, each item drawn to its category, each category to the shop."""
    if not len(gaps.item):
        return np.zeros(len(again))
    shop = float(np.median(gaps.log_days))
    own = _quantiles(gaps, again, 0.5)
    strength = _strength(gaps, again, own)
    of = category[gaps.item]
    order = np.lexsort((gaps.log_days, of))
    begins = changes(of[order])
    middles, codes = _middles(gaps.log_days[order], begins, 0.5), of[order][begins]
    people = np.diff(np.append(begins, len(of)))
    drawn = (people * middles + strength * shop) / (people + strength)
    drawn[codes < 0] = shop
    place = np.minimum(np.searchsorted(codes, category), len(codes) - 1)
    around = np.where(codes[place] == category, drawn[place], shop)
    return np.asarray((again * own + strength * around) / (again + strength))


def _strength(gaps: _Gaps, again: Rows, own: Numbers) -> float:
    """Spread of shoppers within a product, over that between products: how many shoppers the prior is worth."""
    told = again > 1
    freedom = int((again[told] - 1).sum())
    if not freedom or told.sum() < 2:
        return WEAKEST
    squares = (gaps.log_days - own[gaps.item]) ** 2
    within = float(squares[told[gaps.item]].sum()) / freedom
    between = float(np.var(own[told])) - within * float(np.mean(1 / again[told]))
    return float(np.clip(within / between, WEAKEST, STRONGEST)) if between > 0 else STRONGEST
