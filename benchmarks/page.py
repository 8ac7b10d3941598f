"""A product page of four placements out of 100 k products, beside the fastest bare SQL for the same rows.

Both start from the shopper's id and the product's, on the same connection, call by call in turn, a
different shopper and product each time; nothing of an answer is kept between calls. The floor finds the
candidates, asks live stock and guards, and hands back plain tuples of the same columns; it mixes and
diversifies nothing. It is tried in several forms; the fastest counts.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from benchmarks.harness import Bench, Row, database, timing

TITLE = "page: a product page of four placements, against bare SQL for the same rows"
BAR = 2.5
MOST_READS = 8
Asked: TypeAlias = tuple[uuid.UUID, Any]
"""A shopper, and the product of the page."""

PRODUCT = """
  p.id, p.title, p.description, p.category_id, p.brand, p.price, p.is_active,
  c.id, c.name, c.parent_id, r.id, r.name, r.parent_id"""
SHELF = (
    "JOIN shop_category c ON c.id = p.category_id LEFT JOIN shop_category r ON r.id = c.parent_id"
)
STOCK = "(SELECT sum(s.quantity) FROM shop_stockrecord s WHERE s.product_id = p.id) > 0"
PAST = """
  SELECT product_id, kind, occurred_at, id FROM reco_interaction
  WHERE site = 1 AND shopper = %(shopper)s AND product_id IS NOT NULL
  ORDER BY occurred_at DESC, id DESC LIMIT 30"""
NEAR = """
  SELECT key FROM (
    SELECT key, embedding FROM {items} WHERE key <> %(product)s
    ORDER BY (embedding::{held}({dimension})) <=> (
      SELECT embedding::{held}({dimension}) FROM {items} WHERE key = %(product)s)
    LIMIT 80
  ) first ORDER BY embedding <=> (SELECT embedding FROM {items} WHERE key = %(product)s) LIMIT 40"""
LISTS = """
  SELECT relation, keys FROM reco_related WHERE run_id = {behaviour} AND product_id = %(product)s
    AND relation IN ('bought_together', 'viewed_viewed', 'viewed_bought')"""
ONE = f"""
WITH past AS MATERIALIZED ({PAST}
), lists AS MATERIALIZED ({LISTS}
), offered (spot, key, place) AS (
  SELECT 1, target_id, "order" FROM reco_manual_link WHERE site = 1 AND product_id = %(product)s
  UNION ALL
  SELECT CASE relation WHEN 'bought_together' THEN 1 ELSE 3 END, k.value::bigint, k.ordinality
  FROM lists, jsonb_array_elements_text(keys) WITH ORDINALITY k
  UNION ALL
  SELECT 2, key, row_number() OVER () FROM ({NEAR}) near
  UNION ALL
  SELECT 4, product_id, row_number() OVER (ORDER BY max(occurred_at) DESC)
  FROM past WHERE kind IN (1, 2) GROUP BY product_id
), held AS (
  SELECT o.spot, o.place, row_number() OVER (PARTITION BY o.spot ORDER BY o.place) AS at, {PRODUCT}
  FROM offered o JOIN shop_product p ON p.id = o.key {SHELF} JOIN reco_item i ON i.product_id = p.id
  WHERE p.is_active AND p.price > 0 AND {STOCK} AND p.id <> %(product)s
    AND p.id NOT IN (SELECT product_id FROM past
      WHERE o.spot < 4 AND (kind = 9 OR kind = 6 AND occurred_at >= now() - interval '30 days'))
    AND CASE o.spot
      WHEN 1 THEN i.categories <> (SELECT categories FROM reco_item WHERE product_id = %(product)s)
      WHEN 2 THEN i.categories = (SELECT categories FROM reco_item WHERE product_id = %(product)s)
      ELSE true END
)
SELECT * FROM held WHERE at <= CASE spot WHEN 1 THEN 4 ELSE 8 END ORDER BY spot, at"""
FIRST = f"""
SELECT 1, target_id, NULL::jsonb, NULL::smallint FROM reco_manual_link
WHERE site = 1 AND product_id = %(product)s
UNION ALL SELECT CASE relation WHEN 'bought_together' THEN 1 ELSE 3 END, NULL::bigint, keys, NULL::smallint
FROM ({LISTS}) lists
UNION ALL SELECT 2, key, NULL::jsonb, NULL::smallint FROM ({NEAR}) near
UNION ALL SELECT 4, product_id, NULL::jsonb, kind FROM ({PAST}) past"""
SECOND = f"""
SELECT p.id, i.categories, {PRODUCT} FROM shop_product p {SHELF}
JOIN reco_item i ON i.product_id = p.id
WHERE p.id = ANY(%(keys)s) AND p.is_active AND p.price > 0 AND {STOCK}"""


def run(bench: Bench) -> Iterator[Row]:
    """A row for the statements, one for the time."""
    from benchmarks.scale import Shop

    items = 5_000 if bench.quick else 100_000
    rounds = 100 if bench.quick else 1_000
    with database(), bench.progress(6, "page") as bar:
        shop = Shop(items, quick=bench.quick)
        for step in ("products", "history", "vectors", "lists", "settled"):
            getattr(shop, step)(items)
            bar.update()
        yield from _measure(_asked(items, rounds + 300), rounds)
        bar.update()


def _asked(items: int, count: int) -> list[Asked]:
    """Shoppers with a past, and products, each pair of its own."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shopper FROM reco_interaction WHERE kind IN (1, 2) GROUP BY shopper "
            "HAVING count(*) > 2 ORDER BY shopper LIMIT %s",
            [count],
        )
        people = [row[0] for row in cursor.fetchall()]
    rng = np.random.default_rng(3)
    products = rng.choice(items, count, replace=items < count) + 1
    return [(people[at % len(people)], int(key)) for at, key in enumerate(products)]


