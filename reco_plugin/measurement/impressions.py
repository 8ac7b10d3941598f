"""What was shown to people, appended in one INSERT per page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from reco_plugin import conf
from reco_plugin.models import Impression
from reco_plugin.types import Slate


def was_recorded(*slates: Slate) -> bool:
    """Are the impressions of any of these slates, which are written together, written already?"""
    table = Impression.objects.using(conf.settings.DATABASE)
    return table.filter(slate__in=[slate.id for slate in slates]).exists()


def record_impressions(*slates: Slate) -> int:
    """Append one impression per item, in one INSERT; returns how many. Raises database errors."""
    rows = [row for slate in slates for row in _rows(slate)]
    if rows:
        using = conf.settings.DATABASE
        with transaction.atomic(using=using):  # a savepoint, where the shop's transaction is open
            Impression.objects.using(using).bulk_create(rows)
    return len(rows)


def _rows(slate: Slate) -> Sequence[Impression]:
    placement = slate.placement[: Impression._meta.get_field("placement").max_length]
    table: type[Any] = Impression
    return [
        table(
            site=slate.site,
            slate=slate.id,
            placement=placement,
            product_id=item.key,
            position=item.position,
            source=item.source,
            rung=item.rung.value,
            run=item.run,
            probability=item.probability,
            shopper=slate.shopper,
        )
        for item in slate.items
    ]
