"""What happens in one request: slates, events, and what was dropped. Plain values, JSON-able."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from reco_plugin import signals
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.contrib.listening import Receivers
from reco_plugin.types import Slate, SlateItem

_current: ContextVar[Watched | None] = ContextVar("reco_watched", default=None)


@dataclass(slots=True)
class Watched:
    """The values a panel shows."""

    slates: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def milliseconds(self) -> float:
        return sum(float(slate["milliseconds"]) for slate in self.slates)

    def as_json(self) -> dict[str, Any]:
        return {
            "slates": self.slates,
            "dropped": dict(self.dropped),
            "milliseconds": round(self.milliseconds, 2),
        }


class Watch:
    """Begin and end to watch, in the same thread or task."""

    def __init__(self) -> None:
        self.watched = Watched()
        self._token: Token[Watched | None] | None = None

    def begin(self) -> None:
        if self._token is None:
            self._token = _current.set(self.watched)

    def end(self) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None


def events_of(request: HttpRequest) -> list[dict[str, Any]]:
    """Events of the request that are written once its response is out."""
    return [
        {
            "kind": event.kind.ga4,
            "product": "" if event.product is None else str(event.product),
            "quantity": event.quantity,
            "source": event.source.name.lower(),
        }
        for event in state_of(request).events
    ]


def on_slate_served(slate: Slate, seconds: float, **_: Any) -> None:
    watched = _current.get()
    if watched is not None:
        watched.slates.append(_slate(slate, seconds))


def on_dropped(reason: str, count: int, **_: Any) -> None:
    watched = _current.get()
    if watched is not None:
        watched.dropped[reason] += count


RECEIVERS: Receivers = (
    (signals.slate_served, on_slate_served),
    (signals.events_dropped, on_dropped),
)


def _slate(slate: Slate, seconds: float) -> dict[str, Any]:
    return {
        "placement": slate.placement,
        "kind": slate.kind,
        "rung": str(slate.rung),
        "run": slate.run,
        "milliseconds": round(1_000 * seconds, 2),
        "rungs": [
            {"name": str(name), "milliseconds": round(spent, 2)}
            for name, spent in slate.timings.items()
        ],
        "notes": list(slate.notes),
        "tiles": [_item(item) for item in slate.items],
    }


def _item(item: SlateItem) -> dict[str, Any]:
    return {
        "position": item.position,
        "product": str(item.product),
        "key": str(item.key),
        "score": round(item.score, 4),
        "source": item.source,
        "rung": str(item.rung),
        "run": item.run,
        "reason": item.reason,
    }
