"""The rows behind a page's lists: each function is one statement for all that is asked."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db.models import Q

from reco_plugin import clock, conf
from reco_plugin.models import Interaction, Item, ManualLink, Neighbours, RankedList, Related
from reco_plugin.stores.base import PastEvent
from reco_plugin.types import EventKind, Key

Rows = Iterable[tuple[Any, ...]]
NEWEST = 500
"""New products that those of a category are picked from."""


def ranked(wanted: Sequence[tuple[int, str]], *, using: str) -> Rows:
    """(run, segment, keys, scores) for those pairs of run and segment that have a list."""
    by_run: dict[int, list[str]] = {}
    for run, segment in wanted:
        by_run.setdefault(run, []).append(segment)
    asked = Q()
    for run, segments in by_run.items():
        asked |= Q(run_id=run, segment__in=segments)
    rows = RankedList.objects.using(using).filter(asked)
    return rows.values_list("run_id", "segment", "keys", "scores")


def related(run: int, wanted: Sequence[tuple[str, Key]], *, using: str) -> Rows:
    """(relation, key, keys, scores, facts) of the behaviour run."""
    by_relation: dict[str, list[Any]] = {}
    for relation, key in wanted:
        by_relation.setdefault(relation, []).append(key)
    asked = Q()
    for relation, keys in by_relation.items():
        asked |= Q(product_id__in=keys, relation=relation)
    rows = Related.objects.using(using).filter(asked, run_id=run)
    return rows.values_list("relation", "product_id", "keys", "scores", "facts")


def linked(keys: Sequence[Key], *, site: int, using: str) -> Rows:
    """(key, linked key), in the merchandiser's order."""
    asked: Any = list(keys)
    rows = ManualLink.objects.using(using).filter(site=site, product_id__in=asked)
    return rows.order_by("product_id", "order", "pk").values_list("product_id", "target_id")


def neighbours(run: int, keys: Collection[Key], *, using: str) -> Rows:
    """(key, keys, scores) of those products whose neighbours were worked out ahead."""
    asked: Any = list(keys)
    rows = Neighbours.objects.using(using).filter(run_id=run, product_id__in=asked)
    return rows.values_list("product_id", "keys", "scores")


def newest(
    k: int, *, by_category: bool, site: int, using: str
) -> list[tuple[Key, dt.datetime, tuple[str, ...]]]:
    """(key, moment, category paths) of what became available within RECO_NEW_DAYS, newest first.

    `k` of them; `by_category`, as many as a category's may have to be picked from, NEWEST at most.
    """
    now = clock.now()
    items = Item.objects.using(using).filter(
        site=site,
        available_since__gt=now - dt.timedelta(days=conf.settings.NEW_DAYS),
        available_since__lte=now,
    )
    rows = items.order_by("-available_since", "pk").values_list(
        "pk", "available_since", "categories"
    )
    found = rows[: NEWEST if by_category else k]
    return [(key, clock.aware(at) or now, tuple(paths or ())) for key, at, paths in found if at]


def purchases(shopper: uuid.UUID, limit: int, *, site: int, using: str) -> tuple[PastEvent, ...]:
    """The newest `limit` purchases of a shopper."""
    rows = Interaction.objects.using(using).filter(
        site=site, shopper=shopper, kind=EventKind.PURCHASE, product__isnull=False
    )
    newest_first = rows.order_by("-occurred_at", "-pk").values_list("product_id", "occurred_at")
    return tuple(
        PastEvent(
            key=key,
            kind=EventKind.PURCHASE,
            occurred_at=clock.aware(at) or at,
            vector=None,
        )
        for key, at in newest_first[:limit]
    )
