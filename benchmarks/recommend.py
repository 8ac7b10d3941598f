"""A personal slate of 8 out of 100 k products, beside the fastest bare SQL that returns the same one.

Both start from nothing but the shopper's id, on the same connection, call by call in turn, a different
shopper each time. The floor is tried in several forms; the fastest counts. Its sessions settings are
made outside the clock, and it hands back plain tuples of the same columns.
"""

from __future__ import annotations

import gc
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from benchmarks.harness import Bench, Row, database, timing

TITLE = "recommend: a personal slate with live filters, against bare SQL for the same slate"
BAR = 2.0
LEAST_RECALL = 0.95
LIMIT = 8
CANDIDATES = 32

PRODUCT = """
  p.id, p.title, p.description, p.category_id, p.brand, p.price, p.is_active,
  c.id, c.name, c.parent_id, r.id, r.name, r.parent_id"""
SHELF = (
    "JOIN shop_category c ON c.id = p.category_id LEFT JOIN shop_category r ON r.id = c.parent_id"
)
STOCK = "(SELECT sum(s.quantity) FROM shop_stockrecord s WHERE s.product_id = p.id)"
LIVE = f"""
SELECT near.score, {PRODUCT} FROM near JOIN shop_product p ON p.id = near.key {SHELF}
WHERE p.is_active AND p.price > 0 AND {STOCK} > 0 AND NOT p.id = ANY(%(left_out)s)
ORDER BY near.score DESC LIMIT {LIMIT}"""
LIVE_GROUPED = f"""
SELECT near.score, {PRODUCT}, sum(s.quantity) FROM near JOIN shop_product p ON p.id = near.key {SHELF}
JOIN shop_stockrecord s ON s.product_id = p.id
WHERE p.is_active AND p.price > 0 AND NOT p.id = ANY(%(left_out)s)
GROUP BY near.score, p.id, c.id, r.id HAVING sum(s.quantity) > 0
ORDER BY near.score DESC LIMIT {LIMIT}"""
NEAR = """
WITH near AS MATERIALIZED (
  SELECT key, -(folded <#> %(query)s::vector) AS score FROM (
    SELECT key, folded FROM {items}
    ORDER BY (folded::{held}({dimension})) <#> %(query)s::{held} LIMIT {candidates}
  ) first ORDER BY score DESC LIMIT {wanted}
)"""
EXACT = """
WITH near AS MATERIALIZED (
  SELECT key, -(folded <#> %(query)s::vector) AS score FROM {items}
)"""
HISTORY = """
SELECT e.product_id, e.kind, e.occurred_at, vector_send(i.embedding) FROM (
  SELECT product_id, kind, occurred_at, id FROM reco_interaction
  WHERE site = 1 AND shopper = %s AND product_id IS NOT NULL
  ORDER BY occurred_at DESC, id DESC LIMIT 30
) e LEFT JOIN {items} i ON i.key = e.product_id ORDER BY e.occurred_at DESC, e.id DESC"""

TASTE = """
WITH past AS MATERIALIZED (
  SELECT product_id, kind, occurred_at, id FROM reco_interaction
  WHERE site = 1 AND shopper = %(shopper)s AND product_id IS NOT NULL
  ORDER BY occurred_at DESC, id DESC LIMIT 30
), telling AS (
  SELECT i.embedding, ('{weights}'::real[])[e.kind] * {recency} ^ (row_number() OVER newest - 1)
    * 0.5 ^ (extract(epoch FROM max(e.occurred_at) OVER () - e.occurred_at) / 7776000) AS weight
  FROM past e JOIN {items} i ON i.key = e.product_id WHERE ('{weights}'::real[])[e.kind] <> 0
  WINDOW newest AS (ORDER BY e.occurred_at DESC, e.id DESC)
), taste AS MATERIALIZED (
  SELECT l2_normalize(sum(embedding * array_fill(weight::real, ARRAY[{width}])::vector))
    * array_fill({norm}::real, ARRAY[{width}])::vector || '[1]'::vector AS query FROM telling
), near AS MATERIALIZED (
  SELECT key, -(folded <#> (SELECT query FROM taste)) AS score FROM (
    SELECT key, folded FROM {items}
    ORDER BY (folded::{held}({dimension})) <#> (SELECT query::{held}({dimension}) FROM taste)
    LIMIT {candidates}
  ) first ORDER BY score DESC LIMIT {wanted}
)"""
LEFT_OUT = """(
  SELECT product_id FROM past WHERE kind = 9 OR kind = 6 AND occurred_at >= now() - interval '30 days'
)"""


def run(bench: Bench) -> list[Row]:
    """Rows for the statements, the recall and the time."""
    items, events, people = (5_000, 60_000, 3_000) if bench.quick else (100_000, 1_000_000, 50_000)
    with database():
        with bench.progress(4, "shop, history, training, publishing") as bar:
            shoppers = _prepare(items, events, people, bench.quick, bar.update)
        return _measure(shoppers, 200 if bench.quick else 1_000)


# --- the shop ------------------------------------------------------------------------------------


