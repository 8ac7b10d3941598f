"""The relations between products that shoppers' behaviour tells of, and how each is counted and ranked.

The figures behind the choices: cart completion and new products of the next basket on Online Retail II, the next
product of a visit on Diginetica.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers.around import around
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.following import Reach, following, trail
from reco_plugin.trainers.lately import lately
from reco_plugin.trainers.occasions import Occasions, occasions, visit_numbers
from reco_plugin.trainers.pairs import Config, Pairs
from reco_plugin.trainers.together import together
from reco_plugin.types import Ints

TEMPER = {
    "bought_together": 0.25,
    "viewed_viewed": 0.1,
    "viewed_bought": 0.25,
    "bought_bought": 0.25,
}
"""How far popularity counts against a product, by relation. Of carts, recall@10 is .345 at a quarter (the geometric
mean of confidence and cosine), .336 by confidence alone, .334 by cosine."""
BACKWARD = 0.3
"""What was looked at before counts as well, for less: hit rate@20 .287 rather than .203, since more pairs then have
the shoppers they need."""
VIEWED_BOUGHT = Reach(steps=50, flat=True)
BOUGHT = Reach(steps=10, flat=True)
"""Baskets, the tenth as telling as the next. What follows weeks later depends on the season as well
(`trainers.lately`): at six moments of Online Retail II, from the half year before and asked about the four weeks
after, NDCG@10 of what is new in the next basket is .076 from all of the last and .056 from one product of it;
.065 and .040 without the season; what is popular has .052 and .046. (What is bought together gains nothing by
the season, .075 of single products, and carts lose by it, .155 rather than .180: the cart itself tells it.)"""
LONGEST = 50
"""Different products of a visit that are followed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Views and the purchases that stood, (m,) each, in any order."""

    shopper: Ints
    item: Ints
    at: npt.NDArray[np.int64]
    """Microseconds of the Unix epoch, UTC."""
    bought: npt.NDArray[np.bool_]
    n_items: int

    def __len__(self) -> int:
        return len(self.item)

    def select(self, chosen: npt.NDArray[Any]) -> Events:
        """Those at `chosen` (a mask or places)."""
        names = ("shopper", "item", "at", "bought")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def baskets(self) -> Occasions:
        """What a shopper bought on one visit. (Two orders within half an hour are one basket.)"""
        kept = self.select(self.bought)
        number = visit_numbers(kept.shopper, kept.at)
        return occasions(kept.shopper, kept.item, number, n_items=self.n_items)


def count(events: Events, progress: Progress | None = None) -> dict[str, Pairs]:
    """The counts of every relation, by name."""
    return {
        "bought_together": together(events.baskets(), progress=progress),
        "viewed_viewed": _viewed_viewed(events, progress),
        "viewed_bought": _viewed_bought(events, progress),
        "bought_bought": _bought_bought(events, progress),
    }


def _viewed_viewed(events: Events, progress: Progress | None) -> Pairs:
    viewed = events.select(~events.bought)
    visit = visit_numbers(viewed.shopper, viewed.at)
    steps = trail(
        visit,
        viewed.item,
        viewed.at,
        viewed.shopper,
        n_items=events.n_items,
        longest=LONGEST,
    )
    return around(steps, backward=BACKWARD, progress=progress)


def _viewed_bought(events: Events, progress: Progress | None) -> Pairs:
    visit = visit_numbers(events.shopper, events.at)
    met = np.zeros(int(visit.max(initial=-1)) + 1, np.bool_)
    met[visit[events.bought]] = True
    ended, visit = events.select(met[visit]), visit[met[visit]]
    steps = trail(
        visit,
        ended.item,
        ended.at,
        ended.shopper,
        n_items=events.n_items,
        longest=LONGEST,
        bought=ended.bought,
    )
    return following(steps, VIEWED_BOUGHT, progress=progress)


def _bought_bought(events: Events, progress: Progress | None) -> Pairs:
    kept = events.select(events.bought)
    steps = trail(
        kept.shopper,
        kept.item,
        kept.at,
        kept.shopper,
        n_items=events.n_items,
        occasion=visit_numbers(kept.shopper, kept.at),
    )
    pairs = following(steps, BOUGHT, progress=progress)
    season = lately(kept.shopper, kept.item, kept.at, n_items=events.n_items)
    return replace(pairs, totals=replace(pairs.totals, lately=season))


def configs(wanted: Mapping[str, Any]) -> dict[str, Config]:
    """How the lists of each relation are made; `wanted` are fields of Config that hold for all."""
    return {relation: Config(temper=temper, **wanted) for relation, temper in TEMPER.items()}
