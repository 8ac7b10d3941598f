"""Rows out of PostgreSQL by binary COPY, thousands to a message.

COPY sends one message per row, and a message costs the client more than the row is worth. So the
server packs each range of table pages into one row of columns (`string_agg` of the types' binary
send functions), which NumPy then reads in place. One statement, hence one snapshot.
"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import numpy as np
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from reco_plugin.datasets.blocks import (
    HAS_RATING,
    KIND_SHIFT,
    MOST_UNITS,
    QUANTITY_SHIFT,
    Array,
    Block,
)
from reco_plugin.datasets.keys import Bytes, Keys
from reco_plugin.models import Interaction, Item, VisitorLink

PAGES = 500
"""Table pages to a message: some 40,000 rows."""
SHOPPERS = 2_000
"""Ids to a message, where only theirs are read."""
HEADER = 19
POSTGRES_EPOCH = 946_684_800_000_000
"""2000-01-01 in microseconds of the Unix epoch."""

_SIZE = sql.SQL(
    "SELECT (pg_relation_size({}::regclass) / current_setting('block_size')::int)::int4"
)
_COLUMNS = """
    string_agg(uuid_send(shopper), ''), string_agg(timestamptz_send(occurred_at), ''),
    string_agg(int4send({detail}), ''), string_agg(float8send(rating), ''), {products}
"""
_EVENTS = """
SELECT part.* FROM generate_series(0, ({size}), {pages}) AS page(first), LATERAL (
    SELECT page.first AS page, ({size}) AS pages, {columns}
    FROM {table} WHERE {where} AND product_id IS NOT NULL
        AND ctid >= ('(' || page.first || ',0)')::tid
        AND ctid < ('(' || page.first + {pages} || ',0)')::tid
) AS part
"""
_EVENTS_OF = "SELECT {columns} FROM {table} WHERE {where} AND product_id IS NOT NULL"


class CopyReader:
    """Reads through the connection's own cursor, inside its transaction where it has one."""

    def __init__(self, connection: BaseDatabaseWrapper, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def events(
        self,
        site: int,
        since: dt.datetime | None,
        until: dt.datetime | None,
        shoppers: Sequence[uuid.UUID] | None = None,
    ) -> Iterator[tuple[Block, float]]:
        if shoppers is not None:
            yield from self._events_of(shoppers, _filters(site, since, until))
            return
        for fields in self._copy(self._events_query(site, since, until)):
            if fields[2] is not None:
                done, size = _int4(fields[0]) + PAGES, _int4(fields[1]) + 1
                yield _block(fields[2:]), min(1.0, done / size)

    def _events_of(
        self, shoppers: Sequence[uuid.UUID], where: list[sql.Composed]
    ) -> Iterator[tuple[Block, float]]:
        for at in range(0, len(shoppers), SHOPPERS):
            own = _where(sql.SQL("shopper = ANY({})"), list(shoppers[at : at + SHOPPERS]))
            for fields in self._copy(self._filled(_EVENTS_OF, [*where, own])):
                if fields[0] is not None:
                    yield _block(fields), min(1.0, (at + SHOPPERS) / len(shoppers))

    def items(self, site: int) -> tuple[Sequence[Bytes], Array]:
        sensitive = "string_agg(int2send(sensitive::int::int2), '')"
        columns = [sensitive, *self._keys.select("product_id")]
        packed = next(self._copy(self._query(Item, columns, site)))
        return [_bytes(field) for field in packed[1:]], np.frombuffer(
            _bytes(packed[0]), ">i2"
        ).astype(bool)

    def links(self, site: int) -> tuple[Bytes, Bytes]:
        columns = ["string_agg(uuid_send(visitor), '')", "string_agg(uuid_send(shopper), '')"]
        visitors, shoppers = next(self._copy(self._query(VisitorLink, columns, site)))
        return _bytes(visitors), _bytes(shoppers)

    def _events_query(
        self, site: int, since: dt.datetime | None, until: dt.datetime | None
    ) -> sql.Composed:
        table = self._connection.ops.quote_name(Interaction._meta.db_table)
        return self._filled(
            _EVENTS,
            _filters(site, since, until),
            size=_SIZE.format(sql.Literal(table)),
            pages=sql.Literal(PAGES),
        )

    def _filled(
        self, statement: LiteralString, where: list[sql.Composed], **more: sql.Composable
    ) -> sql.Composed:
        units = f"greatest(least(quantity, {MOST_UNITS}), -{MOST_UNITS})"
        detail = (
            f"({units} << {QUANTITY_SHIFT}) | ((kind::int & 127) << {KIND_SHIFT})"
            f" | (CASE WHEN rating IS NULL THEN 0 ELSE {HAS_RATING} END)"
        )
        return sql.SQL(statement).format(
            columns=sql.SQL(_COLUMNS).format(
                detail=sql.SQL(detail), products=_columns(self._keys.select("product_id"))
            ),
            table=sql.Identifier(Interaction._meta.db_table),
            where=sql.SQL(" AND ").join(where),
            **more,
        )

    def _query(self, model: Any, columns: Sequence[str], site: int) -> sql.Composed:
        return sql.SQL("SELECT {} FROM {} WHERE site = {}").format(
            _columns(columns), sql.Identifier(model._meta.db_table), sql.Literal(site)
        )

    def _copy(self, query: sql.Composed) -> Iterator[list[memoryview | None]]:
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            first = True
            for message in copy:
                data = memoryview(message)[HEADER if first else 0 :]
                first = False
                if len(data) > 2:  # the trailer is two bytes
                    yield _fields(data)


def _filters(site: int, since: dt.datetime | None, until: dt.datetime | None) -> list[sql.Composed]:
    where = [_where(sql.SQL("site = {}"), site)]
    where += [_where(sql.SQL("occurred_at >= {}"), since)] if since else []
    where += [_where(sql.SQL("occurred_at < {}"), until)] if until else []
    return where


def _where(template: sql.SQL, value: object) -> sql.Composed:
    return template.format(sql.Literal(value))


def _columns(columns: Sequence[str]) -> sql.SQL:
    return sql.SQL(", ".join(columns))


def _fields(data: memoryview) -> list[memoryview | None]:
    """The fields of one row of the binary COPY format; None for NULL."""
    found: list[memoryview | None] = []
    (count,), at = struct.unpack_from(">h", data), 2
    for _ in range(count):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        found.append(None if length < 0 else data[at : at + length])
        at += max(length, 0)
    return found


def _block(fields: Sequence[memoryview | None]) -> Block:
    shoppers, at, detail, ratings, *products = fields
    return Block(
        shoppers=_bytes(shoppers),
        products=[_bytes(field) for field in products],
        at=_unix(np.frombuffer(_bytes(at), ">i8").astype(np.int64)),
        detail=np.frombuffer(_bytes(detail), ">i4").astype(np.int32),
        ratings=np.frombuffer(_bytes(ratings), ">f8").astype(np.float64),
    )


def _unix(moments: Array) -> Array:
    """PostgreSQL's microseconds as the Unix epoch's; 'infinity' stays as far off as it gets."""
    most = np.iinfo(np.int64).max - POSTGRES_EPOCH
    return np.minimum(moments, most) + POSTGRES_EPOCH


def _int4(field: memoryview | None) -> int:
    return int.from_bytes(_bytes(field), "big", signed=True)


def _bytes(field: memoryview | None) -> Bytes:
    return b"" if field is None else field
