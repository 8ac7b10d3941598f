"""What the last sync knows of products, read in one statement for a whole page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import QuerySet

from reco_plugin import clock
from reco_plugin.models import Item
from reco_plugin.types import ItemFacts, Key

_COLUMNS = ("pk", "brand", "categories", "price", "tags", "attributes", "available_since")


def read_facts(keys: Collection[Key], using: str) -> Mapping[Key, ItemFacts]:
    """Facts of those of `keys` that have been synced, in one statement; none for no keys."""
    wanted: set[Any] = set(keys)
    if not wanted:
        return {}
    items: QuerySet[Any] = Item.objects.using(using).filter(pk__in=wanted)
    rows = items.order_by().values_list(*_COLUMNS)
    return {
        key: ItemFacts(
            key=key,
            brand=brand,
            categories=tuple(categories or ()),
            price=price,
            tags=tuple(tags or ()),
            attributes=attributes or {},
            available_since=clock.aware(since),
        )
        for key, brand, categories, price, tags, attributes, since in rows
    }
