"""What the last sync knows of products, read in one statement for a whole page."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from psycopg.sql import SQL, Identifier

from reco_plugin.models import Item
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import ItemFacts, Key

_COLUMNS = ("pk", "brand", "price", "categories", "tags", "attributes")
_Row = tuple[Key, str, float | None, tuple[str, ...], tuple[str, ...], Mapping[str, str]]


def read_facts(keys: Collection[Key], using: str) -> Mapping[Key, ItemFacts]:
    """Facts of those of `keys` that have been synced, in one statement; none for no keys."""
    wanted: set[Any] = set(keys)
    if not wanted:
        return {}
    if connections[using].vendor == "postgresql":
        return _made(_rows_of_postgresql(wanted, using))
    items: QuerySet[Any] = Item.objects.using(using).filter(pk__in=wanted)
    rows = items.order_by().values_list(*_COLUMNS)
    return _made(
        (*row, tuple(categories or ()), tuple(tags or ()), attributes or {})
        for *row, categories, tags, attributes in rows
    )


def _rows_of_postgresql(keys: Iterable[Any], using: str) -> Iterable[_Row]:
    """Django would parse the JSON of each row; few lists of categories differ, and each is parsed once."""
    values = shop_keys.array(using, keys)
    with connections[using].cursor() as cursor:
        cursor.execute(_statement(), [values])
        rows = cursor.fetchall()
    to_key = shop_keys.reader(using)
    for key, brand, price, categories, tags, attributes in rows:
        yield to_key(key), brand, price, _listed(categories), _listed(tags), _mapped(attributes)


def _made(rows: Iterable[_Row]) -> dict[Key, ItemFacts]:
    return {
        key: ItemFacts(
            key=key,
            brand=brand,
            categories=categories,
            price=price,
            tags=tags,
            attributes=attributes,
        )
        for key, brand, price, categories, tags, attributes in rows
    }


@lru_cache(maxsize=1)
def _statement() -> str:
    template = SQL(
        "SELECT product_id, brand, price, "
        "categories::text, tags::text, attributes::text FROM {} WHERE product_id = ANY(%s)"
    )
    return template.format(Identifier(Item._meta.db_table)).as_string()


@lru_cache(maxsize=4096)
def _listed(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text) or ())


@lru_cache(maxsize=4096)
def _mapped(text: str) -> Mapping[str, str]:
    """Shared by all products that have just these attributes; nobody writes into facts."""
    found: Mapping[str, str] = json.loads(text) or {}
    return found