def _prepare(
    items: int, events: int, people: int, quick: bool, tick: Callable[[], object]
) -> list[uuid.UUID]:
    from django.conf import settings

    from benchmarks.shop.generate import fill_interactions, fill_shop, shopper_keys

    if quick:
        settings.RECO_EXACT_ROWS = 1_000
    fill_shop(items)
    tick()
    fill_interactions(events, shoppers=people, items=items)
    tick()
    _train_and_publish(tick)
    keys = shopper_keys(people).to_python()
    return [key for key in keys if isinstance(key, uuid.UUID)]


def _train_and_publish(tick: Callable[[], object]) -> None:
    from django.db import connection

    from reco_plugin import backends
    from reco_plugin.datasets.build import build
    from reco_plugin.datasets.reading import read_log
    from reco_plugin.models import ActiveRun, Run, RunStatus
    from reco_plugin.stores.base import Handle, Vectors
    from reco_plugin.trainers import process
    from reco_plugin.trainers.foldin import mean_norm

    dataset = build(read_log(1))
    learnt = process.run("lightfm", {"dimensions": 64, "epochs": 5}, dataset, threads=2)
    tick()
    run = Run.objects.create(
        kind="personal",
        trainer="lightfm",
        status=RunStatus.PUBLISHED,
        config={"shopper_vector": "fold_in"},
        dataset={"norm": mean_norm(learnt.shopper_vectors)},
        store=backends.store().name,
    )
    vectors = Vectors(
        items=dataset.items,
        item_vectors=learnt.item_vectors,
        item_biases=learnt.item_biases,
        shoppers=dataset.shoppers,
        shopper_vectors=learnt.shopper_vectors,
    )
    run.store_state = backends.store().publish(Handle(run=run.pk), vectors)
    run.save()
    ActiveRun.objects.create(kind="personal", run=run)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    tick()


# --- the floor -----------------------------------------------------------------------------------


class Bare:
    """The same slate in plain SQL. `prepared` keeps the server's plan; otherwise text each time."""

    def __init__(self, live: str, *, prepared: bool, exact: bool = False) -> None:
        import psycopg
        from django.db import connection

        from reco_plugin.models import Run

        run = Run.objects.get()
        names = _names(run)
        self.norm = run.dataset["norm"]
        self.history = HISTORY.format(**names)
        self.nearest = (EXACT if exact else NEAR).format(**names) + live
        self.prepared = prepared
        raw = connection.connection
        self.cursor = psycopg.Cursor(raw) if prepared else psycopg.ClientCursor(raw)

    def __call__(self, shopper: uuid.UUID) -> list[tuple[Any, ...]]:
        self.cursor.execute(self.history, [shopper], prepare=self.prepared or None)
        events = self.cursor.fetchall()
        values = {"query": self._query(events), "left_out": _left_out(events)}
        self.cursor.execute(self.nearest, values, prepare=self.prepared or None)
        return self.cursor.fetchall()

    def _query(self, events: Sequence[tuple[Any, ...]]) -> str:
        known = [event for event in events if event[3] is not None and WEIGHT.get(event[1])]
        rows = np.frombuffer(b"".join(bytes(event[3])[4:] for event in known), dtype=">f4")
        rows = rows.reshape(len(known), -1).astype(np.float64)
        newest = known[0][2]
        days = np.array([(newest - event[2]).total_seconds() for event in known]) / 86_400
        weights = np.array([WEIGHT[event[1]] for event in known]) * RECENCY ** np.arange(len(known))
        summed = (weights * 0.5 ** (days / 90)) @ rows
        vector = summed * (self.norm / np.sqrt(summed @ summed))
        return str([*vector.astype(np.float32).tolist(), 1.0])


class Whole:
    """The same slate in one statement: the taste is folded in by the database."""

    def __init__(self, live: str, *, prepared: bool) -> None:
        import psycopg
        from django.db import connection

        from reco_plugin.models import Run

        live = live.replace("NOT p.id = ANY(%(left_out)s)", f"p.id NOT IN {LEFT_OUT}")
        self.query = (TASTE + live).format(**_names(Run.objects.get()))
        self.prepared = prepared
        raw = connection.connection
        self.cursor = psycopg.Cursor(raw) if prepared else psycopg.ClientCursor(raw)

    def __call__(self, shopper: uuid.UUID) -> list[tuple[Any, ...]]:
        self.cursor.execute(self.query, {"shopper": shopper}, prepare=self.prepared or None)
        return self.cursor.fetchall()


def _names(run: Any) -> dict[str, Any]:
    space = run.store_state["nearest"]
    return {
        "items": '"' + run.store_state["items"] + '"',
        "held": space.get("held_as") or "vector",
        "dimension": run.store_state["dimension"] + 1,
        "width": run.store_state["dimension"],
        "candidates": 2 * CANDIDATES,
        "wanted": CANDIDATES,
        "norm": run.dataset["norm"],
        "recency": RECENCY,
        "weights": "{" + ",".join(str(WEIGHT.get(kind, 0.0)) for kind in range(1, 11)) + "}",
    }


Floor: TypeAlias = Bare | Whole
RECENCY = 0.8
WEIGHT = {1: 1.0, 2: 1.0, 5: 2.0, 3: 3.0, 4: -2.0, 6: 5.0, 8: 4.0, 9: -5.0}


