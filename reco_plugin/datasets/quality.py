"""What the data is like, in numbers for the run and in plain words for a person."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.datasets.log import DAY, EventLog
from reco_plugin.datasets.weights import Weighed
from reco_plugin.types import EventKind

WHY = {
    "orphan": "of a product that is not in the catalogue (deleted, or not synced yet)",
    "sensitive": "of a product in a sensitive category",
    "future": "dated in the future (a clock is wrong)",
    "ancient": "dated before 1995 (a clock is wrong)",
    "duplicate": "the same in every part as another event",
}
LONG_GAP = 7
DOMINANT_SHOPPER = 0.05
DOMINANT_ITEM = 0.25
NOTABLE = 0.01


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """Counts, and what they mean."""

    read: int
    """Events with a product, within the window."""
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    shoppers: int = 0
    shoppers_with_two: int = 0
    """Shoppers with two or more events."""
    items: int = 0
    items_with_events: int = 0
    interactions: int = 0
    """Pairs of a shopper and an item with a positive weight."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    first: str = ""
    """Day of the oldest event, ISO; '' without events."""
    last: str = ""
    empty_days: int = 0
    """Days without any event between the first and the last."""
    longest_gap: int = 0
    top_shopper_share: float = 0.0
    """Share of the events by the busiest shopper."""
    top_item_share: float = 0.0
    capped_share: float = 0.0
    """Share of the weight that the daily cap took away."""
    refunded: int = 0
    stray_refunds: int = 0
    above_cap: tuple[str, ...] = ()
    """Kinds of event whose own weight the daily cap cuts."""
    too_little: tuple[str, ...] = ()
    """What is missing before a personal run is worth training; empty when nothing is."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with `lines` in plain words."""
        found = dataclasses.asdict(self)
        lists = {name: list(getattr(self, name)) for name in ("above_cap", "too_little")}
        return {**found, **lists, "lines": self.lines()}

    def lines(self) -> list[str]:
        """What was read, what was dropped and why, and what to look at."""
        return [self._summary(), *self._drops(), *self._remarks(), *self.too_little]

    def _summary(self) -> str:
        if not self.kept:
            return (
                f"None of {self.read:,} events can be learnt from." if self.read else "No events."
            )
        return (
            f"{self.kept:,} of {self.read:,} events from {self.first} to {self.last}: "
            f"{self.shoppers:,} shoppers, {self.items_with_events:,} of {self.items:,} products."
        )

    def _drops(self) -> list[str]:
        return [
            f"Dropped {count:,} events {WHY.get(reason, f'({reason})')}."
            for reason, count in self.dropped.items()
            if count
        ]

    def _remarks(self) -> list[str]:
        remarks = {
            f"{self.empty_days:,} days without any event, {self.longest_gap:,} of them in a row: "
            "was capture off?": self.longest_gap >= LONG_GAP,
            f"One shopper made {self.top_shopper_share:.0%} of the events: a robot, or one id for "
            "many people?": self.top_shopper_share >= DOMINANT_SHOPPER and self.shoppers > 1,
            f"One product has {self.top_item_share:.0%} of the events.": (
                self.top_item_share >= DOMINANT_ITEM and self.items_with_events > 1
            ),
            f"The daily cap took away {self.capped_share:.0%} of the weight.": (
                self.capped_share >= NOTABLE
            ),
            f"The daily cap cuts even a single {', '.join(self.above_cap)}: raise RECO_DAILY_CAP to "
            "let it count in full.": bool(self.above_cap),
            f"{self.stray_refunds:,} refunds of products their shopper did not buy in this window "
            "were ignored.": self.stray_refunds > 0,
        }
        return [text for text, holds in remarks.items() if holds]


def report(log: EventLog, weighed: Weighed) -> QualityReport:
    """Look at a log and at the matrix made of it."""
    per_shopper = np.bincount(log.shopper, minlength=1)
    per_item = np.bincount(log.item, minlength=1)
    with_two = int(np.count_nonzero(per_shopper >= 2))
    return QualityReport(
        read=log.read or len(log),
        kept=len(log),
        dropped=dict(log.dropped),
        shoppers=int(np.count_nonzero(per_shopper)),
        shoppers_with_two=with_two,
        items=len(log.items),
        items_with_events=int(np.count_nonzero(per_item)),
        interactions=int(weighed.matrix.nnz),
        kinds=_kinds(log),
        top_shopper_share=_share(per_shopper, len(log)),
        top_item_share=_share(per_item, len(log)),
        capped_share=weighed.capped_share,
        refunded=weighed.refunded,
        stray_refunds=weighed.stray_refunds,
        above_cap=weighed.above_cap,
        too_little=_too_little(len(log), with_two, len(log.items)),
        **_days(log),
    )


def _share(counts: npt.NDArray[np.int64], total: int) -> float:
    return float(counts.max()) / total if total else 0.0


def _kinds(log: EventLog) -> dict[str, int]:
    counts = np.bincount(log.kind, minlength=max(EventKind) + 1)
    return {kind.ga4: int(counts[kind]) for kind in EventKind if counts[kind]}


def _days(log: EventLog) -> dict[str, Any]:
    if not len(log):
        return {}
    first, last = int(log.at.min()) // DAY, int(log.at.max()) // DAY
    days = np.unique((log.at // DAY - first).astype(np.int32))
    gaps = np.diff(days) - 1
    return {
        "first": _iso(first),
        "last": _iso(last),
        "empty_days": int(gaps.sum()),
        "longest_gap": int(gaps.max(initial=0)),
    }


def _iso(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()


def _too_little(events: int, shoppers: int, items: int) -> tuple[str, ...]:
    needed = {
        f"{events:,} usable events; a personal run needs {conf.settings.MIN_INTERACTIONS:,} "
        "(RECO_MIN_INTERACTIONS).": events < conf.settings.MIN_INTERACTIONS,
        f"{shoppers:,} shoppers with two or more events; a personal run needs "
        f"{conf.settings.MIN_SHOPPERS:,} (RECO_MIN_SHOPPERS).": (
            shoppers < conf.settings.MIN_SHOPPERS
        ),
        "No products are known: run `manage.py reco_sync_items` first.": items == 0,
    }
    return tuple(text for text, short in needed.items() if short)
