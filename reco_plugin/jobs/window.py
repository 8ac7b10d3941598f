"""The events that ranked lists are counted from: the last days, or more of them in a quiet shop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from reco_plugin.datasets import EventLog, read_log
from reco_plugin.datasets.interest import Mask, wanted
from reco_plugin.stores.base import Progress

FEW = 100
"""A window with fewer events than this is widened."""
WIDER = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """The events of a span of days."""

    log: EventLog
    wanted: Mask
    """(len(log),) the events that show interest that lasted."""
    days: int
    """What was read; 0 for all history."""
    notes: tuple[str, ...]

    @property
    def events(self) -> int:
        """How many show interest."""
        return int(self.wanted.sum())


def read_window(site: int, days: int, now: dt.datetime, progress: Progress | None = None) -> Window:
    """The last `days`; too quiet a window grows fourfold, and says so."""
    notes: list[str] = []
    for span in _spans(days):
        since = now - dt.timedelta(days=span) if span else None
        log = read_log(site, since=since, progress=progress, include_sensitive=True)
        read = Window(log=log, wanted=wanted(log), days=span, notes=tuple(notes))
        if read.events >= FEW:
            break
        notes.append(f"Only {read.events:,} events in {span} days, so the window was widened.")
    return read


def _spans(days: int) -> Iterator[int]:
    """30, 120, 480 days, then (0) everything."""
    if days > 0:
        yield from (days, days * WIDER, days * WIDER**2)
    yield 0