def _left_out(events: Sequence[tuple[Any, ...]]) -> list[Any]:
    since = time.time() - 30 * 86_400
    return [
        key for key, kind, at, _ in events if kind == 9 or (kind == 6 and at.timestamp() >= since)
    ]


def _forms() -> dict[str, Floor]:
    shapes = (("correlated", LIVE), ("grouped", LIVE_GROUPED))
    ways: dict[str, type[Floor]] = {"two statements": Bare, "one statement": Whole}
    return {
        f"{way}, {shape}, {'prepared' if prepared else 'text'}": form(live, prepared=prepared)
        for way, form in ways.items()
        for shape, live in shapes
        for prepared in (True, False)
    }


# --- measuring -----------------------------------------------------------------------------------


def _measure(shoppers: list[uuid.UUID], repeats: int) -> list[Row]:
    asked = _with_taste(shoppers, repeats + 400)
    warm, asked = asked[:400], asked[400:]
    _session()
    forms = _forms()
    speed = {name: _median(form, warm) for name, form in forms.items()}
    best = min(speed, key=speed.__getitem__)
    for shopper in warm:
        _ours(shopper)
    most = max(_statements(shopper) for shopper in warm[-100:])
    pairs = _pairs(asked, forms[best])
    took = timing(pairs)
    same, recall, floor_recall = _compare(warm[:100], forms[best])
    floors = ", ".join(f"{name} {seconds * 1e3:.2f}" for name, seconds in speed.items())
    return [
        Row.at_most(
            "reading statements",
            most,
            1,
            3,
            unit="reads",
            ratio=most,
            note="the most of 100 slates",
        ),
        Row.at_least(
            "recall@8 of the slate, live filters applied",
            recall,
            1.0,
            LEAST_RECALL,
            ratio=recall,
            unit="",
            note=f"floor {floor_recall:.3f}; {same:.0%} alike",
        ),
        Row.at_most(
            "personal slate, median",
            took.figure * 1e3,
            took.floor * 1e3,
            BAR,
            ratio=took.figure / took.floor,
            unit="ms",
            note=f"floors in ms: {floors}",
        ),
    ]


def _session() -> None:
    """What the store sets for itself with every read, the floor has for the whole session."""
    from django.db import connection

    from reco_plugin.models import Run

    ef_search = int(Run.objects.get().store_state["nearest"].get("ef_search") or 40)
    with connection.cursor() as cursor:
        cursor.execute(f"SET hnsw.ef_search = {ef_search}")


def _with_taste(shoppers: list[uuid.UUID], wanted: int) -> list[uuid.UUID]:
    """Shoppers with at least three views, so that there is a vector to match."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shopper FROM reco_interaction WHERE kind IN (1, 3, 6) GROUP BY shopper "
            "HAVING count(*) BETWEEN 3 AND 60 ORDER BY shopper LIMIT %s",
            [wanted],
        )
        return [row[0] for row in cursor.fetchall()]


def _ours(shopper: uuid.UUID) -> Any:
    from reco_plugin.serving import recommend
    from reco_plugin.types import Shopper

    return recommend("personal", shopper=Shopper(id=shopper), limit=LIMIT)


def _median(form: Callable[[uuid.UUID], object], shoppers: Sequence[uuid.UUID]) -> float:
    for shopper in shoppers[:20]:
        form(shopper)
    return statistics.median(_seconds(form, shopper) for shopper in shoppers)


def _seconds(call: Callable[[uuid.UUID], object], shopper: uuid.UUID) -> float:
    began = time.perf_counter()
    call(shopper)
    return time.perf_counter() - began


def _pairs(shoppers: Sequence[uuid.UUID], floor: Floor) -> list[tuple[float, float]]:
    """Each shopper is asked for by both; who goes first alternates, since the second finds pages warm."""
    pairs = []
    gc.collect()
    for turn, shopper in enumerate(shoppers):
        if turn % 2:
            bare = _seconds(floor, shopper)
            pairs.append((_seconds(_ours, shopper), bare))
        else:
            mine = _seconds(_ours, shopper)
            pairs.append((mine, _seconds(floor, shopper)))
    return pairs


def _statements(shopper: uuid.UUID) -> float:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        _ours(shopper)
    return float(sum(" FROM " in query["sql"] for query in captured))


def _compare(shoppers: Sequence[uuid.UUID], floor: Floor) -> tuple[float, float, float]:
    """Share of our tiles that the floor shows too, and the recall of both against an exact scan."""
    exact = Bare(LIVE, prepared=False, exact=True)
    alike, mine, bare = [], [], []
    for shopper in shoppers:
        truth = {row[1] for row in exact(shopper)}
        ours, theirs = {item.key for item in _ours(shopper)}, {row[1] for row in floor(shopper)}
        alike.append(len(ours & theirs) / max(1, len(ours)))
        mine.append(len(ours & truth) / max(1, len(truth)))
        bare.append(len(theirs & truth) / max(1, len(truth)))
    return statistics.mean(alike), statistics.mean(mine), statistics.mean(bare)
