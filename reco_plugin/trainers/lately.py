"""What season it is: how much more, or less, each item is wanted now than it was over the whole of a log.

Whether b follows a is counted over months; when b is bought also depends on the time of year. Taking the two for
independent, P(b | a, now) is P(b | a) * P(b now) / P(b), and the second factor is what is told here. It is drawn to
1 by a Beta prior fitted to the shop's own items (`trainers.rates`): where they differ by no more than chance makes
them, as in a shop without seasons, it is 1 for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers import rates
from reco_plugin.trainers.popularity import popularity

DAYS = 14
"""What counts as now. At six moments of Online Retail II a week and a month are as good, within two thousandths."""
DAY = 86_400_000_000
"""Microseconds."""

_Rows = npt.NDArray[np.integer[Any]]


def lately(
    shoppers: _Rows, items: _Rows, at: npt.NDArray[np.int64], *, n_items: int, days: int = DAYS
) -> npt.NDArray[np.float64]:
    """(n_items,) the share of its shoppers who wanted each item in the last `days` of the log, over that of the
    whole shop.

    One entry per event: `shoppers` and `items` are rows, `at` µs since 1970 UTC. The log ends with its last
    event: a shop that is closed has no other season for it. All 1 where the log is no longer than `days`.
    """
    ones = np.ones(n_items)
    if not len(at):
        return ones
    since = int(at.max()) - days * DAY
    whole = popularity(shoppers, items, n_items=n_items)
    now = popularity(shoppers, items, n_items=n_items, at=at, since=since)
    prior = rates.fit_prior(now, whole)
    return ones if prior is None else rates.mean(now, whole, prior) / prior.mean
