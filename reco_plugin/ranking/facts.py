"""What is known of an item at a moment, and of a shopper and an item they have met before."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.ranking.evidence import Facts
from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.trending import DAY, Trends
from reco_plugin.types import Floats

WINDOWS = (7.0, 30.0, 90.0)
"""Days."""
LISTED = 200
"""Trending items kept for each moment, enough to outlast what a request excludes."""

_Places = npt.NDArray[np.int64]


class TrendFacts:
    """Popularity of candidates: of the whole log, and of the days before the request where these are known."""

    def __init__(self, trends: Trends, *, timed: bool) -> None:
        self.trends = trends
        self.timed = timed and len(trends.edges) > 1
        windows = tuple(f"wanted {days:g} days" for days in WINDOWS) if self.timed else ()
        idle = tuple(f"idle {days:g} days" for days in WINDOWS) if self.timed else ()
        self.names = ("wanted", *windows, *idle)

    def __call__(self, requests: Requests, rows: _Places, items: _Places) -> Floats:
        if not self.timed or requests.now is None:
            found = [np.log1p(self.trends.total[items])]
            return np.stack(found, axis=1)
        until = self.trends.column(requests.now)[rows]
        ever = self.trends.counts[until, items]
        late = []
        for days in WINDOWS:
            since = self.trends.column(requests.now - np.int64(days * DAY))[rows]
            late.append(ever - self.trends.counts[since, items])
        counted = [np.log1p(count) for count in (ever, *late)]
        idle = [(count == 0).astype(np.float32) for count in late]
        return np.stack([*counted, *idle], axis=1).astype(np.float32)

    def lists(self, requests: Requests) -> sparse.csr_matrix:
        """The trending items at each request's moment, CSR (n, n_items)."""
        if not self.timed or requests.now is None:
            which = np.zeros(len(requests), np.int64)
        else:
            which = self.trends.column(requests.now)
        items, values = self._listed
        starts = np.arange(0, len(which) * items.shape[1] + 1, items.shape[1])
        return sparse.csr_matrix(
            (values[which].ravel(), items[which].ravel(), starts),
            shape=(len(requests), requests.n_items),
        )

    @cached_property
    def _listed(self) -> tuple[npt.NDArray[np.int32], Floats]:
        """(moments, LISTED) best items and their counts."""
        if self.timed:
            edges = self.trends.edges
            found = [_top(self.trends.before([at], self.trends.days)[0], LISTED) for at in edges]
        else:
            found = [_top(self.trends.total, LISTED)]
        return np.stack([items for items, _ in found]), np.stack([best for _, best in found])


class PairFacts:
    """How often, how long ago and how late in the order a shopper met a candidate before."""

    def __init__(self, *, part: str) -> None:
        self.part = part
        self.names = tuple(f"{part} {name}" for name in ("met", "times", "steps ago", "days ago"))

    def facts(self) -> Facts:
        return Facts(names=self.names, at=self)

    def __call__(self, requests: Requests, rows: _Places, items: _Places) -> Floats:
        found = np.zeros((len(rows), 4), np.float32)
        past: Histories | None = getattr(requests, self.part)
        if past is None or not len(past.items):
            return found
        known = np.lexsort((past.steps_back, past.items, past.rows))
        cells = past.rows[known] * past.n_items + past.items[known]
        first = np.flatnonzero(np.diff(cells, prepend=-1))
        times = np.diff(np.append(first, len(cells)))
        asked = rows * past.n_items + items
        at = np.minimum(np.searchsorted(cells[first], asked), len(first) - 1)
        met = cells[first][at] == asked
        newest = known[first][at][met]
        found[met, 0] = 1
        found[met, 1] = np.log(times[at][met])
        found[met, 2] = np.log1p(past.steps_back[newest])
        found[met, 3] = self._days(requests, past, newest, rows[met])
        return found

    def _days(
        self, requests: Requests, past: Histories, events: npt.NDArray[Any], rows: _Places
    ) -> npt.NDArray[np.float64]:
        if requests.now is None or past.at is None:
            return np.zeros(len(rows))
        age = (requests.now[rows] - past.at[events]) / DAY
        return np.asarray(np.log1p(np.maximum(age, 0.0)), dtype=np.float64)


def _top(values: Floats, k: int) -> tuple[npt.NDArray[np.int32], Floats]:
    k = min(k, len(values))
    best = np.sort(np.argpartition(values, len(values) - k)[len(values) - k :])
    return best.astype(np.int32), values[best].astype(np.float32)
