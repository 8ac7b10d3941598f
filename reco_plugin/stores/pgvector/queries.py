"""What serving reads, each as one statement and one round trip."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import psycopg
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from reco_plugin import clock
from reco_plugin.models import Interaction
from reco_plugin.stores import in_force
from reco_plugin.stores.base import History, PastEvent, Scoring, Within
from reco_plugin.stores.pgvector import wire
from reco_plugin.stores.pgvector.tables import Tables
from reco_plugin.types import EventKind, Floats, Key

MIN_SCAN_TUPLES = 20_000
"""hnsw.max_scan_tuples as pgvector ships it."""
MAX_INDEX_K = 200
"""Longer answers are scanned exactly: an index gives them neither sooner nor whole."""

# Ordering by the negated product, largest first, is something no index answers: an exact scan.
_NEAREST_EXACT = """
SELECT key, -(folded <#> %s::vector) AS score FROM {items}{where} ORDER BY score DESC LIMIT %s"""

# The index ranks by half-precision numbers; twice as many as asked for are ranked again by the full.
_NEAREST_INDEX = """
SELECT key, -(folded <#> %s::vector) AS score FROM (
  SELECT key, folded FROM {items} ORDER BY (folded::{kind}({dimension})) <#> %s::{kind} LIMIT %s
) near ORDER BY score DESC LIMIT %s"""

# '+ 0' keeps an index out; NaN (a vector without a direction) sorts last.
_NEIGHBOURS_EXACT = """
SELECT key, (embedding <=> (SELECT embedding FROM {items} WHERE key = %s)) + 0 AS distance
FROM {items} WHERE key <> %s{and_where} ORDER BY distance LIMIT %s"""

_NEIGHBOURS_INDEX = """
WITH own AS MATERIALIZED (SELECT embedding FROM {items} WHERE key = %s)
SELECT key, embedding <=> (SELECT embedding FROM own) AS distance FROM (
  SELECT key, embedding FROM {items} WHERE key <> %s
  ORDER BY (embedding::{kind}({dimension})) <=> (SELECT embedding::{kind}({dimension}) FROM own)
  LIMIT %s
) near ORDER BY distance LIMIT %s"""

# Asked of each row of a query of the shop's own: the primary key answers it.
_SCORE = """(SELECT -(own.folded <#> %s::vector) FROM {items} own WHERE own.key = {key})"""

_VECTORS = """
SELECT key, vector_send(embedding) FROM {items} WHERE key = ANY(%s::{key_type}[])"""

_EVENTS = """
SELECT product_id, kind, occurred_at, id FROM {interactions}
WHERE site = %s AND shopper = %s AND product_id IS NOT NULL
ORDER BY occurred_at DESC, id DESC LIMIT %s"""

_HISTORY_BARE = """
SELECT product_id, kind, occurred_at, NULL FROM ({events}) e"""

# vector_send gives the bytes themselves: no digits are printed there and parsed here.
_HISTORY = """
SELECT NULL, NULL, NULL, vector_send(vector) FROM {shoppers} WHERE key = %s
UNION ALL SELECT * FROM (
  SELECT e.product_id, e.kind, e.occurred_at, vector_send(i.embedding)
  FROM ({events}) e LEFT JOIN {items} i ON i.key = e.product_id
  ORDER BY e.occurred_at DESC, e.id DESC
) events"""

_UPSERT = """
INSERT INTO {items} (key, folded, embedding)
SELECT key, folded::vector, embedding::vector
FROM unnest(%s::{key_type}[], %s::text[], %s::text[]) AS born(key, folded, embedding)
ON CONFLICT (key) DO UPDATE SET folded = excluded.folded, embedding = excluded.embedding"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How one of a run's spaces is read: exactly, or by an index and with which ef_search."""

    kind: str | None
    ef_search: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any], space: str) -> Plan:
        found = state[space]
        return cls(kind=found.get("held_as"), ef_search=found.get("ef_search", 0))


