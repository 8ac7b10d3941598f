"""Put right what the shop changed behind our back: deleted products and users, late guest events."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models

from reco_plugin import backends, clock, conf
from reco_plugin.capture import drops
from reco_plugin.capture.erasure import NOBODY, erase
from reco_plugin.capture.identity import shopper_id
from reco_plugin.models import Click, Impression, Interaction, Item, VisitorLink

BATCH = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """How many rows were put right."""

    items: int
    """Items of products that are gone."""
    products: int
    """Interactions with products that are gone."""
    users: int
    """Users gone, with all they left."""
    erased: int
    """Interactions and impressions that came after an erasure."""
    merged: int
    """Guest events that came after their visitor had logged in."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep(site: int | None = None) -> SweepReport:
    """Remove what belongs to nobody and hand over what came late. Safe to break off and run again."""
    site = backends.site() if site is None else site
    users = _erase_users(site)
    erased = _erase_late(site)
    merged = _merge_late(site)
    items, products = _remove_products(site)
    drops.flush()
    return SweepReport(items=items, products=products, users=users, erased=erased, merged=merged)


def _remove_products(site: int) -> tuple[int, int]:
    """Items and interactions whose product is gone. (Events may come before their Item, not before
    their product.)"""
    using = conf.settings.DATABASE
    alive = (
        backends.catalog().model._base_manager.using(using).filter(pk=models.OuterRef("product"))
    )
    is_orphan = ~models.Exists(alive)
    items = Item.objects.using(using).filter(is_orphan, site=site).delete()[0]
    events = Interaction.objects.using(using).filter(site=site, product__isnull=False)
    return items, events.filter(is_orphan).delete()[0]


def _erase_users(site: int) -> int:
    """Users deleted without a signal (raw SQL), found by the key their events carry."""
    using = conf.settings.DATABASE
    alive = get_user_model()._base_manager.using(using).filter(pk=models.OuterRef("user"))
    gone = (
        Interaction.objects.using(using)
        .filter(site=site, user__isnull=False)
        .filter(~models.Exists(alive))
        .order_by()
        .values_list("user", flat=True)
        .distinct()
    )
    users = list(gone)
    for at in range(0, len(users), BATCH):
        erase([shopper_id(site, user) for user in users[at : at + BATCH]], site)
    return len(users)


def _erase_late(site: int) -> int:
    """What shoppers marked as erased left before the mark, and what came for nobody since."""
    links = VisitorLink.objects.using(conf.settings.DATABASE).filter(site=site)
    marks = links.filter(shopper=NOBODY)
    links.filter(shopper__in=marks.values("visitor")).update(shopper=NOBODY, linked_at=clock.now())
    return sum(_erase_rows(model, moment, marks) for model, moment in _MOMENTS)


def _erase_rows(model: type[models.Model], moment: str, marks: models.QuerySet[VisitorLink]) -> int:
    rows = model._default_manager.using(conf.settings.DATABASE)
    before = marks.filter(
        visitor=models.OuterRef("shopper"), linked_at__gte=models.OuterRef(moment)
    )
    marked = rows.filter(models.Exists(before), shopper__in=marks.values("visitor"))
    return rows.filter(shopper=NOBODY).delete()[0] + marked.delete()[0]


_MOMENTS: tuple[tuple[type[models.Model], str], ...] = (
    (Interaction, "received_at"),
    (Impression, "shown_at"),
    (Click, "clicked_at"),
)


def _merge_late(site: int) -> int:
    """Events written for a visitor while their login was being merged."""
    using = conf.settings.DATABASE
    links = VisitorLink.objects.using(using).filter(site=site).exclude(shopper=NOBODY)
    owner = links.filter(visitor=models.OuterRef("shopper")).values("shopper")[:1]
    late = Interaction.objects.using(using).filter(site=site, shopper__in=links.values("visitor"))
    return late.update(shopper=models.Subquery(owner))
