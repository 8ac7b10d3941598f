"""Momentum: what more shoppers want now than they lately did, by distinct shoppers.

Of an item, r distinct shoppers wanted it in the recent span and b in the baseline before it. Were
nothing changing, its share r / (r + b) would be that of the whole shop: the comparison of two Poisson
rates given their sum (Przyborowski & Wilenski 1940, Biometrika 31:313-323). The shop's share also takes
out the hour and the day of the week. An item's own share is drawn to it by a Beta prior fitted to the
shop's items (`trainers.rates`), and its *sure* growth is

    g = odds(q) / odds(s)    q: lower fifth of the posterior share, s: share of the shop

and its score r * (1 - 1 / g): how many of its recent shoppers usual demand surely does not explain. Items
with g <= 1 do not trend, nor does one shopper make a trend. So 1 of 1 does not win, nor does what everybody
always buys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers import rates
from reco_plugin.trainers.popularity import popularity
from reco_plugin.types import Floats

HOUR = 3_600_000_000
"""Microseconds."""
RECENT, BASELINE = 24, 72
"""Hours: the recent span, and the one before it."""
SCALES = (1, 2, 7, 30, 120)
"""A shop too quiet for one day against three is asked about two against six, and so on."""
FEW = 100
"""Pairs of shopper and item that the recent span should hold."""
ENOUGH = 10
"""Items that should be found to trend, each by FEWEST shoppers surely more than usual. On Online Retail II (19 weeks,
every third) NDCG@10 of what shoppers bought in the week after is .069, and of what at least doubled in it .055; were
any item that rises enough, .056 and .014: a day of that shop is too thin to tell."""
WORTH = (5.0, 20.0)
"""Shoppers that the prior counts as: it is to hold back small numbers, not what stands out."""
FEWEST = 2
"""Shoppers who make a trend."""

_Rows: TypeAlias = npt.NDArray[np.integer[Any]]
_Events: TypeAlias = tuple[_Rows, _Rows, npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Momentum:
    """What trends, and over which spans."""

    scores: Floats
    """(n_items,) surely extra distinct shoppers; 0 where nothing rises."""
    hours: int
    """Of the recent span; the baseline before it is three times as long."""
    recent: int
    """Pairs of shopper and item in the recent span."""
    baseline: int

    @property
    def sure(self) -> int:
        """Items that trend by FEWEST shoppers or more."""
        return int(np.count_nonzero(self.scores >= FEWEST))


def momentum(
    shoppers: _Rows,
    items: _Rows,
    at: npt.NDArray[np.int64],
    *,
    n_items: int,
    now: int,
    reach: int | None = None,
) -> Momentum:
    """What rises before `now` (µs since 1970 UTC), one entry per event of interest.

    The spans widen until there is enough in them, at most to `reach` hours back. Of spans that all hold
    too little, the one in which most rises is told.
    """
    tried: list[Momentum] = []
    for scale in SCALES:
        if reach is not None and scale > 1 and scale * (RECENT + BASELINE) > reach:
            break
        found = _over((shoppers, items, at), n_items, now, scale)
        if found.recent >= FEW and found.sure >= min(ENOUGH, n_items):
            return found
        tried.append(found)
    return max(tried, key=lambda one: (one.sure, np.count_nonzero(one.scores)))


def _over(events: _Events, n_items: int, now: int, scale: int) -> Momentum:
    shoppers, items, at = events
    since = now - scale * RECENT * HOUR
    before = since - scale * BASELINE * HOUR
    recent, baseline = (
        popularity(shoppers, items, n_items=n_items, at=at, since=start, until=end)
        for start, end in ((since, now + 1), (before, since))
    )
    return Momentum(
        scores=rising(recent, baseline),
        hours=scale * RECENT,
        recent=int(recent.sum()),
        baseline=int(baseline.sum()),
    )


def rising(recent: Floats, baseline: Floats) -> Floats:
    """(n_items,) the score of distinct shoppers per item in both spans; see the module."""
    scores = np.zeros(len(recent), np.float32)
    prior = rates.fit_prior(recent, recent + baseline, WORTH)
    if prior is None:  # nothing to compare with, or nobody came
        return scores
    seen = np.flatnonzero(recent >= FEWEST)
    share = rates.surely(recent[seen], recent[seen] + baseline[seen], prior)
    growth = _odds(share) / _odds(prior.mean)
    scores[seen] = recent[seen] * np.maximum(1 - 1 / np.maximum(growth, 1e-12), 0)
    return scores


def _odds(share: Any) -> Any:
    return share / np.maximum(1 - share, 1e-12)
