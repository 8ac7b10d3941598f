"""How much room our tables take: the figures the operations page tells a shop to plan with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.harness import Bench, Row, database

TITLE = (
    "Room our tables take, per million events and per thousand products (bars: what the docs say)"
)

EVENTS, ITEMS, SHOPPERS = 1_000_000, 60_000, 100_000
IMPRESSIONS = 400_000
MIB = 1024 * 1024
BARS = {"interactions": 400.0, "impressions": 350.0, "vectors": 1.0}
"""MiB per million events, per million impressions, and per thousand products and shoppers of d = 64."""


def run(bench: Bench) -> Iterator[Row]:
    """The floor is the table alone, so that the ratio is what a page of the docs may promise."""
    share = 20 if bench.quick else 1
    with database(key="uuid"), bench.progress(3, "sizes") as bar:
        yield _interactions(EVENTS // share)
        bar.update()
        yield _impressions(IMPRESSIONS // share)
        bar.update()
        yield _vectors(ITEMS // share, SHOPPERS // share)
        bar.update()


def _interactions(rows: int) -> Row:
    from benchmarks.shop.generate import fill_interactions, fill_shop

    fill_shop(2_000)
    fill_interactions(rows, shoppers=rows // 10, items=2_000)
    whole, heap = _size("reco_interaction")
    return _row("interactions, a million (UUID keys)", whole, heap, rows / 1e6, "interactions")


def _impressions(rows: int) -> Row:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reco_impression (site, slate, placement, product_id, position, source, "
            "rung, run, shopper, shown_at) SELECT 1, md5((i / 8)::text)::uuid, 'home', "
            "md5((i %% 2000)::text)::uuid, i %% 8, 'personal', 'personal', 1, "
            "md5((i / 80)::text)::uuid, now() - i * interval '1 second' "
            "FROM generate_series(1, %s) i",
            [rows],
        )
        cursor.execute("VACUUM (ANALYZE) reco_impression")
    whole, heap = _size("reco_impression")
    return _row("impressions, a million (UUID keys)", whole, heap, rows / 1e6, "impressions")


def _vectors(items: int, shoppers: int) -> Row:
    """With an HNSW index on both columns: more than RECO_EXACT_ROWS, but for --quick."""
    from benchmarks.publish import _publish
    from benchmarks.publish import _vectors as made_up

    state = _publish(made_up(items, shoppers, 0), 0)
    sizes = [_size(state[name]) for name in ("items", "shoppers")]
    whole, heap = (sum(column) for column in zip(*sizes, strict=True))
    thousands = (items + shoppers) / 1000
    name = f"vectors of {items:,} products, {shoppers:,} shoppers, per thousand"
    return _row(name, whole, heap, thousands, "vectors")


def _row(name: str, whole: float, heap: float, units: float, bar: str) -> Row:
    """MiB per unit, held against what the docs promise."""
    return Row(
        name=name,
        figure=whole / units / MIB,
        floor=heap / units / MIB,
        ratio=whole / units / MIB,
        bar=BARS[bar],
        unit="MiB",
        note="figure with indexes, floor without",
    )


def _size(table: str) -> tuple[int, int]:
    """Bytes of a table with its indexes and TOAST, and of its rows alone."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size(name), pg_table_size(name) "
            "FROM (SELECT %s::regclass AS name) AS named",
            [table],
        )
        found: tuple[Any, Any] = cursor.fetchone()
        return found
