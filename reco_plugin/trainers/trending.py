"""Trending: how much each item was wanted before a moment, and whether it is still sold.

Only what happened before the moment that is asked about counts, so the same object answers for today and,
in an evaluation, for a day long past.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories, Times
from reco_plugin.trainers.transitions import required
from reco_plugin.types import Features, Floats

DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    days: float = 30.0
    """How far back the trend reaches."""
    numbers: int = 50_000_000
    """Most numbers of the table of counts by item and time; larger logs get coarser times."""

    def __post_init__(self) -> None:
        configs.require(self.days > 0, "days must be positive.")
        configs.require(self.numbers >= 1, "numbers must be at least 1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Trends:
    """Counts of distinct shoppers by item and time."""

    edges: Times
    """(t + 1,) microseconds, rising: count column c is of what happened before edges[c]."""
    counts: Floats
    """(t + 1, n_items) up to each edge, the first row zeros."""
    total: Floats
    """(n_items,) of the whole log; what is told where no time is known."""
    days: float

    def column(self, moment: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The last edge at or before each moment: nothing at or after it is counted."""
        found = np.searchsorted(self.edges, np.asarray(moment), side="right") - 1
        return np.asarray(np.maximum(found, 0), dtype=np.int64)

    def before(self, moment: npt.ArrayLike, days: float | None = None) -> Floats:
        """(len(moment), n_items): how much was wanted in the `days` before each moment (all, by default)."""
        until = np.asarray(moment, dtype=np.int64)
        found = self.counts[self.column(until)]
        if days is None:
            return np.asarray(found)
        since = self.column(until - np.int64(days * DAY))
        return np.asarray(found - self.counts[since])

    def score(self, moment: npt.ArrayLike | None, rows: int = 1) -> Floats:
        """(rows, n_items): the trend before each moment; the whole log's counts without one."""
        if moment is None or len(self.edges) < 2:
            return np.broadcast_to(self.total, (rows, len(self.total)))
        return self.before(moment, self.days)


class Trending:
    """The `trending` trainer: popularity with recency."""

    name: ClassVar[str] = "trending"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self,
        past: Histories,
        *,
        features: Features | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Trends:
        """Count. Raises NotEnoughData when there is no event."""
        total = required(past).counts()
        if progress:
            progress("fit", 1, 1)
        if past.at is None:
            none = np.zeros((1, past.n_items), np.float32)
            return Trends(
                edges=np.zeros(1, np.int64), counts=none, total=total, days=self.config.days
            )
        most = max(self.config.numbers // max(past.n_items, 1), 2)
        edges = _edges(past.at, most, self.config.days * DAY)
        return Trends(
            edges=edges, counts=_cumulative(past, edges), total=total, days=self.config.days
        )


def _edges(at: Times, most: int, reach: float) -> Times:
    """Ends of days, or of longer spans when there would be more than `most`. More than `reach` µs after an event and
    before the next there are none: nothing changes there, so one event long before all others costs little."""
    first, wide = int(at.min()), DAY
    ends = _ends(at - first, wide, reach)
    while len(ends) > most - 1 > 0:
        wide = -(-wide * len(ends) // (most - 1))
        ends = _ends(at - first, wide, reach)
    return np.concatenate([[first], first + ends * wide]).astype(np.int64)


def _ends(since: Times, wide: int, reach: float) -> npt.NDArray[np.int64]:
    spans = np.unique(since // wide)
    after = np.arange(math.ceil(min(reach / wide, spans[-1])) + 1)
    return np.unique(np.minimum(spans[:, None] + after, spans[-1])) + 1


def _cumulative(past: Histories, edges: Times) -> Floats:
    assert past.at is not None
    span = np.searchsorted(edges, past.at, side="right")
    cells = np.unique((past.rows * len(edges) + span) * past.n_items + past.items)
    span, item = (cells // past.n_items) % len(edges), cells % past.n_items
    counts = np.zeros((len(edges), past.n_items), np.float32)
    np.add.at(counts, (span, item), 1)
    return np.asarray(np.cumsum(counts, axis=0, dtype=np.float32), dtype=np.float32)
