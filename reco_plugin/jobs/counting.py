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
LOOKED, CARTED, BOUGHT = 1, 2, 4
"""Bits of what a shopper did about a product."""
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
    funnel = _funnel(counting)
    views = int(funnel.viewed.sum())
    if views < FEW_LOOKS:
        note = f"Only {views:,} views by distinct shoppers: send product_viewed from your product page."
        return counting.lists(np.zeros_like(funnel.viewed), notes=[*counting.window.notes, note])
    found = conversion(funnel)
    return counting.lists(
        found.scores, to_cart=round(found.to_cart, 5), to_purchase=round(found.to_purchase, 5)
    )


def _funnel(counting: Counting) -> Funnel:
    """Distinct shoppers of each step. Who looked counts also when they took it back: that counts against."""
    log, n_items = counting.log, max(1, len(counting.log.items))
    kept = counting.window.wanted
    did = np.where(np.isin(log.kind, LOOKS), LOOKED, 0).astype(np.uint8)
    did |= np.where(kept & np.isin(log.kind, CARTS), CARTED, 0).astype(np.uint8)
    did |= np.where(kept & (log.kind == EventKind.PURCHASE), BOUGHT, 0).astype(np.uint8)
    cells, did = _by_pair(log.cells()[did > 0], did[did > 0])
    looked = (did & LOOKED) > 0
    steps = [
        np.bincount(cells[looked & ((did & step) > 0)] % n_items, minlength=len(log.items))
        for step in (LOOKED, CARTED, BOUGHT)
    ]
    viewed, carted, bought = (step.astype(np.float32) for step in steps)
    return Funnel(viewed=viewed, carted=carted, bought=bought)


def _by_pair(
    cells: npt.NDArray[np.int64], did: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Each cell once, and all that was done in it."""
    if not len(cells):
        return cells, did
    order = np.argsort(cells, kind="stable")
    cells, did = cells[order], did[order]
    begins = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    return cells[begins], np.bitwise_or.reduceat(did, begins)
