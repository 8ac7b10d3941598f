"""Histories as batches of sequences: what stands where, and what was taken next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers.histories import Histories

Places = npt.NDArray[np.int64]
FAR = np.int64(1) << 40
"""A step after all others: where a sequence is filled up, so that nothing before looks at it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """b sequences of at most l events, filled up at their ends."""

    items: Places
    """(b, l) item rows; 0 where filled up."""
    step: Places
    """(b, l) number of the basket; FAR where filled up."""
    asks: npt.NDArray[np.bool_]
    """(b, l) is something known to follow?"""
    next: Places
    """(number of asks,) the item rows that followed, in the order of `asks`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Following:
    """For each of m events, where the candidates for "what came next" stand."""

    events: Places
    """Places of events that may be a target, in order."""
    first: Places
    """(m,) into `events`: the first of the next basket that has any."""
    count: Places
    """(m,) how many it has; 0 where nothing follows."""

    def drawn(self, random: np.random.Generator) -> Places:
        """(m,) place of one event that followed, drawn evenly from its basket; -1 for none."""
        if not len(self.events):
            return np.full(len(self.first), -1, np.int64)
        chosen = self.first + (random.random(len(self.first)) * self.count).astype(np.int64)
        return np.where(self.count > 0, self.events[np.minimum(chosen, len(self.events) - 1)], -1)


def following(past: Histories, *, repeats: bool) -> Following:
    """What came next; without `repeats`, only what the row had not held before."""
    events = np.arange(len(past.items)) if repeats else _first_met(past)
    steps = past.step[events]
    first = np.searchsorted(steps, past.step, side="right")
    inside = first < len(events)
    target = events[np.minimum(first, max(len(events) - 1, 0))] if len(events) else first
    known = np.zeros(len(past.items), dtype=np.bool_)
    known[inside] = past.rows[target[inside]] == past.rows[inside]
    last = np.searchsorted(steps, past.step[target], side="right") if len(events) else first
    return Following(events=events, first=first, count=np.where(known, last - first, 0))


def _first_met(past: Histories) -> Places:
    cells = past.rows * past.n_items + past.items
    return np.sort(np.unique(cells, return_index=True)[1])


def pieces(past: Histories, window: int) -> tuple[Places, Places]:
    """(start, stop) of runs of at most `window` events that cover every row, the newest whole."""
    counts = -(-past.lengths // window)
    row = np.repeat(np.arange(len(past)), counts)
    back = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    stops = past.starts[row + 1] - back * window
    return np.maximum(stops - window, past.starts[row]), stops


def batches(
    past: Histories, follow: Following, *, window: int, events: int, random: np.random.Generator
) -> Iterator[Batch]:
    """All that is known to follow, once, in random order: about `events` events at a time, in like sequences."""
    drawn = follow.drawn(random)
    starts, stops = pieces(past, window)
    knows = np.concatenate([[0], np.cumsum(drawn >= 0)])
    useful = knows[stops] > knows[starts]
    starts, stops = starts[useful], stops[useful]
    order = np.lexsort((random.random(len(starts)), stops - starts))
    number = (np.cumsum((stops - starts)[order]) - 1) // events
    cuts = np.flatnonzero(np.diff(number)) + 1
    parts = np.split(order, cuts)
    for at in random.permutation(len(parts)):
        if len(parts[at]):
            yield _batch(past, drawn, starts[parts[at]], stops[parts[at]])


def newest(past: Histories, window: int) -> Batch:
    """The newest `window` events of every row; an empty row is filled up whole."""
    starts = np.maximum(past.starts[1:] - window, past.starts[:-1])
    return _batch(past, np.full(len(past.items), -1), starts, past.starts[1:])


def _batch(past: Histories, drawn: Places, starts: Places, stops: Places) -> Batch:
    place = starts[:, None] + np.arange(max(int((stops - starts).max(initial=1)), 1))
    there = place < stops[:, None]
    at = np.where(there, place, 0)
    asks = there & (_at(drawn, at, -1) >= 0)
    return Batch(
        items=np.where(there, _at(past.items, at, 0), 0).astype(np.int64),
        step=np.where(there, _at(past.step, at, 0), FAR),
        asks=asks,
        next=past.items[drawn[at[asks]]].astype(np.int64),
    )


def _at(values: npt.NDArray[Any], places: Places, otherwise: int) -> npt.NDArray[Any]:
    return values[places] if len(values) else np.full(places.shape, otherwise)
