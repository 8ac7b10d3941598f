"""Forgetting a shopper, and remembering only that they are to stay forgotten.

An erased identity leaves one row behind: a `VisitorLink` from its id to NOBODY. Late events of that
visitor go to NOBODY (and are swept), and an order placed before the erasure is not read back in.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import models, transaction

from reco_plugin import clock, conf
from reco_plugin.capture.identity import shopper_id
from reco_plugin.models import Click, Impression, Interaction, VisitorLink
from reco_plugin.types import Key

NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """How many rows an erasure removed (or would remove)."""

    interactions: int = 0
    impressions: int = 0
    clicks: int = 0
    links: int = 0


def erase(shoppers: Collection[uuid.UUID], site: int, *, dry_run: bool = False) -> Erased:
    """Remove every trace of these identities and of the visitor ids linked to them, in one transaction."""
    using = conf.settings.DATABASE
    with transaction.atomic(using=using):
        links = VisitorLink.objects.using(using)
        visitors = links.filter(shopper__in=shoppers).values_list("visitor", flat=True)
        everyone = {*shoppers, *visitors} - {NOBODY}
        found = [
            Interaction.objects.using(using).filter(shopper__in=everyone),
            Impression.objects.using(using).filter(shopper__in=everyone),
            Click.objects.using(using).filter(shopper__in=everyone),
            links.filter(visitor__in=everyone).exclude(shopper=NOBODY),
        ]
        counts = [_remove(rows, dry_run) for rows in found]
        if not dry_run:
            _mark(everyone, site)
    return Erased(interactions=counts[0], impressions=counts[1], clicks=counts[2], links=counts[3])


def _remove(rows: models.QuerySet[models.Model], dry_run: bool) -> int:
    return rows.count() if dry_run else rows.delete()[0]


def _mark(shoppers: Collection[uuid.UUID], site: int) -> None:
    """Leave a mark for each, or renew it."""
    links = VisitorLink.objects.using(conf.settings.DATABASE)
    links.bulk_create(
        [
            VisitorLink(visitor=each, site=site, shopper=NOBODY, linked_at=clock.now())
            for each in shoppers
        ],
        update_conflicts=True,
        unique_fields=["visitor", "site"],
        update_fields=["shopper", "linked_at"],
    )


def mark_users(users: Sequence[Key], site: int) -> None:
    """Note that these users are gone: the sweep erases what they left."""
    _mark([shopper_id(site, user) for user in users], site)


def erased_at(shoppers: Collection[uuid.UUID]) -> dict[uuid.UUID, dt.datetime]:
    """When those among `shoppers` that were erased were erased."""
    marks = VisitorLink.objects.using(conf.settings.DATABASE).filter(shopper=NOBODY)
    if not shoppers or not marks.exists():
        return {}
    rows = marks.filter(visitor__in=shoppers).values_list("visitor", "linked_at")
    return {visitor: clock.aware(moment) or moment for visitor, moment in rows}
