"""Forgetting a shopper, and remembering only that they are to stay forgotten.

An erased identity leaves one row behind: a `VisitorLink` from its id to NOBODY. Late events of that
visitor go to NOBODY (and are swept), and an order placed before the erasure is not read back in.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence

from reco_plugin import clock, conf
from reco_plugin.capture.identity import shopper_id
from reco_plugin.models import VisitorLink
from reco_plugin.types import Key

NOBODY = uuid.UUID(int=0)


def mark(shoppers: Collection[uuid.UUID], site: int) -> None:
    """Leave a mark for each, or renew it: they are to be forgotten as of now."""
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
    mark([shopper_id(site, user) for user in users], site)


def erased_at(shoppers: Collection[uuid.UUID]) -> dict[uuid.UUID, dt.datetime]:
    """When those among `shoppers` that were erased were erased."""
    marks = VisitorLink.objects.using(conf.settings.DATABASE).filter(shopper=NOBODY)
    if not shoppers or not marks.exists():
        return {}
    rows = marks.filter(visitor__in=shoppers).values_list("visitor", "linked_at")
    return {visitor: clock.aware(moment) or moment for visitor, moment in rows}
