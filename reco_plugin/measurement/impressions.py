"""What was shown to people, appended in one INSERT per slate."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from reco_plugin import conf
from reco_plugin.models import Impression
from reco_plugin.types import Slate


def was_recorded(slate: Slate) -> bool:
    """Are the impressions of this slate written already?"""
    return Impression.objects.using(conf.settings.DATABASE).filter(slate=slate.id).exists()


def record_impressions(slate: Slate) -> int:
    """Append one impression per item, in one INSERT; returns how many. Raises database errors."""
    placement = slate.placement[: Impression._meta.get_field("placement").max_length]
    table: type[Any] = Impression
    rows = [
        table(
            site=slate.site,
            slate=slate.id,
            placement=placement,
            product_id=item.key,
            position=item.position,
            source=item.source,
            rung=item.rung.value,
            run=item.run,
            shopper=slate.shopper,
        )
        for item in slate.items
    ]
    if rows:
        using = conf.settings.DATABASE
        with transaction.atomic(using=using):  # a savepoint, where the shop's transaction is open
            Impression.objects.using(using).bulk_create(rows)
    return len(rows)
