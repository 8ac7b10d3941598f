"""What a shopper's events tell: what was looked at, put in the cart, bought, turned down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from reco_plugin.retrieval.base import Query
from reco_plugin.stores.base import PastEvent
from reco_plugin.types import EventKind, Key

LOOKED = frozenset({EventKind.VIEW_ITEM, EventKind.SELECT_ITEM})
WANTED = LOOKED | {EventKind.ADD_TO_CART, EventKind.ADD_TO_WISHLIST, EventKind.PURCHASE}
"""Kinds that speak for a product."""
TURNED_DOWN = frozenset({EventKind.DISMISS_ITEM, EventKind.REFUND})

CART_ANCHORS = 20
"""Cart lines, the newest, that are looked up: what a shopper came for last tells most."""
AFTER_ORDER = dt.timedelta(hours=12)
"""For so long an order stands in for the cart it emptied."""


def of_kind(events: Iterable[PastEvent], kinds: Collection[EventKind]) -> list[PastEvent]:
    """Those of `kinds`, in the order given."""
    return [event for event in events if event.kind in kinds]


def turned_down(events: Iterable[PastEvent]) -> frozenset[Key]:
    """Products whose last word was a refund or 'not for me'."""
    last: dict[Key, EventKind] = {}
    for event in events:
        if event.kind in TURNED_DOWN or event.kind in WANTED:
            last.setdefault(event.key, event.kind)
    return frozenset(key for key, kind in last.items() if kind in TURNED_DOWN)


def recent(
    events: Sequence[PastEvent],
    kinds: Collection[EventKind] = WANTED,
    *,
    without: Collection[Key] = (),
    most: int | None = None,
) -> tuple[Key, ...]:
    """Products of `kinds`, newest first, each once, but those turned down and `without`."""
    left_out = turned_down(events).union(without)
    keys = dict.fromkeys(event.key for event in of_kind(events, kinds))
    return tuple(key for key in keys if key not in left_out)[:most]


def purchases(query: Query) -> tuple[PastEvent, ...]:
    """What was bought and kept, newest first, as far back as the query knows."""
    bought = query.bought or of_kind(query.events, {EventKind.PURCHASE})
    left_out = turned_down(query.events)
    return tuple(event for event in bought if event.key not in left_out)


def basket(query: Query) -> tuple[Key, ...]:
    """What something is to go with: the page's product, else the cart, else the order just made."""
    if query.anchors:
        return query.anchors
    if query.cart:
        return tuple(dict.fromkeys(query.cart))[:CART_ANCHORS]
    return _just_ordered(query)[:CART_ANCHORS]


def _just_ordered(query: Query) -> tuple[Key, ...]:
    bought = of_kind(query.events, {EventKind.PURCHASE})
    if not bought or query.now is None or query.now - bought[0].occurred_at > AFTER_ORDER:
        return ()
    since = bought[0].occurred_at - AFTER_ORDER
    return tuple(dict.fromkeys(event.key for event in bought if event.occurred_at >= since))
