"""From the events of a window to the lists that are counted from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.datasets import EventLog
from reco_plugin.jobs import ranked, window
from reco_plugin.jobs.window import Window
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.conversion import Funnel, conversion
from reco_plugin.trainers.momentum import momentum
from reco_plugin.trainers.popularity import popularity
from reco_plugin.types import EventKind, Floats, Key

LOOKS = (EventKind.VIEW_ITEM, EventKind.SELECT_ITEM)
CARTS = (EventKind.ADD_TO_CART, EventKind.PURCHASE)
FEW_LOOKS = 100
"""With fewer pairs of shopper and viewed product, nothing is said of how well they sell."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Counting:
    """What the lists of one site are made of."""

    site: int
    now: dt.datetime
    window: Window

    @classmethod
    def read(cls, site: int, now: dt.datetime, progress: Progress | None = None) -> Self:
        """Read the log once."""
        days = conf.settings.POPULAR_DAYS
        return cls(site=site, now=now, window=window.read_window(site, days, now, progress))

    @property
    def log(self) -> EventLog:
        return self.window.log

    @cached_property
    def paths(self) -> Mapping[Key, set[str]]:
        """Every item's categories and what is above them."""
        return ranked.categories(self.site)

    @cached_property
    def kept(self) -> EventLog:
        """The events that show interest that lasted."""
        return self.log.select(self.window.wanted)

    def shoppers(self, chosen: npt.NDArray[np.bool_]) -> Floats:
        """(n_items,) distinct shoppers among the `kept` events that are chosen (n,)."""
        kept = self.kept
        return popularity(kept.shopper[chosen], kept.item[chosen], n_items=len(kept.items))

    def lists(self, scores: Floats, **told: Any) -> ranked.Lists:
        """Lists of items by `scores` (n_items,), in the shop and by category."""
        return ranked.Lists(
            listings=ranked.by_category(self.log.items, scores, self.paths, ranked.LENGTH),
            told={
                "events": self.window.events,
                "days": self.window.days,
                "items": int((scores > 0).sum()),
                "notes": list(self.window.notes),
                **told,
            },
        )


def trending(counting: Counting) -> ranked.Lists:
    """What more shoppers want than lately; see `trainers.momentum`."""
    kept, days = counting.kept, counting.window.days
    found = momentum(
        kept.shopper,
        kept.item,
        kept.at,
        n_items=len(kept.items),
        now=int(counting.now.timestamp() * 1_000_000),
        reach=days * 24 if days else None,
    )
    notes = [*counting.window.notes]
    if not found.baseline:
        notes.append("There is no event before the recent ones to compare them with.")
    return counting.lists(
        found.scores,
        hours=found.hours,
        recent=found.recent,
        baseline=found.baseline,
        notes=notes,
    )


def converting(counting: Counting) -> ranked.Lists:
    """What is bought by those who look; see `trainers.conversion`."""
    kept, views = counting.kept, _views(counting)
    looked = np.isin(kept.cells(), views)
    funnel = Funnel(
        viewed=_per_item(counting, views),
        carted=counting.shoppers(looked & np.isin(kept.kind, CARTS)),
        bought=counting.shoppers(looked & (kept.kind == EventKind.PURCHASE)),
    )
    if len(views) < FEW_LOOKS:
        note = f"Only {len(views):,} views by distinct shoppers: send product_viewed from your product page."
        return counting.lists(np.zeros_like(funnel.viewed), notes=[*counting.window.notes, note])
    found = conversion(funnel)
    return counting.lists(
        found.scores, to_cart=round(found.to_cart, 5), to_purchase=round(found.to_purchase, 5)
    )


def _views(counting: Counting) -> npt.NDArray[np.int64]:
    """Pairs of a shopper and a product they looked at, also when they took it back: that counts against."""
    log = counting.log
    return np.unique(log.cells()[np.isin(log.kind, LOOKS)])


def _per_item(counting: Counting, cells: npt.NDArray[np.int64]) -> Floats:
    n_items = len(counting.log.items)
    return np.bincount(cells % max(n_items, 1), minlength=n_items).astype(np.float32)
