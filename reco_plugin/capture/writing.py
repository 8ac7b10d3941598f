"""Events → rows, in one statement, at once.

The SQL text is built once per number of rows and sent through the connection's own cursor: the
ORM's `bulk_create` costs several times the INSERT itself when there is one row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias

from django.db import connections

from reco_plugin import clock, conf
from reco_plugin.bounded import savepoint
from reco_plugin.capture import bulk
from reco_plugin.models import Interaction, VisitorLink
from reco_plugin.types import EventKind, ShopEvent

MOST_ROWS = 500
"""Rows of one INSERT, fewer where the database takes fewer parameters."""
_COLUMNS = (
    "site", "event_id", "kind", "shopper", "user", "product", "quantity", "price", "currency",
    "order", "rating", "query", "source", "device", "occurred_at", "received_at",
)  # fmt: skip
_SHOPPER = _COLUMNS.index("shopper")
_Insert: TypeAlias = Callable[[Sequence[ShopEvent], str], int]


def write(events: Sequence[ShopEvent]) -> int:
    """Insert `events` now, each (site, event_id) once; returns how many were new.

    Events of a guest who has turned out to be a user go to the user (`VisitorLink`). Inside a
    transaction it writes under a savepoint, so that a failure leaves the transaction usable.
    Raises django.db.DatabaseError.
    """
    using = conf.settings.DATABASE
    if not events:
        return 0
    new = 0
    with savepoint(using):
        for insert, batch in _batches(events, using):
            new += insert(batch, using)
    return new


def _batches(
    events: Sequence[ShopEvent], using: str
) -> Iterator[tuple[_Insert, Sequence[ShopEvent]]]:
    insert, rows = _insert, _most_rows(using)
    if len(events) >= bulk.WORTH_IT and bulk.can_insert(using):
        insert, rows = _insert_many, bulk.ROWS
    for at in range(0, len(events), rows):
        yield insert, events[at : at + rows]


def _most_rows(using: str) -> int:
    most = connections[using].features.max_query_params
    return min(MOST_ROWS, most // (len(_COLUMNS) + 2)) if most else MOST_ROWS


def _insert(events: Sequence[ShopEvent], using: str) -> int:
    now = clock.now()
    connection = connections[using]
    linked = tuple(_may_be_linked(event) for event in events)
    params: list[Any] = []
    for event, is_linked in zip(events, linked, strict=True):
        values = _values(event, now, connection)
        if is_linked:
            values[_SHOPPER : _SHOPPER + 1] = [values[_SHOPPER], event.site, values[_SHOPPER]]
        params += values
    with connection.cursor() as cursor:
        cursor.execute(_sql(using, linked), params)
        return max(0, int(cursor.rowcount))


def _insert_many(events: Sequence[ShopEvent], using: str) -> int:
    now = clock.now()
    connection = connections[using]
    return bulk.insert([_values(event, now, connection) for event in events], _COLUMNS, using)


def _values(event: ShopEvent, now: dt.datetime, connection: Any) -> list[Any]:
    """Prepared values in the order of the columns."""
    uid, user, product, price, moment = _fields()
    return [
        event.site,
        uid.get_db_prep_save(event.event_id, connection),
        int(event.kind),
        uid.get_db_prep_save(event.shopper.id, connection),
        None
        if event.shopper.user is None
        else user.get_db_prep_save(event.shopper.user, connection),
        None if event.product is None else product.get_db_prep_save(event.product, connection),
        event.quantity,
        None if event.price is None else price.get_db_prep_save(event.price, connection),
        event.currency,
        event.order,
        event.rating,
        event.query,
        int(event.source),
        event.device,
        moment.get_db_prep_save(event.occurred_at, connection),
        moment.get_db_prep_save(now, connection),
    ]


def _may_be_linked(event: ShopEvent) -> bool:
    """Only ids that were a visitor's (version 4) are ever linked to a user."""
    return event.shopper.user is None and event.shopper.id.version == 4


@cache
def _fields() -> tuple[Any, ...]:
    """The fields that turn Python values into parameters: shopper, user, product, price, moment."""
    fields: list[Any] = [
        Interaction._meta.get_field(name)
        for name in ("shopper", "user", "product", "price", "occurred_at")
    ]
    return tuple(field.target_field if field.remote_field else field for field in fields)


@lru_cache(maxsize=1024)
def _sql(using: str, linked: tuple[bool, ...]) -> str:
    """INSERT … ON CONFLICT DO NOTHING; `linked` says which rows look for a visitor link."""
    quote = connections[using].ops.quote_name
    fields: list[Any] = [Interaction._meta.get_field(name) for name in _COLUMNS]
    columns = ", ".join(quote(field.column) for field in fields)
    link = quote(VisitorLink._meta.db_table)
    found = (
        f"COALESCE((SELECT {quote('shopper')} FROM {link} "  # noqa: S608 - our own names, quoted
        f"WHERE {quote('visitor')} = %s AND {quote('site')} = %s), %s)"
    )
    rows = ", ".join(
        "("
        + ", ".join(found if is_guest and name == "shopper" else "%s" for name in _COLUMNS)
        + ")"
        for is_guest in linked
    )
    return (
        f"INSERT INTO {quote(Interaction._meta.db_table)} ({columns}) VALUES {rows} "  # noqa: S608
        f"ON CONFLICT ({quote('site')}, {quote('event_id')}) DO NOTHING"
    )


def is_purchase(event: ShopEvent) -> bool:
    return event.kind in (EventKind.PURCHASE, EventKind.REFUND)
