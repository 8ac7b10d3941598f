"""Session-KNN: what came up in the most recent visits most like this one (VMIS-kNN, Kersbergen 2022).

An index from item to its newest visits and from visit to its items; a request reads a few thousand numbers
of it and no more, however long the log.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.transitions import required
from reco_plugin.types import Features, Floats, Ints

_Places = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    newest: int = 1_000
    """Visits looked at for each item: the newest that hold it."""
    neighbours: int = 100
    """Visits that vote: those most like this one, of equal ones the newer."""
    fade: float = 0.1
    """What a vote loses for each step since the last item it shares with this visit."""
    reach: float = 0.0
    """Steps from the shared item at which a neighbour's item has lost all but 1/e; 0 for no loss."""
    itself: bool = True
    """May an item of this visit be proposed again."""

    def __post_init__(self) -> None:
        for name in ("newest", "neighbours"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("fade", "reach"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")


@dataclass(frozen=True, kw_only=True, eq=False)
class VisitIndex:
    """What VisitKNN learns. Visits are numbered by age, the oldest 0."""

    config: Config
    item_starts: _Places
    """(n_items + 1,)"""
    visits: Ints
    """The newest visits of each item, ascending."""
    visit_starts: _Places
    """(n_visits + 1,)"""
    items: Ints
    """The distinct items of each visit."""
    places: Ints
    """The last place, from 1, of each of these items in its visit."""
    rarity: Floats
    """(n_items,) log(visits / visits that hold the item)."""

    @property
    def n_items(self) -> int:
        return len(self.item_starts) - 1

    def score(self, here: Histories) -> sparse.csr_matrix:
        """float32 CSR (n, n_items) for visits still going on; a row without known items is empty."""
        return self.scores(here, (self.config.reach,))[0]

    def scores(self, here: Histories, reaches: Sequence[float]) -> list[sparse.csr_matrix]:
        """The same for several reaches, at little more than the cost of one."""
        found = [
            self._voted(here.items[start:stop], reaches)
            for start, stop in itertools.pairwise(here.starts)
        ]
        starts = np.concatenate([[0], np.cumsum([len(items) for items, _ in found])])
        items = np.concatenate([items for items, _ in found]) if found else np.zeros(0, np.int64)
        shape = (len(here), self.n_items)
        values = np.zeros((len(reaches), 0)) if not found else np.hstack([one for _, one in found])
        return [
            sparse.csr_matrix((row.astype(np.float32), items.copy(), starts.copy()), shape=shape)
            for row in values
        ]

    def score_one(self, visit: Ints) -> tuple[_Places, npt.NDArray[np.float64]]:
        """(items ascending, scores) of one visit, oldest item first."""
        items, values = self._voted(visit, (self.config.reach,))
        return items, values[0]

    def _voted(
        self, visit: Ints, reaches: Sequence[float]
    ) -> tuple[_Places, npt.NDArray[np.float64]]:
        """(items ascending, scores (len(reaches), items))"""
        length = len(visit)
        own, last = np.unique(visit[::-1], return_index=True)
        place = length - last
        neighbours, likeness = self._neighbours(own, place / max(length, 1))
        at, rows = _gather(self.visit_starts, neighbours)
        theirs = self.items[at]
        shared = np.minimum(np.searchsorted(own, theirs), max(len(own) - 1, 0))
        common = own[shared] == theirs if len(own) else np.zeros(len(theirs), bool)
        latest = np.zeros(len(neighbours), np.int64)
        np.maximum.at(latest, rows[common], place[shared[common]])
        votes = likeness * np.maximum(0.0, 1.0 - self.config.fade * (length - latest))
        values = votes[rows] * self.rarity[theirs]
        distance = self._distance(at, rows, common, place[shared], latest) if any(reaches) else None
        items, to = np.unique(theirs, return_inverse=True)
        summed = np.stack(
            [_sums(to, _fading(values, distance, reach), len(items)) for reach in reaches]
        )
        kept = summed[0] > 0
        if not self.config.itself:
            kept &= ~np.isin(items, own)
        return items[kept].astype(np.int64), summed[:, kept]

    def _neighbours(
        self, own: npt.NDArray[Any], weights: npt.NDArray[Any]
    ) -> tuple[_Places, npt.NDArray[np.float64]]:
        at, which = _gather(self.item_starts, own)
        visits, place = np.unique(self.visits[at], return_inverse=True)
        likeness = _sums(place, weights[which], len(visits))
        if len(visits) > self.config.neighbours:
            # rounded, for sums of the same weights in another order are equal
            alike = np.round(likeness, 9)
            best = np.argsort(-alike[::-1], kind="stable")[: self.config.neighbours]
            best = len(visits) - 1 - best
            visits, likeness = visits[best], likeness[best]
        return visits.astype(np.int64), likeness

    def _distance(
        self, at: _Places, rows: _Places, common: Any, place: _Places, latest: _Places
    ) -> npt.NDArray[np.int64]:
        """Steps from the neighbour's place of the newest shared item."""
        anchor = np.zeros(len(latest), np.int64)
        newest = common & (place == latest[rows])
        anchor[rows[newest]] = self.places[at[newest]]
        return np.asarray(np.abs(self.places[at] - anchor[rows]), dtype=np.int64)


class VisitKNN:
    """The `visits` trainer. Its answer is an index to ask, not a matrix."""

    name: ClassVar[str] = "visits"

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
    ) -> VisitIndex:
        """Index the visits: the baskets of `past`, or its rows where it has none.

        Newest by time, or by row where there is none. Raises NotEnoughData when there is no event.
        """
        visits = required(past) if past.basket is None else past.by_basket()
        visits = visits.select(_by_age(visits))
        if progress:
            progress("fit", 0, 1)
        rows, items, places = _distinct(visits)
        by_item = np.lexsort((rows, items))
        counts = np.bincount(items, minlength=past.n_items)
        ends = np.repeat(np.cumsum(counts), counts)
        newest = ends - np.arange(len(by_item)) <= self.config.newest
        if progress:
            progress("fit", 1, 1)
        return VisitIndex(
            config=self.config,
            item_starts=_starts(np.minimum(counts, self.config.newest)),
            visits=rows[by_item][newest].astype(np.int32),
            visit_starts=_starts(np.bincount(rows, minlength=len(visits))),
            items=items.astype(np.int32),
            places=places.astype(np.int32),
            rarity=np.log(max(len(visits), 1) / np.maximum(counts, 1)).astype(np.float32) + 1e-6,
        )


def _by_age(visits: Histories) -> npt.NDArray[np.int64]:
    """Rows that hold something, oldest first."""
    rows = np.flatnonzero(visits.lengths)
    if visits.at is None:
        return rows
    return rows[np.argsort(visits.at[visits.starts[rows + 1] - 1], kind="stable")]


def _distinct(visits: Histories) -> tuple[Any, Any, Any]:
    """(row, item, last place from 1) of the distinct items of each visit."""
    place = np.arange(len(visits.items)) - visits.starts[visits.rows] + 1
    order = np.lexsort((place, visits.items, visits.rows))
    rows, items, place = visits.rows[order], visits.items[order], place[order]
    last = np.ones(len(rows), dtype=np.bool_)
    last[:-1] = (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])
    return rows[last], items[last], place[last]


def _gather(starts: _Places, rows: npt.NDArray[Any]) -> tuple[_Places, _Places]:
    """Places of the entries of `rows`, one after another, and the number of the row of each."""
    counts = starts[rows + 1] - starts[rows]
    which = np.repeat(np.arange(len(rows)), counts)
    offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return starts[rows][which] + offset, which


def _fading(
    values: npt.NDArray[Any], distance: npt.NDArray[np.int64] | None, reach: float
) -> npt.NDArray[Any]:
    if not reach or distance is None:
        return values
    return np.asarray(values * np.exp(-distance / reach))


def _sums(place: npt.NDArray[Any], values: npt.NDArray[Any], size: int) -> npt.NDArray[np.float64]:
    return np.asarray(np.bincount(place, weights=values, minlength=size), dtype=np.float64)


def _starts(counts: npt.NDArray[Any]) -> _Places:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
