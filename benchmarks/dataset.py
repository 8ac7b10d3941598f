"""From interactions in PostgreSQL to the matrix a trainer learns from.

Figure: `read_log` and `build_reported`: binary COPY, id maps, repetitions and clock skew left out,
weights, decay, daily cap, refunds, and the data-quality report.
Floors, as plainly as can be: a bare binary COPY of the same columns, read and thrown away by the same
process; and a server-side cursor feeding `lightfm.data.Dataset`, which weighs kinds and does no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import harness
from benchmarks.harness import Bench, Row

TITLE = "interactions in PostgreSQL → weighted sparse matrix with its quality report"

COPY_BAR = 2.0
LIGHTFM_BAR = 1.5
MEMORY_BAR_MB = 2048
SITE = 1


def run(bench: Bench) -> Iterator[Row]:
    sizes = (20_000,) if bench.quick else (1_000_000, 10_000_000)
    with harness.server(), bench.progress(2 * len(sizes) * 4, "dataset") as bar:
        for key in ("int", "uuid"):
            for size in sizes:
                yield from _measure(key, size, bar)


def _measure(key: str, size: int, bar: Any) -> Iterator[Row]:
    name, database = f"{size:,} rows, {key} keys", f"bench_{key}_{size}"

    def child(function: str) -> harness.Child:
        environ = {harness.KEY: key}
        found = harness.in_child(f"benchmarks.dataset:{function}", environ=environ, size=size)
        bar.update()
        return found

    harness.create_database(database)
    child("fill")
    paired = child("against_copy").value
    yield Row.at_most(f"{name}: bare COPY", bar=COPY_BAR, **paired)
    alone = child("alone")
    note = "peak resident set of a fresh process; the floor is the limit"
    yield Row.at_most(f"{name}: memory", alone.peak_mb, MEMORY_BAR_MB, 1.0, unit="MiB", note=note)
    slow = child("cursor_to_lightfm").value
    yield Row.at_least(f"{name}: cursor to lightfm", alone.value, slow, LIGHTFM_BAR)
    harness.drop_database(database)


# --- in children ---------------------------------------------------------------------------------


def fill(size: int) -> None:
    """A database of `size` interactions; shoppers have some ten each."""
    harness.connect()
    harness.migrate()
    from benchmarks.shop.generate import fill_interactions, fill_shop

    fill_shop(items_for(size))
    fill_interactions(size, shoppers=max(100, size // 10), items=items_for(size), indexes=False)


def items_for(size: int) -> int:
    return 20_000 if size >= 1_000_000 else 1_000


def against_copy(size: int) -> dict[str, Any]:
    """Figure and bare COPY in turn."""
    harness.connect()
    found = harness.interleave(build, bare_copy, repeats=5 if size < 5_000_000 else 3)
    matrix, kept = build()
    note = f"{kept:,} kept, {matrix:,} in the matrix"
    return {"figure": found.figure, "floor": found.floor, "ratio": found.ratio, "note": note}


def alone(size: int) -> float:
    """Seconds of the figure, by itself in its process."""
    harness.connect()
    import reco_plugin.datasets  # noqa: F401  (its import is not what is timed)

    return harness.seconds(build)


def build() -> tuple[int, int]:
    """The figure."""
    from benchmarks.shop.generate import END
    from reco_plugin.datasets import EventWeights, build_reported, read_log

    built = build_reported(read_log(SITE, now=END), weights=EventWeights(), now=END)
    return built.report.interactions, built.report.kept


def bare_copy() -> None:
    """The floor."""
    from django.db import connection

    query = (
        "COPY (SELECT shopper, product_id, kind, occurred_at, quantity, rating FROM reco_interaction) "
        "TO STDOUT (FORMAT BINARY)"
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for _ in copy:
            pass


def cursor_to_lightfm(size: int) -> float:
    """Seconds of the other floor."""
    harness.connect()
    from lightfm.data import Dataset

    from reco_plugin.datasets.weights import DEFAULTS

    weights = {int(kind): weight for kind, weight in DEFAULTS.items()}
    table = "reco_interaction WHERE product_id IS NOT NULL"

    def feed() -> None:
        dataset = Dataset()
        dataset.fit(
            (row[0] for row in _stream(f"SELECT DISTINCT shopper FROM {table}")),
            (row[0] for row in _stream(f"SELECT DISTINCT product_id FROM {table}")),
        )
        rows = _stream(f"SELECT shopper, product_id, kind FROM {table}")
        dataset.build_interactions((shopper, item, weights[kind]) for shopper, item, kind in rows)

    return harness.seconds(feed)


def _stream(query: str) -> Any:
    from django.db import connection, transaction

    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.cursor.itersize = 10_000
        cursor.execute(query)
        yield from cursor
