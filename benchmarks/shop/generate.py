"""Made-up shops of any size, written by binary COPY straight from NumPy arrays.

Popularity follows Zipf's law, kinds are mixed as in a shop's log, some purchases are refunded, and
times spread over a year with more towards the end. The same seed gives the same shop.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from psycopg import sql

from benchmarks.shop.models import Category, Product, StockRecord
from reco_plugin.models import Interaction, Item
from reco_plugin.types import EventKind, IdMap

Array = npt.NDArray[Any]

END = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
"""The last moment of every made-up history."""
POSTGRES_EPOCH = 946_684_800_000_000
"""2000-01-01 in microseconds of the Unix epoch."""
CHUNK = 250_000
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
WORDS = tuple(
    (  # noqa: SIM905
        "linen wool cotton leather silk denim canvas suede velvet oak steel brass glass clay paper "
        "red blue green black white sand rose amber navy olive small large slim wide soft light"
    ).split()
)
MIX = {
    EventKind.VIEW_ITEM: 0.790,
    EventKind.SELECT_ITEM: 0.050,
    EventKind.ADD_TO_CART: 0.070,
    EventKind.REMOVE_FROM_CART: 0.010,
    EventKind.ADD_TO_WISHLIST: 0.020,
    EventKind.PURCHASE: 0.045,
    EventKind.REFUND: 0.003,
    EventKind.RATE_ITEM: 0.005,
    EventKind.DISMISS_ITEM: 0.002,
    EventKind.SEARCH: 0.005,
}


def fill_shop(items: int, *, seed: int = 0) -> IdMap:
    """`items` products with category, brand, price, two stock records each, and their Item rows."""
    random = np.random.default_rng(seed)
    categories = _categories()
    keys = product_keys(items, seed=seed)
    facts = _facts(items, categories, random)
    with connection.cursor() as cursor:
        _copy_rows(cursor, Product, _products(keys.to_python(), facts))
        _copy_rows(cursor, StockRecord, _stock(keys.to_python(), random))
        _copy_rows(cursor, Item, _items(keys.to_python(), facts))
        cursor.execute("ANALYZE")
    return keys


def product_keys(items: int, *, seed: int = 0) -> IdMap:
    """The keys `fill_shop` gives its products: 1..items, or as many UUIDs."""
    if Product._meta.pk.get_internal_type() == "UUIDField":
        return IdMap(keys=_uuids(items, np.random.default_rng([seed, 1])))
    return IdMap(keys=np.arange(1, items + 1, dtype=np.int64))


def shopper_keys(shoppers: int, *, seed: int = 0) -> IdMap:
    """The shopper ids `fill_interactions` draws from."""
    return IdMap(keys=_uuids(shoppers, np.random.default_rng([seed, 2])))


def fill_interactions(
    rows: int,
    *,
    shoppers: int,
    items: int,
    seed: int = 0,
    days: int = 365,
    site: int = 1,
    indexes: bool = True,
    tick: Callable[[int], object] | None = None,
) -> None:
    """Append `rows` interactions in order of time, then VACUUM ANALYZE. Products need not exist.

    Without `indexes` the table is left without any but its primary key, for what only reads all of it.
    """
    products = product_keys(items, seed=seed).keys
    people = shopper_keys(shoppers, seed=seed).keys
    random = np.random.default_rng([seed, 3])
    popular = Zipf(items, 1.05, random)
    active = Zipf(shoppers, 0.6, random)
    moments = _moments(rows, days, random)
    with _without_indexes(Interaction, again=indexes):
        for start in range(0, rows, CHUNK):
            at = moments[start : start + CHUNK]
            columns = {
                "event_id": _uuids(len(at), random),
                "shopper": people[active.draw(len(at))],
                "product_id": products[popular.draw(len(at))],
                "kind": random.choice(list(MIX), size=len(at), p=list(MIX.values())).astype("i2"),
                "at": at,
            }
            _write(columns, site, random)
            if tick is not None:
                tick(len(at))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) reco_interaction")


class Zipf:
    """Draws 0..n-1 with probability ~ 1 / rank**power, ranks dealt at random."""

    def __init__(self, n: int, power: float, random: np.random.Generator) -> None:
        weights = 1.0 / np.arange(1, n + 1) ** power
        self._steps = np.cumsum(weights) / weights.sum()
        self._deal = random.permutation(n)
        self._random = random

    def draw(self, count: int) -> Array:
        ranks = np.searchsorted(self._steps, self._random.random(count))
        return self._deal[np.minimum(ranks, len(self._deal) - 1)]


# --- the catalogue -------------------------------------------------------------------------------


def _categories() -> list[tuple[int, str]]:
    """(key, path) of 48 leaves, six each, under 8 roots."""
    leaves = []
    for root in range(8):
        parent = Category._default_manager.create(name=f"Range {root}")
        for leaf in range(6):
            child = Category._default_manager.create(name=f"Shelf {root}{leaf}", parent=parent)
            leaves.append((child.pk, f"{parent.name} > {child.name}"))
    return leaves


def _facts(
    items: int, categories: list[tuple[int, str]], random: np.random.Generator
) -> list[tuple[str, str, tuple[int, str], str, float]]:
    words = random.integers(len(WORDS), size=(items, 8))
    shelf = random.integers(len(categories), size=items)
    brand = random.integers(60, size=items)
    price = np.round(np.exp(random.normal(3.3, 0.8, size=items)), 2)
    return [
        (
            " ".join(WORDS[word] for word in words[row, :3]),
            " ".join(WORDS[word] for word in words[row, 3:]),
            categories[shelf[row]],
            f"Brand {brand[row]}",
            float(max(price[row], 0.5)),
        )
        for row in range(items)
    ]


def _products(keys: list[Any], facts: list[Any]) -> Iterator[dict[str, Any]]:
    for key, (title, text, category, brand, price) in zip(keys, facts, strict=True):
        yield {
            "id": key,
            "title": title,
            "description": text,
            "category_id": category[0],
            "brand": brand,
            "price": price,
            "is_active": True,
        }


def _stock(keys: list[Any], random: np.random.Generator) -> Iterator[dict[str, Any]]:
    amounts = random.integers(0, 30, size=(len(keys), 2)) * (random.random((len(keys), 1)) > 0.1)
    for key, pair in zip(keys, amounts, strict=True):
        for warehouse, amount in zip(("north", "south"), pair, strict=True):
            yield {"product_id": key, "warehouse": warehouse, "quantity": int(amount)}


def _items(keys: list[Any], facts: list[Any]) -> Iterator[dict[str, Any]]:
    import json

    for key, (title, text, category, brand, price) in zip(keys, facts, strict=True):
        yield {
            "product_id": key,
            "site": 1,
            "title": title,
            "text": text,
            "categories": json.dumps([category[1]]),
            "brand": brand,
            "price": price,
            "tags": "[]",
            "attributes": "{}",
            "sensitive": False,
            "available_since": END - dt.timedelta(days=400),
            "content_hash": "",
            "synced_at": END,
        }


def _copy_rows(cursor: Any, model: Any, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = sql.SQL(", ").join(sql.Identifier(name) for name in first)
    table = sql.Identifier(model._meta.db_table)
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy:
        copy.write_row(tuple(first.values()))
        for row in rows:
            copy.write_row(tuple(row.values()))


# --- the history ---------------------------------------------------------------------------------


def _moments(rows: int, days: int, random: np.random.Generator) -> Array:
    """Sorted microseconds of the Unix epoch, denser towards END."""
    end = int(END.timestamp()) * 1_000_000
    share = np.sqrt(random.random(rows))
    found = end - ((1.0 - share) * days * 86_400e6).astype(np.int64)
    found.sort()
    return found


def _uuids(count: int, random: np.random.Generator) -> Array:
    """Version-4 UUIDs as raw bytes."""
    raw = random.integers(0, 256, size=(count, 16), dtype=np.uint8)
    raw[:, 6] = (raw[:, 6] & 0x0F) | 0x40
    raw[:, 8] = (raw[:, 8] & 0x3F) | 0x80
    return raw.view("V16").ravel()


def _write(columns: dict[str, Array], site: int, random: np.random.Generator) -> None:
    """Three COPYs, each without the columns that are NULL in it, so that its rows are fixed-width."""
    kind = columns["kind"]
    searches, ratings = kind == EventKind.SEARCH, kind == EventKind.RATE_ITEM
    more: dict[str, Any] = {"site": site, "random": random}
    with connection.cursor() as cursor:
        _copy_events(cursor, columns, ~searches & ~ratings, ("product_id",), **more)
        _copy_events(cursor, columns, ratings, ("product_id", "rating"), **more)
        _copy_events(cursor, columns, searches, (), **more)


def _copy_events(
    cursor: Any,
    columns: dict[str, Array],
    chosen: Array,
    extra: tuple[str, ...],
    *,
    site: int,
    random: np.random.Generator,
) -> None:
    count = int(chosen.sum())
    at = (columns["at"][chosen] - POSTGRES_EPOCH).astype(">i8")
    values: dict[str, Array] = {
        "site": np.full(count, site, ">i4"),
        "event_id": columns["event_id"][chosen],
        "kind": columns["kind"][chosen].astype(">i2"),
        "shopper": columns["shopper"][chosen],
        "quantity": random.choice([1, 1, 1, 2, 3], size=count).astype(">i4"),
        "price": _numeric(random.integers(100, 20_000, size=count)),
        "currency": np.full(count, b"EUR", "S3"),
        "order": np.zeros(count, "V0"),
        "query": np.zeros(count, "V0"),
        "source": np.full(count, 1, ">i2"),
        "occurred_at": at,
        "received_at": at,
    }
    if "product_id" in extra:
        product = columns["product_id"][chosen]
        values["product_id"] = product if product.dtype.kind == "V" else product.astype(">i8")
    if "rating" in extra:
        values["rating"] = np.round(random.random(count) * 4).astype(">f8") / 4
    names = sql.SQL(", ").join(sql.Identifier(name) for name in values)
    statement = sql.SQL("COPY reco_interaction ({}) FROM STDIN (FORMAT BINARY)").format(names)
    with cursor.copy(statement) as copy:
        copy.write(SIGNATURE + binary_rows(values) + TRAILER)


def binary_rows(values: dict[str, Array]) -> bytes:
    """Columns of fixed-width, big-endian values as rows of PostgreSQL's binary COPY format."""
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, column in values.items():
        fields += [(f"{name} length", ">i4"), (name, column.dtype)]
    rows = np.zeros(len(next(iter(values.values()))), np.dtype(fields))
    rows["fields"] = len(values)
    for name, column in values.items():
        rows[f"{name} length"] = column.dtype.itemsize
        if column.dtype.itemsize:
            rows[name] = column
    return rows.tobytes()


def _numeric(cents: Array) -> Array:
    """Amounts below 10,000 as PostgreSQL's binary numeric: two base-10000 digits, scale 2."""
    parts = np.zeros((len(cents), 6), ">i2")
    parts[:, 0], parts[:, 3] = 2, 2
    parts[:, 4], parts[:, 5] = cents // 100, cents % 100 * 100
    return parts.view("V12").ravel()


@contextmanager
def _without_indexes(model: Any, *, again: bool) -> Iterator[None]:
    """Indexes are built once, after the rows are in, if at all."""
    constraints, indexes = model._meta.constraints, model._meta.indexes
    with transaction.atomic(), connection.schema_editor() as editor:
        for index in indexes:
            editor.remove_index(model, index)
        for constraint in constraints:
            editor.remove_constraint(model, constraint)
    yield
    if not again:
        return
    with transaction.atomic(), connection.schema_editor() as editor:
        for constraint in constraints:
            editor.add_constraint(model, constraint)
        for index in indexes:
            editor.add_index(model, index)
