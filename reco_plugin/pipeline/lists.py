"""The rows behind a page's lists, in SQL that is written by hand: all of a page is one statement."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import Q
from psycopg.sql import SQL, Identifier

from reco_plugin import clock, conf
from reco_plugin.models import Interaction, Item, ManualLink, Neighbours, RankedList, Related
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import PastEvent
from reco_plugin.types import EventKind, Key

NEWEST = 500
"""New products that those of a category are picked from."""

_COLUMNS: Mapping[str, tuple[str, str]] = {
    "ranked": (RankedList._meta.db_table, "run_id, segment, {key}, {key}, keys, scores, {json}"),
    "related": (Related._meta.db_table, "run_id, relation, product_id, {key}, keys, scores, facts"),
    "near": (Neighbours._meta.db_table, "run_id, '', product_id, {key}, keys, scores, {json}"),
    "linked": (ManualLink._meta.db_table, "0, '', product_id, target_id, {json}, {json}, {json}"),
}
"""Per part of the statement: its table, and what stands in the columns that all parts have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One kind of list, and which of them."""

    kind: str
    """A name in _COLUMNS."""
    where: str
    params: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One list as it was stored; `entries` reads it."""

    kind: str
    run: int
    name: str
    """The segment or the relation."""
    key: Key | None
    target: Key | None
    keys: Any
    scores: Any
    facts: Any

    def entries(self) -> tuple[list[Any], list[Any], dict[str, list[float]]]:
        """Raw keys, scores, and figures by name."""
        return _plain(self.keys) or [], _plain(self.scores) or [], _plain(self.facts) or {}


def fetch(parts: Sequence[Part], using: str) -> list[Row]:
    """The rows of all `parts` in one statement; those linked by hand in their order."""
    sql = " UNION ALL ".join(_select(part.kind, using) + part.where for part in parts)
    params = [value for part in parts for value in part.params]
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
        rows = sorted(cursor.fetchall(), key=lambda row: row[-2:])
    to_key = shop_keys.reader(using)
    return [
        Row(
            kind=kind,
            run=run,
            name=name,
            key=None if key is None else to_key(key),
            target=None if target is None else to_key(target),
            keys=keys,
            scores=scores,
            facts=facts,
        )
        for kind, run, name, key, target, keys, scores, facts, *_ in rows
    ]


def ranked(wanted: Iterable[tuple[int, str]]) -> Part:
    """The lists of pairs of run and segment."""
    by_run: dict[int, list[str]] = {}
    for run, segment in wanted:
        by_run.setdefault(run, []).append(segment)
    where = " OR ".join(f"(run_id = %s AND segment IN ({_slots(by_run[run])}))" for run in by_run)
    params = [value for run, segments in by_run.items() for value in (run, *segments)]
    return Part(kind="ranked", where=where, params=tuple(params))


def related(wanted: Iterable[tuple[int, str, Key]], using: str) -> Part:
    """What goes with products: the lists of triples of run, relation and product."""
    by_run: dict[int, dict[str, list[Any]]] = {}
    for run, relation, key in wanted:
        listed = by_run.setdefault(run, {}).setdefault(relation, [])
        listed.append(shop_keys.to_database(using, key))
    parts = [_of_run(run, by_relation) for run, by_relation in by_run.items()]
    where = parts[0].where if len(parts) == 1 else " OR ".join(f"({one.where})" for one in parts)
    return Part(kind="related", where=where, params=tuple(v for one in parts for v in one.params))


def _of_run(run: int, by_relation: Mapping[str, list[Any]]) -> Part:
    either = " OR ".join(
        f"(product_id IN ({_slots(keys)}) AND relation = %s)" for keys in by_relation.values()
    )
    params = [value for relation, keys in by_relation.items() for value in (*keys, relation)]
    return Part(kind="related", where=f"run_id = %s AND ({either})", params=(run, *params))


def near(wanted: Iterable[tuple[int, Key]], using: str) -> Part:
    """Neighbours that were worked out ahead, of pairs of run and product."""
    by_run: dict[int, list[Any]] = {}
    for run, key in wanted:
        by_run.setdefault(run, []).append(shop_keys.to_database(using, key))
    where = " OR ".join(
        f"(run_id = %s AND product_id IN ({_slots(by_run[run])}))" for run in by_run
    )
    params = [value for run, keys in by_run.items() for value in (run, *keys)]
    return Part(kind="near", where=where, params=tuple(params))


def linked(site: int, keys: Collection[Key], using: str) -> Part:
    """What a merchandiser linked to products."""
    where = f"site = %s AND product_id IN ({_slots(keys)})"
    return Part(kind="linked", where=where, params=(site, *_to_database(keys, using)))


