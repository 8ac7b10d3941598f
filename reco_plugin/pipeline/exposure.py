"""What a shopper has been shown lately, and what nobody has been shown yet."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import Count, Exists, OuterRef, QuerySet
from psycopg.sql import SQL, Identifier

from reco_plugin import clock, conf
from reco_plugin.models import Click, Impression
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung

MOST_IMPRESSIONS = 1_000
"""Newest impressions of a shopper that are looked at: a bound for those who never stop."""


def shown(
    shopper: uuid.UUID, keys: Collection[Key], using: str, *, now: dt.datetime | None = None
) -> Mapping[Key, int]:
    """How often `shopper` was shown each of `keys` in the last RECO_ROTATION_DAYS since they last
    clicked it; what was not shown is left out. One statement."""
    if not keys:
        return {}
    since = (now or clock.now()) - dt.timedelta(days=conf.settings.ROTATION_DAYS)
    if connections[using].vendor == "postgresql":
        return _counted_by_postgresql(shopper, keys, using, since)
    lately = Impression.objects.using(using).filter(shopper=shopper, shown_at__gte=since)
    newest = lately.order_by("-shown_at").values("pk")[:MOST_IMPRESSIONS]
    clicked = Click.objects.using(using).filter(
        shopper=shopper, product=OuterRef("product"), clicked_at__gte=OuterRef("shown_at")
    )
    wanted: set[Any] = set(keys)
    counted: QuerySet[Any] = Impression.objects.using(using).filter(
        ~Exists(clicked), pk__in=newest, product__in=wanted
    )
    rows = counted.order_by().values_list("product").annotate(times=Count("pk"))
    return {key: int(times) for key, times in rows}


def _counted_by_postgresql(
    shopper: uuid.UUID, keys: Collection[Key], using: str, since: dt.datetime
) -> Mapping[Key, int]:
    """One pass over the newest impressions, each key of them looked up among the clicks once."""
    wanted = shop_keys.array(using, keys)
    who = (str(shopper), since)
    with connections[using].cursor() as cursor:
        cursor.execute(_statement(), [*who, MOST_IMPRESSIONS, *who, wanted])
        rows = cursor.fetchall()
    to_key = shop_keys.reader(using)
    return {to_key(key): int(times) for key, times in rows}


_COUNTED = """
SELECT shown.product_id, count(*) FROM (
  SELECT product_id, shown_at FROM {impressions}
  WHERE shopper = %s::uuid AND shown_at >= %s ORDER BY shown_at DESC LIMIT %s
) shown LEFT JOIN (
  SELECT product_id, max(clicked_at) AS clicked_at FROM {clicks}
  WHERE shopper = %s::uuid AND clicked_at >= %s GROUP BY product_id
) clicked ON clicked.product_id = shown.product_id
WHERE shown.product_id = ANY(%s) AND (clicked.clicked_at < shown.shown_at) IS NOT FALSE
GROUP BY shown.product_id"""


@lru_cache(maxsize=1)
def _statement() -> str:
    tables = {"impressions": Impression, "clicks": Click}
    names = {name: Identifier(model._meta.db_table) for name, model in tables.items()}
    return SQL(_COUNTED).format(**names).as_string()


def fresh(newest: Sequence[Scored], *, rung: Rung = Rung.PERSONAL) -> list[Candidate]:
    """New products, as candidates that exploration may draw from."""
    return [
        Candidate(key=one.key, score=one.score, source="explore", rung=rung, reason="explore")
        for one in newest
    ]