# --- ours ----------------------------------------------------------------------------------------


def _ours(asked: Asked) -> Any:
    from benchmarks.scale import SPOTS
    from reco_plugin.serving import plan
    from reco_plugin.types import Shopper

    shopper, product = asked
    return plan(None, SPOTS, shopper=Shopper(id=shopper), product=product)


def _statements(asked: Asked) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        _ours(asked)
    return sum(" FROM " in query["sql"] for query in captured)


# --- the floor -----------------------------------------------------------------------------------


class Bare:
    """The page in plain SQL. `prepared` keeps the server's plan; otherwise text each time."""

    def __init__(self, *, one: bool, prepared: bool) -> None:
        import psycopg
        from django.db import connection

        names = _names()
        self.first = (ONE if one else FIRST).format(**names)
        self.one, self.prepared = one, prepared or None
        raw = connection.connection
        self.cursor = psycopg.Cursor(raw) if prepared else psycopg.ClientCursor(raw)

    def __call__(self, asked: Asked) -> list[tuple[Any, ...]]:
        values = {"shopper": asked[0], "product": asked[1]}
        self.cursor.execute(self.first, values, prepare=self.prepared)
        found = self.cursor.fetchall()
        return found if self.one else self._chosen(found, asked[1])

    def _chosen(self, offered: Sequence[tuple[Any, ...]], product: Any) -> list[tuple[Any, ...]]:
        by_spot: dict[int, dict[Any, None]] = {spot: {} for spot in (1, 2, 3, 4)}
        for spot, key, listed, kind in offered:
            keys = json.loads(listed) if isinstance(listed, str) else listed or [key]
            if kind in (None, 1, 2):
                by_spot[spot].update(dict.fromkeys(keys))
        keys = list({key for found in by_spot.values() for key in found} | {product})
        self.cursor.execute(SECOND, {"keys": keys}, prepare=self.prepared)
        live = {row[0]: row for row in self.cursor.fetchall()}
        own = live.get(product, (None, None))[1]
        same = {1: False, 2: True}
        return [
            live[key]
            for spot, found in by_spot.items()
            for key in [
                key
                for key in found
                if key in live
                and key != product
                and (spot not in same or (live[key][1] == own) is same[spot])
            ][: 4 if spot == 1 else 8]
        ]


def _names() -> dict[str, Any]:
    from reco_plugin.models import Run

    run = Run.objects.get(kind="personal")
    return {
        "items": '"' + run.store_state["items"] + '"',
        "held": run.store_state["neighbours"].get("held_as") or "vector",
        "dimension": run.store_state["dimension"],
        "behaviour": Run.objects.get(kind="behaviour").pk,
    }


# --- measuring -----------------------------------------------------------------------------------


def _measure(asked: list[Asked], rounds: int) -> Iterator[Row]:
    from django.db import connection

    from reco_plugin.models import Run

    warm, asked = asked[:-rounds], asked[-rounds:]
    space = Run.objects.get(kind="personal").store_state["neighbours"]
    with connection.cursor() as cursor:
        cursor.execute(f"SET hnsw.ef_search = {int(space.get('ef_search') or 40)}")
    forms = {
        f"{'one statement' if one else 'two'}, {'prepared' if prepared else 'text'}": Bare(
            one=one, prepared=prepared
        )
        for one in (True, False)
        for prepared in (True, False)
    }
    speed = {name: _median(form, warm) for name, form in forms.items()}
    best = min(speed, key=speed.__getitem__)
    for each in warm:
        _ours(each)
    most = max(_statements(each) for each in warm[-100:])
    yield Row.at_most(
        "reading statements of a page",
        most,
        1,
        MOST_READS,
        ratio=most,
        unit="reads",
        note="the most of 100 pages",
    )
    pages = [_ours(each) for each in warm[:50]]
    tiles = statistics.mean(sum(len(slate) for slate in page.values()) for page in pages)
    rows = statistics.mean(len(forms[best](each)) for each in warm[:50])
    took = timing(_pairs(asked, forms[best]))
    floors = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in speed.items())
    yield Row.at_most(
        "page of four placements, median",
        took.figure * 1e3,
        took.floor * 1e3,
        BAR,
        ratio=took.figure / took.floor,
        unit="ms",
        note=f"{tiles:.1f} tiles, floor {rows:.1f} rows; floors in ms: {floors}",
    )


def _median(form: Callable[[Asked], object], asked: Sequence[Asked]) -> float:
    for each in asked[:20]:
        form(each)
    return statistics.median(_seconds(form, each) for each in asked)


def _seconds(call: Callable[[Asked], object], asked: Asked) -> float:
    began = time.perf_counter()
    call(asked)
    return time.perf_counter() - began


def _pairs(asked: Sequence[Asked], floor: Bare) -> list[tuple[float, float]]:
    """Each page is asked for by both; who goes first alternates, since the second finds rows warm."""
    pairs = []
    gc.collect()
    for turn, each in enumerate(asked):
        if turn % 2:
            bare = _seconds(floor, each)
            pairs.append((_seconds(_ours, each), bare))
        else:
            mine = _seconds(_ours, each)
            pairs.append((mine, _seconds(floor, each)))
    return pairs
