"""What is rarely shown: how many people saw each product, in lists or on its page."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
from django.db.models import Count

from reco_plugin import conf
from reco_plugin.jobs.counting import Counting
from reco_plugin.jobs.ranked import Lists
from reco_plugin.models import Impression, Item
from reco_plugin.trainers.tail import tail
from reco_plugin.types import EventKind, Floats, IdMap

LIKES = (
    EventKind.ADD_TO_CART,
    EventKind.PURCHASE,
    EventKind.ADD_TO_WISHLIST,
    EventKind.RATE_ITEM,
)
SHOWN_DAYS = 7
"""Impressions are many; a week of them tells what is shown."""


def seldom(counting: Counting) -> Lists:
    """Rarely seen products that somebody liked, or that are new; see `trainers.tail`."""
    kept, items = counting.kept, counting.log.items
    met = counting.shoppers(np.ones(len(kept), bool))
    shown = shown_to(counting.site, counting.now - dt.timedelta(days=SHOWN_DAYS), items)
    fresh = _fresh(counting.site, counting.now, items)
    scores = tail(met + shown, counting.shoppers(np.isin(kept.kind, LIKES)), fresh)
    return counting.lists(scores, shown=int(shown.sum()), new=int(fresh.sum()))


def shown_to(site: int, since: dt.datetime, items: IdMap) -> Floats:
    """(n_items,) distinct shoppers each item was shown to; showings to nobody in particular count as one."""
    rows = Impression.objects.using(conf.settings.DATABASE).filter(site=site, shown_at__gte=since)
    people = Count("shopper", distinct=True)
    found = np.zeros(len(items), np.float32)
    counted = rows.order_by().values_list("product_id").annotate(people=people)
    for key, count in counted.iterator(chunk_size=10_000):
        row = items.row(key)
        if row is not None:
            found[row] = max(count, 1)
    return found


def _fresh(site: int, now: dt.datetime, items: IdMap) -> npt.NDArray[np.bool_]:
    """(n_items,) which became available within RECO_NEW_DAYS."""
    since = now - dt.timedelta(days=conf.settings.NEW_DAYS)
    rows = Item.objects.using(conf.settings.DATABASE).filter(
        site=site, available_since__gte=since, available_since__lte=now
    )
    found = np.zeros(len(items), np.bool_)
    places = [items.row(key) for key in rows.values_list("pk", flat=True).iterator(10_000)]
    found[[place for place in places if place is not None]] = True
    return found
