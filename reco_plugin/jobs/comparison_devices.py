"""The class of device behind each request of a comparison, as events recorded it."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

import numpy as np

from reco_plugin import clock, conf
from reco_plugin.jobs.comparison_log import Asked, Shop
from reco_plugin.models import Interaction

BY = "device"
BATCH = 1_000
UNKNOWN = (
    f"Not sliced by {BY}: no event of these shoppers says what it came from. Events that browsers send do; "
    "imported ones and orders read later do not."
)
_Held: TypeAlias = list[tuple[int, str]]
"""(µs since 1970 UTC, device), oldest first."""


def devices(shop: Shop, asked: Asked) -> list[str]:
    """What each request was made from: the device of the shopper's newest event by then, else of the first after
    it; '' where none tells."""
    keys = [shop.log.shoppers.key(int(row)) for row in asked.owner]
    now = asked.fold.requests.now
    moments = [np.iinfo(np.int64).max] * len(keys) if now is None else now.tolist()
    rows: dict[object, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    found = [""] * len(keys)
    for key, held in _held(shop.site, sorted(key for key in rows if isinstance(key, uuid.UUID))):
        for row in rows[key]:
            found[row] = _at(held, moments[row])
    return found


def _at(held: _Held, moment: int) -> str:
    return held[max(0, bisect_right(held, moment, key=itemgetter(0)) - 1)][1]


def _held(site: int, shoppers: Sequence[uuid.UUID]) -> Iterator[tuple[uuid.UUID, _Held]]:
    """Of each shopper of whom an event tells it."""
    known = Interaction.objects.using(conf.settings.DATABASE).filter(site=site).exclude(device="")
    for start in range(0, len(shoppers), BATCH):
        some = known.filter(shopper__in=shoppers[start : start + BATCH]).order_by("occurred_at")
        found: dict[uuid.UUID, _Held] = defaultdict(list)
        for shopper, at, device in some.values_list("shopper", "occurred_at", "device").iterator():
            if (moment := clock.aware(at)) is not None:
                found[shopper].append((int(moment.timestamp() * 1_000_000), device))
        yield from found.items()