EXACT = Plan(kind=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One SELECT and its parameters."""

    sql: str
    params: tuple[Any, ...]


def nearest(
    tables: Tables, query: Floats, k: int, *, plan: Plan, within: Within | None = None
) -> Statement:
    """(key, score) of the `k` largest inner products with the folded `query` (d + 1,)."""
    text = wire.literal(query)
    if plan.kind is None or within is not None:
        where, params = _where(" WHERE", within)
        sql = _written(_NEAREST_EXACT, items=tables.items)
        return Statement(sql=sql.replace("{where}", where), params=(text, *params, k))
    sql = _written(_NEAREST_INDEX, items=tables.items, kind=plan.kind, dimension=str(len(query)))
    return Statement(sql=sql, params=(text, text, 2 * k, k))


def neighbours(
    tables: Tables,
    key: Any,
    k: int,
    *,
    dimension: int,
    plan: Plan,
    within: Within | None = None,
) -> Statement:
    """(key, cosine distance) of the `k` nearest to item `key`; NaN or NULL where there is none."""
    if plan.kind is None or within is not None:
        where, params = _where(" AND", within)
        sql = _written(_NEIGHBOURS_EXACT, items=tables.items)
        return Statement(sql=sql.replace("{and_where}", where), params=(key, key, *params, k))
    sql = _written(_NEIGHBOURS_INDEX, items=tables.items, kind=plan.kind, dimension=str(dimension))
    return Statement(sql=sql, params=(key, key, 2 * k, k))


def vectors_of(tables: Tables, keys: Any, key_type: str) -> Statement:
    """(key, the bytes of its vector) of those of `keys` (an array) that there are."""
    return Statement(sql=_written(_VECTORS, items=tables.items, key_type=key_type), params=(keys,))


def history(tables: Tables | None, site: int, shopper: uuid.UUID, limit: int) -> Statement:
    """The trained vector first (if any), then the newest `limit` product events."""
    interactions = Interaction._meta.db_table
    if tables is None:
        sql = _written(_HISTORY_BARE, interactions=interactions)
        return Statement(sql=sql, params=(site, shopper, limit))
    sql = _written(
        _HISTORY, interactions=interactions, items=tables.items, shoppers=tables.shoppers
    )
    return Statement(sql=sql, params=(shopper, site, shopper, limit))


def score(tables: Tables, query: Floats) -> Scoring:
    """The inner product with the folded `query` (d + 1,), of the item whose key is filled in."""
    return Scoring(sql=_written(_SCORE, items=tables.items), params=(wire.literal(query),))


def upsert(tables: Tables, key_type: str) -> str:
    return _written(_UPSERT, items=tables.items, key_type=key_type)


def to_history(rows: Sequence[tuple[Any, ...]], to_key: Callable[[Any], Key]) -> History:
    """A History from the rows of `history`."""
    trained = next((row[3] for row in rows if row[1] is None), None)
    vectors = iter(wire.decode_rows([row[3] for row in rows if row[1] and row[3] is not None]))
    return History(
        events=tuple(
            PastEvent(
                key=to_key(key),
                kind=EventKind(kind),
                occurred_at=clock.aware(at) or at,
                vector=None if raw is None else next(vectors),
            )
            for key, kind, at, raw in rows
            if kind is not None
        ),
        vector=None if trained is None else wire.decode(trained),
    )


def fetch(database: str, statement: Statement, plan: Plan, rows: int) -> list[tuple[Any, ...]]:
    """Run `statement` under the settings it needs, which nobody sees afterwards.

    Settings and statement travel together. Inside a transaction they stand in a savepoint that is
    rolled back, because a SET LOCAL outlives a released one; outside, PostgreSQL makes one
    transaction of what arrives in one message, so nothing is left on a pooled connection either.
    """
    connection = connections[database]
    wanted = settings(plan, rows)
    with connection.cursor() as cursor:
        if in_force.holds(database, wanted):
            cursor.execute(statement.sql, statement.params)
            return list(cursor.fetchall())
        if not _binds_on_client(cursor):
            return _fetch_apart(connection, _stated(plan, rows), statement)
        inside = connection.in_atomic_block or not connection.get_autocommit()
        cursor.execute(_together(_stated(plan, rows), statement.sql, inside), statement.params)
        while cursor.description is None or cursor.description[0].name == "set_config":
            cursor.nextset()
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _together(settings: str, sql: str, inside: bool) -> str:
    if not inside:
        return f"{settings}; {sql}"
    return (
        f"SAVEPOINT reco_read; {settings}; {sql}; "
        "ROLLBACK TO SAVEPOINT reco_read; RELEASE SAVEPOINT reco_read"
    )


def _fetch_apart(
    connection: BaseDatabaseWrapper, settings: str, statement: Statement
) -> list[tuple[Any, ...]]:
    """With server-side binding a message holds one statement only."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        savepoint = connection.savepoint() or ""
        cursor.execute(settings)
        cursor.execute(statement.sql, statement.params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        connection.savepoint_rollback(savepoint)
    return found


def _binds_on_client(cursor: Any) -> bool:
    return isinstance(cursor.cursor, psycopg.ClientCursor)


@lru_cache(maxsize=256)
def settings(plan: Plan, rows: int) -> Mapping[str, str]:
    """What a read by `plan` wants set. JIT would spend more on compiling than these reads take."""
    values = {"jit": "off"}
    if plan.kind is not None:
        values |= {
            "hnsw.ef_search": str(plan.ef_search),
            "hnsw.iterative_scan": "strict_order",
            "hnsw.max_scan_tuples": str(max(rows, MIN_SCAN_TUPLES)),
        }
    return MappingProxyType(values)


@lru_cache(maxsize=256)
def _stated(plan: Plan, rows: int) -> str:
    return "SELECT " + ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in settings(plan, rows).items()
    )


@lru_cache(maxsize=256)
def _written(template: str, **names: str) -> str:
    """The template with its names filled in: tables quoted, types as they are."""
    sql = template.replace("{events}", _EVENTS)
    for slot, name in names.items():
        plain = slot in ("kind", "dimension", "key_type")
        sql = sql.replace("{" + slot + "}", name if plain else '"' + name.replace('"', '""') + '"')
    return sql


def _where(word: str, within: Within | None) -> tuple[str, tuple[Any, ...]]:
    if within is None:
        return "", ()
    return f"{word} key IN ({within.sql})", within.params
