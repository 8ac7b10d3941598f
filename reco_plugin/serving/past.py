"""What a shopper did lately: the taste it tells, and what it keeps out of their lists."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

from reco_plugin import clock, conf
from reco_plugin.pipeline import LiveRun, personal_vector
from reco_plugin.stores.base import History
from reco_plugin.types import EventKind, Floats, Key


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    history: History
    whole: bool
    """Nothing older is known of this shopper: `dismissed` and `bought` are complete."""
    has_vectors: bool = True
    """Does `history` tell a taste? Otherwise only what was done was read."""
    older: tuple[tuple[Key, EventKind], ...] = ()
    """What was bought lately or dismissed before the events of `history`."""

    def vector(self, run: LiveRun, now: dt.datetime) -> Floats | None:
        """(d,), or None when no event tells what the shopper likes."""
        return personal_vector(
            self.history, run.config, norm=run.norm, learnt_at=run.learnt_at, now=now
        )

    @cached_property
    def dismissed(self) -> frozenset[Key]:
        """What they do not want to see."""
        return self._of(EventKind.DISMISS_ITEM, None)

    @cached_property
    def bought(self) -> frozenset[Key]:
        """What was bought within RECO_EXCLUDE_PURCHASED_DAYS."""
        since = bought_since()
        return frozenset() if since is None else self._of(EventKind.PURCHASE, since)

    def _of(self, kind: EventKind, since: dt.datetime | None) -> frozenset[Key]:
        newer = (
            event.key
            for event in self.history.events
            if event.kind is kind and (since is None or event.occurred_at >= since)
        )
        return frozenset(newer).union(key for key, found in self.older if found is kind)


def bought_since() -> dt.datetime | None:
    """Purchases after this moment stay out; None when a purchase keeps nothing out."""
    days = conf.settings.EXCLUDE_PURCHASED_DAYS
    return clock.now() - dt.timedelta(days=days) if days > 0 else None
