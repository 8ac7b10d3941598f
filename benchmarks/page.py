"""A product page of four placements out of 100 k products, beside the fastest plain SQL for the same rows.

Both start from the shopper's id and the product's, on the same connection, call by call in turn, a
different shopper and product each time; nothing of an answer is kept between calls. The floor is
`page_bare`: the statements somebody would write by hand for this page, and no more Python than leads to the
same tiles in the same order; the row tells for how many pages it does. It hands back plain tuples of the
same columns. It is tried in several forms; the fastest counts.

The note also has the time of a statement that mixes and varies nothing and looks no further back than the
shopper's last events: it gives other rows, and is no floor of ours.
"""

from __future__ import annotations

import gc
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from benchmarks.harness import Bench, Row, database, timing
from benchmarks.page_bare import LISTS, LIVE, NEAR, PRODUCT, SHELF, Bare

TITLE = "page: a product page of four placements, against bare SQL for the same rows"
BAR = 2.5
MOST_READS = 8
Asked: TypeAlias = tuple[uuid.UUID, Any]
"""A shopper, and the product of the page."""

PLAIN = f"""
WITH past AS MATERIALIZED (
  SELECT product_id, kind, occurred_at, id FROM reco_interaction
  WHERE site = 1 AND shopper = %(shopper)s AND product_id IS NOT NULL
  ORDER BY occurred_at DESC, id DESC LIMIT 30
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
  WHERE {LIVE} AND p.id <> %(product)s
    AND p.id NOT IN (SELECT product_id FROM past
      WHERE o.spot < 4 AND (kind = 9 OR kind = 6 AND occurred_at >= now() - interval '30 days'))
    AND CASE o.spot
      WHEN 1 THEN i.categories <> (SELECT categories FROM reco_item WHERE product_id = %(product)s)
      WHEN 2 THEN i.categories = (SELECT categories FROM reco_item WHERE product_id = %(product)s)
      ELSE true END
)
SELECT * FROM held WHERE at <= CASE spot WHEN 1 THEN 4 ELSE 8 END ORDER BY spot, at"""


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


class Plain:
    """One statement: what is offered, as far as it is live, in the order of each list."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        import psycopg
        from django.db import connection

        self._sql = PLAIN.format(**names)
        self._cursor = psycopg.Cursor(connection.connection)

    def __call__(self, asked: Asked) -> Any:
        values = {"shopper": asked[0], "product": asked[1]}
        return self._cursor.execute(self._sql, values, prepare=True).fetchall()


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
    warm, asked = asked[:-rounds], asked[-rounds:]
    names = _names()
    forms = _forms(names)
    speed = {name: _median(form, warm) for name, form in forms.items()}
    floor = forms[min(speed, key=speed.__getitem__)]
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
    same = _compared(warm, floor)
    took = timing(_pairs(asked, floor))
    floors = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in speed.items())
    plain = _median(Plain(names), warm) * 1e3
    yield Row.at_most(
        "page of four placements, median",
        took.figure * 1e3,
        took.floor * 1e3,
        BAR,
        ratio=took.figure / took.floor,
        unit="ms",
        note=f"{same}; floors in ms: {floors}; nothing mixed or varied {plain:.2f}",
    )


def _forms(names: Mapping[str, Any]) -> dict[str, Bare]:
    from django.db import connection

    from reco_plugin.models import Run

    space = Run.objects.get(kind="personal").store_state["neighbours"]
    with connection.cursor() as cursor:
        cursor.execute(f"SET hnsw.ef_search = {int(space.get('ef_search') or 40)}")
    return {
        f"{'facts, then live rows' if apart else 'both at once'}, "
        f"{'prepared' if prepared else 'text'}": Bare(apart=apart, prepared=prepared, names=names)
        for apart in (False, True)
        for prepared in (False, True)
    }


def _compared(asked: Sequence[Asked], floor: Bare) -> str:
    """How much of the floor's pages is ours, in words."""
    tiles, placements = 0, []
    for each in asked:
        for slate, rows in zip(_ours(each).values(), floor(each), strict=True):
            tiles += len(slate)
            placements.append([item.key for item in slate] == [row[0] for row in rows])
    share = statistics.mean(placements)
    return f"{tiles / len(asked):.1f} tiles, {share:.1%} of the placements tile by tile the floor's"


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
