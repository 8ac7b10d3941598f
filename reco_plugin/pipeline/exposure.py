"""What a shopper has been shown lately, and what nobody has been shown yet."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from reco_plugin import clock, conf
from reco_plugin.models import Click, Impression
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung

MOST_IMPRESSIONS = 1_000
"""Newest impressions of a shopper that are looked at: a bound for those who never stop."""


def shown(
    shopper: uuid.UUID, keys: Collection[Key], using: str, *, now: dt.datetime | None = None
) -> Mapping[Key, int]:
    """How often `shopper` was shown each of `keys` in the last RECO_ROTATION_DAYS since they last
    clicked it; what was not shown is left out. One statement."""
    wanted: set[Any] = set(keys)
    if not wanted:
        return {}
    since = (now or clock.now()) - dt.timedelta(days=conf.settings.ROTATION_DAYS)
    lately = Impression.objects.using(using).filter(shopper=shopper, shown_at__gte=since)
    newest = lately.order_by("-shown_at").values("pk")[:MOST_IMPRESSIONS]
    clicked = Click.objects.using(using).filter(
        shopper=shopper, product=OuterRef("product"), clicked_at__gte=OuterRef("shown_at")
    )
    counted: QuerySet[Any] = Impression.objects.using(using).filter(
        ~Exists(clicked), pk__in=newest, product__in=wanted
    )
    rows = counted.order_by().values_list("product").annotate(times=Count("pk"))
    return {key: int(times) for key, times in rows}


def fresh(newest: Sequence[Scored], *, rung: Rung = Rung.PERSONAL) -> list[Candidate]:
    """New products, as candidates that exploration may draw from."""
    return [
        Candidate(key=one.key, score=one.score, source="explore", rung=rung, reason="explore")
        for one in newest
    ]
