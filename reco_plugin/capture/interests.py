"""What shoppers say they like: brands and categories, declared by themselves, theirs to take back.

Kept for as long as the shopper is known: a guest's go with them to their account, and are erased with
them. Only with consent, and only so many.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Iterable
from functools import partial
from typing import TypeAlias

from django.db import models
from django.http import HttpRequest

from reco_plugin import backends, conf
from reco_plugin.bounded import savepoint
from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.erasure import NOBODY
from reco_plugin.capture.identity import identify
from reco_plugin.models import Interest, VisitorLink
from reco_plugin.types import Shopper

FACETS = ("category", "brand")
MOST = 20
"""Interests of one shopper; of more, the oldest go."""
MOST_LETTERS = 255
Liked: TypeAlias = tuple[str, str]
"""('category', path) or ('brand', name)."""
written_here = threading.Event()
"""Has this process written any? Then it need not be told by the database that there are some."""


def of(shopper: Shopper | None, site: int | None = None) -> tuple[Liked, ...]:
    """What a shopper said they like, newest first. One statement; none for a guest just met."""
    if shopper is None or shopper.is_new:
        return ()
    rows = _rows(shopper.id, backends.site() if site is None else site)
    return tuple(rows.order_by("-declared_at", "-pk").values_list("facet", "value")[:MOST])


def declare(request: HttpRequest, liked: Iterable[Liked]) -> bool:
    """Add to what the shopper of this request likes; False where nobody may be recognised."""
    return choose(request, liked, ())


def forget(request: HttpRequest, disliked: Iterable[Liked] | None = None) -> bool:
    """Take back some of it, or all."""
    shopper = identify(request)
    if shopper is None:
        return False
    gone = of(shopper, backends.site(request)) if disliked is None else disliked
    return choose(request, (), gone)


def choose(request: HttpRequest, liked: Iterable[Liked], offered: Iterable[Liked]) -> bool:
    """Set what the shopper likes among what was offered: `liked` stays or comes, the rest of `offered`
    goes, and what was not asked about stays.

    Written at once, within RECO_WRITE_TIMEOUT_MS, so that the next page knows it. False where the
    shopper may not be recognised: without consent, or where nothing can be kept. Never raises.
    """
    shopper = identify(request)
    if shopper is None:
        return False
    wanted = clean(liked)
    gone = set(clean(offered)).difference(wanted)
    if wanted or gone:
        site = backends.site(request)
        work = partial(_write, shopper.id, site, wanted, gone)
        attempt(work, site=site, size=len(wanted) + len(gone), name="interests")
    return True


def clean(given: Iterable[Liked]) -> list[Liked]:
    """What can be kept of it, each once, in order."""
    found = {(facet, " ".join(str(value).split())): None for facet, value in given}
    return [liked for liked in found if _can_be_kept(*liked)]


def move(visitor: uuid.UUID, shopper: uuid.UUID, site: int) -> int:
    """Give what `visitor` likes to `shopper`, who may like some of it already."""
    theirs = _rows(visitor, site)
    found = list(theirs)
    if not found:
        return 0
    copies = [
        Interest(
            site=site,
            shopper=shopper,
            facet=row.facet,
            value=row.value,
            declared_at=row.declared_at,
        )
        for row in found
    ]
    _all().bulk_create(copies, ignore_conflicts=True)
    return int(_all().filter(pk__in=[row.pk for row in found]).delete()[0])


def _write(shopper: uuid.UUID, site: int, wanted: list[Liked], gone: Collection[Liked]) -> None:
    with savepoint(conf.settings.DATABASE):
        owner = _owner(shopper, site)
        if owner == NOBODY:
            return
        mine = _rows(owner, site)
        for facet in FACETS:
            values = [value for found, value in gone if found == facet]
            if values:
                mine.filter(facet=facet, value__in=values).delete()
        new = [
            Interest(site=site, shopper=owner, facet=facet, value=value) for facet, value in wanted
        ]
        _all().bulk_create(new[:MOST], ignore_conflicts=True)
        written_here.set()
        surplus = mine.order_by("-declared_at", "-pk").values_list("pk", flat=True)[MOST:]
        if doomed := list(surplus):
            _all().filter(pk__in=doomed).delete()


def _owner(shopper: uuid.UUID, site: int) -> uuid.UUID:
    """Whom a visitor has turned out to be; NOBODY who is to stay forgotten."""
    links = VisitorLink.objects.using(conf.settings.DATABASE).filter(visitor=shopper, site=site)
    return links.values_list("shopper", flat=True).first() or shopper


def _can_be_kept(facet: str, value: str) -> bool:
    return facet in FACETS and 0 < len(value) <= MOST_LETTERS and value.isprintable()


def _rows(shopper: uuid.UUID, site: int) -> models.QuerySet[Interest]:
    return _all().filter(shopper=shopper, site=site)


def _all() -> models.QuerySet[Interest]:
    return Interest.objects.using(conf.settings.DATABASE).all()