def newest(
    k: int, *, by_category: bool, site: int, using: str
) -> list[tuple[Key, dt.datetime, tuple[str, ...]]]:
    """(key, moment, category paths) of what became available within RECO_NEW_DAYS, newest first.

    `k` of them; `by_category`, as many as a category's may have to be picked from, NEWEST at most.
    """
    now = clock.now()
    items = Item.objects.using(using).filter(
        site=site,
        available_since__gt=now - dt.timedelta(days=conf.settings.NEW_DAYS),
        available_since__lte=now,
    )
    rows = items.order_by("-available_since", "pk").values_list(
        "pk", "available_since", "categories"
    )
    found = rows[: NEWEST if by_category else k]
    return [(key, clock.aware(at) or now, tuple(paths or ())) for key, at, paths in found if at]


def events(shopper: uuid.UUID, limit: int, *, site: int, using: str) -> tuple[PastEvent, ...]:
    """The newest `limit` events of a shopper, without vectors."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return _events(Q(), shopper, limit, site, using)
    with connection.cursor() as cursor:  # Django takes longer to write this than it takes to answer
        cursor.execute(_newest_events(), [site, shopper, limit])
        rows = cursor.fetchall()
    to_key = shop_keys.reader(using)
    return tuple(_event(to_key(key), kind, at) for key, kind, at in rows)


@lru_cache(maxsize=1)
def _newest_events() -> str:
    template = SQL(
        "SELECT product_id, kind, occurred_at FROM {} "
        "WHERE site = %s AND shopper = %s AND product_id IS NOT NULL "
        "ORDER BY occurred_at DESC, id DESC LIMIT %s"
    )
    return template.format(Identifier(Interaction._meta.db_table)).as_string()


def _event(key: Key, kind: int, at: dt.datetime) -> PastEvent:
    return PastEvent(key=key, kind=EventKind(kind), occurred_at=clock.aware(at) or at, vector=None)


def purchases(shopper: uuid.UUID, limit: int, *, site: int, using: str) -> tuple[PastEvent, ...]:
    """Of a shopper's newest `limit` purchases and returns the purchases of what they kept: a product
    that was sent back since it was bought last is not among them."""
    kinds = Q(kind__in=[EventKind.PURCHASE, EventKind.REFUND])
    found = _events(kinds, shopper, limit, site, using)
    last: dict[Key, EventKind] = {}
    for event in found:
        last.setdefault(event.key, event.kind)
    return tuple(
        event
        for event in found
        if event.kind is EventKind.PURCHASE and last[event.key] is EventKind.PURCHASE
    )


def _events(
    which: Q, shopper: uuid.UUID, limit: int, site: int, using: str
) -> tuple[PastEvent, ...]:
    rows = Interaction.objects.using(using).filter(
        which, site=site, shopper=shopper, product__isnull=False
    )
    newest_first = rows.order_by("-occurred_at", "-pk")
    columns = newest_first.values_list("product_id", "kind", "occurred_at")
    return tuple(_event(key, kind, at) for key, kind, at in columns[:limit])


def left_out(
    shopper: uuid.UUID, since: dt.datetime | None, limit: int, *, site: int, using: str
) -> list[tuple[Key, EventKind]]:
    """What a shopper bought after `since` (never, where it is None) or dismissed, `limit` at most."""
    sql = (
        f"SELECT DISTINCT product_id, kind FROM {Interaction._meta.db_table} "  # noqa: S608
        "WHERE site = %s AND shopper = %s AND kind IN (%s, %s) AND product_id IS NOT NULL "
        "AND (kind = %s OR occurred_at >= %s) LIMIT %s"
    )
    connection = connections[using]
    own = Interaction._meta.get_field("shopper").get_db_prep_value(shopper, connection)
    moment = connection.ops.adapt_datetimefield_value(since or clock.now())
    bought, dismissed = EventKind.PURCHASE.value, EventKind.DISMISS_ITEM.value
    params = [site, own, bought, dismissed, dismissed, moment, limit]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    to_key = shop_keys.reader(using)
    return [(to_key(key), EventKind(kind)) for key, kind in rows]


@lru_cache(maxsize=32)
def _select(kind: str, using: str) -> str:
    """Each NULL has a type, lest the database takes it for a text."""
    connection = connections[using]
    table, columns = _COLUMNS[kind]
    key = f"CAST(NULL AS {shop_keys.key_field().rel_db_type(connection)})"
    data = f"CAST(NULL AS {Related._meta.get_field('keys').db_type(connection)})"
    place = f"{connection.ops.quote_name('order')}, id" if kind == "linked" else "0, 0"
    names = columns.format(key=key, json=data)
    return f"SELECT '{kind}', {names}, {place} FROM {connection.ops.quote_name(table)} WHERE "  # noqa: S608


def _slots(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _to_database(keys: Iterable[Key], using: str) -> list[Any]:
    return [shop_keys.to_database(using, key) for key in keys]


def _plain(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value
