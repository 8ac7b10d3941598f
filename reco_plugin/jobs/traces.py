"""The rows a shopper left, found by index and deleted a little at a time."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Min, Q, QuerySet

from reco_plugin import conf
from reco_plugin.jobs import deleting
from reco_plugin.jobs.totals import Rows
from reco_plugin.models import Click, Impression, Interaction, Interest, VisitorLink

_OTHERS: tuple[tuple[type[models.Model], str], ...] = (
    (Impression, "shown_at"),
    (Click, "clicked_at"),
    (Interest, "declared_at"),
)
"""Tables but for interactions that name a shopper, and since when."""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """How many rows there are, or were."""

    interactions: int = 0
    impressions: int = 0
    clicks: int = 0
    interests: int = 0

    def __add__(self, other: Traces) -> Traces:
        return Traces(
            interactions=self.interactions + other.interactions,
            impressions=self.impressions + other.impressions,
            clicks=self.clicks + other.clicks,
            interests=self.interests + other.interests,
        )

    @property
    def rows(self) -> int:
        return self.interactions + self.impressions + self.clicks + self.interests


def remove(shopper: uuid.UUID, sites: Collection[int], until: dt.datetime | None = None) -> Traces:
    """Delete what a shopper left, up to the moment `until` if given. Safe to break off."""
    found = [
        sum(deleting.in_batches(rows, moment, pause=0.0) for rows in some)
        for moment, some in _rows(shopper, sites, until)
    ]
    return _traces(found)


def count(shopper: uuid.UUID, sites: Collection[int]) -> Traces:
    """How many rows `remove` would delete."""
    found = [sum(rows.count() for rows in some) for _, some in _rows(shopper, sites, None)]
    return _traces(found)


def _traces(found: list[int]) -> Traces:
    interactions, impressions, clicks, interests = found
    return Traces(
        interactions=interactions, impressions=impressions, clicks=clicks, interests=interests
    )


def _rows(
    shopper: uuid.UUID, sites: Collection[int], until: dt.datetime | None
) -> Iterator[tuple[str, list[Rows]]]:
    """Per table its moment, and the rows: for interactions by site, as their index has them."""
    using = conf.settings.DATABASE
    events = Interaction.objects.using(using).filter(shopper=shopper)
    if until is not None:  # what happened before it may have been written after it
        events = events.filter(Q(received_at__lte=until) | Q(occurred_at__lte=until))
    yield "occurred_at", [events.filter(site=site) for site in sites]
    for model, moment in _OTHERS:
        rows: QuerySet[Any, Any] = model._default_manager.using(using).filter(shopper=shopper)
        yield moment, [rows if until is None else rows.filter(**{f"{moment}__lte": until})]


def sites(own: int) -> list[int]:
    """The sites that have events, and `own`; one step of the index for each."""
    events = Interaction.objects.using(conf.settings.DATABASE)
    found, last = {own}, -1
    while (last := events.filter(site__gt=last).aggregate(next=Min("site"))["next"]) is not None:
        found.add(last)
    return sorted(found)


def identities(shoppers: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """These, and the visitors who turned out to be them."""
    links = VisitorLink.objects.using(conf.settings.DATABASE).filter(shopper__in=shoppers)
    return sorted({*shoppers, *links.values_list("visitor", flat=True)}, key=lambda one: one.int)
