"""What a shopper did lately: the taste it tells, and what it keeps out of their lists."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from reco_plugin.pipeline import LiveRun, personal_vector
from reco_plugin.serving.eligibility import bought_since
from reco_plugin.stores.base import History
from reco_plugin.types import EventKind, Floats, Key


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    history: History
    whole: bool
    """Nothing older is known of this shopper: `left_out` is complete."""

    def vector(self, run: LiveRun, now: dt.datetime) -> Floats | None:
        """(d,), or None when no event tells what the shopper likes."""
        return personal_vector(
            self.history, run.config, norm=run.norm, learnt_at=run.learnt_at, now=now
        )

    @property
    def recent(self) -> tuple[Key, ...]:
        """Products the run knows, newest first, each once."""
        known = (event.key for event in self.history.events if event.vector is not None)
        return tuple(dict.fromkeys(known))

    @property
    def left_out(self) -> frozenset[Key]:
        """What was bought lately or dismissed."""
        since = bought_since()
        return frozenset(
            event.key
            for event in self.history.events
            if event.kind is EventKind.DISMISS_ITEM
            or (event.kind is EventKind.PURCHASE and since and event.occurred_at >= since)
        )
