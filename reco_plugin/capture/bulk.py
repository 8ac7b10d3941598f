"""Many rows in one statement of sixteen parameters, on PostgreSQL: an array per column.

The driver looks through every placeholder of a long VALUES list; arrays spare it that, and an import of a
million order lines most of its time.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from django.db import connections, models

from reco_plugin.models import Interaction, VisitorLink

ROWS = 5_000
"""Rows of one statement."""
WORTH_IT = 20
"""Fewer rows than this are written as VALUES."""


def can_insert(using: str) -> bool:
    """Is this PostgreSQL, and is the product's key of a type whose text PostgreSQL reads back?"""
    plain = (models.IntegerField, models.UUIDField, models.CharField, models.TextField)
    keys = [_target(name) for name in ("product", "user")]
    is_plain = all(isinstance(key, plain) for key in keys)
    return connections[using].vendor == "postgresql" and is_plain


def insert(rows: Sequence[Sequence[Any]], columns: tuple[str, ...], using: str) -> int:
    """Insert `rows` (prepared values in the order of `columns`); returns how many were new."""
    arrays = [_array(column) for column in zip(*rows, strict=True)]
    with connections[using].cursor() as cursor:
        cursor.execute(_insert_sql(using, columns), arrays)
        return max(0, int(cursor.rowcount))


def known(ids: Collection[uuid.UUID], site: int, using: str) -> set[uuid.UUID]:
    """Those of `ids` that are written already."""
    if not ids:
        return set()
    if connections[using].vendor != "postgresql":
        rows = Interaction.objects.using(using).filter(site=site, event_id__in=ids)
        return set(rows.values_list("event_id", flat=True))
    table = connections[using].ops.quote_name(Interaction._meta.db_table)
    sql = f"SELECT event_id FROM {table} WHERE site = %s AND event_id = ANY(%s::uuid[])"  # noqa: S608
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [site, _array(ids)])
        return {row[0] for row in cursor.fetchall()}


def _array(values: Collection[Any]) -> str:
    """PostgreSQL's text form of an array."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=8)
def _insert_sql(using: str, columns: tuple[str, ...]) -> str:
    """As for one row: a guest's shopper is looked up among the visitors who became users."""
    quote = connections[using].ops.quote_name
    fields: dict[str, Any] = {name: Interaction._meta.get_field(name) for name in columns}
    names = {name: quote(field.column) for name, field in fields.items()}
    arrays = ", ".join(f"%s::{_type(name, using)}[]" for name in columns)
    values = [f"e.{column}" for column in names.values()]
    values[columns.index("shopper")] = f"COALESCE(link.shopper, e.{names['shopper']})"
    return (
        f"INSERT INTO {quote(Interaction._meta.db_table)} ({', '.join(names.values())}) "  # noqa: S608
        f"SELECT {', '.join(values)} FROM unnest({arrays}) AS e({', '.join(names.values())}) "
        f"LEFT JOIN {quote(VisitorLink._meta.db_table)} AS link ON link.visitor = e.{names['shopper']} "
        f"AND link.site = e.{names['site']} AND e.{names['user']} IS NULL "
        f"ON CONFLICT ({names['site']}, {names['event_id']}) DO NOTHING"
    )


def _type(name: str, using: str) -> str:
    """The element type of a column's array; text stays text, lest a cast cuts it silently."""
    field = _target(name)
    if isinstance(field, models.CharField | models.TextField):
        return "text"
    return str(field.rel_db_type(connections[using]))


def _target(name: str) -> Any:
    """The field of `name`, or what it refers to."""
    field: Any = Interaction._meta.get_field(name)
    while field.remote_field:
        field = field.target_field
    return field
