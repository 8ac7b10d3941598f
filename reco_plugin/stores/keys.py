"""The shop's product key on its way into and out of raw SQL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connections, models

from reco_plugin import conf
from reco_plugin.types import IdMap, Key

_PLAIN = frozenset(
    {models.AutoField, models.BigAutoField, models.IntegerField, models.BigIntegerField}
)
"""Fields that hand a whole number to the database as it is."""


def key_field() -> models.Field[Any, Any]:
    """The field behind the shop's primary key, parent links followed."""
    field: Any = apps.get_model(conf.product_model())._meta.pk
    while field.remote_field:
        field = field.target_field
    found: models.Field[Any, Any] = field
    return found


def reader(database: str) -> Callable[[Any], Key]:
    """A function from what a raw cursor gives to the key as Django models hold it."""
    connection = connections[database]
    field = key_field()
    column = field.get_col(field.model._meta.db_table)
    converters = [
        *connection.ops.get_db_converters(column),
        *field.get_db_converters(connection),
    ]
    if not converters:
        return lambda value: value

    def convert(value: Any) -> Key:
        for converter in converters:
            value = converter(value, column, connection)
        key: Key = value
        return key

    return convert


def to_database(database: str, key: Key) -> Any:
    """`key` as a query parameter; None when it cannot be a key of the shop's products."""
    return next(iter(all_to_database(database, (key,))), None)


def all_to_database(database: str, keys: Iterable[Key]) -> list[Any]:
    """Those of `keys` that can be keys of the shop's products, as query parameters."""
    field, connection = key_field(), connections[database]
    as_they_are = type(field) in _PLAIN
    found = []
    for key in keys:
        if as_they_are and type(key) is int:
            found.append(key)
            continue
        try:
            found.append(field.get_db_prep_value(key, connection))
        except (TypeError, ValueError, ValidationError):
            continue
    return found


def array(database: str, keys: Iterable[Key]) -> Any:
    """Those of `keys` that can be keys of the shop's products, as the parameter of PostgreSQL's
    `= ANY(%s)`.

    Whole numbers are an array in words, which takes psycopg far less time than a list; PostgreSQL
    reads it as the type of what it is compared with, so one that does not fit makes it a list.
    """
    found = all_to_database(database, keys)
    field = key_field()
    if not found or type(field) not in _PLAIN:
        return found
    low, high = connections[database].ops.integer_field_range(field.get_internal_type())
    fits = low <= min(found) and max(found) <= high
    return "{" + ",".join(map(str, found)) + "}" if fits else found


def to_json(keys: IdMap) -> list[Any]:
    """Keys as JSON can hold them: integers stay, UUIDs become 32 hex digits, the rest is text."""
    if keys.keys.dtype.kind == "V":
        raw = keys.keys.tobytes().hex()
        return [raw[at : at + 32] for at in range(0, len(raw), 32)]
    return keys.to_python()


def from_json(values: Iterable[Any], *, like: models.Field[Any, Any] | None = None) -> list[Key]:
    """The inverse of `to_json`, into the type the shop's key field has."""
    if isinstance(like or key_field(), models.UUIDField):
        return [uuid.UUID(hex=value) for value in values]
    return list(values)
