"""Retention beside serving: what two million deletions do to the slowest pages.

Readers are processes of their own, as web workers are: each asks for personal slates, another shopper
every time, at a page's pace. Figure: the 99th percentile of `recommend()` while retention lets go of
the oldest fifth of the interactions. Floor: the same percentile of the same readers before it began.
Everything else is as in a shop's night: days are rolled up before they are emptied.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import HERE, Bench, Row, connect, database

TITLE = "retention of 2 M of 10 M interactions while slates are served"
EVENTS, PEOPLE, ITEMS = 10_000_000, 200_000, 20_000
SHARE = 0.2
READERS = max(1, (os.cpu_count() or 2) - 1)
"""The database has the other core, and deletes with it."""
PAUSE = 0.01
"""Seconds a reader rests between two slates: most of a page is not ours."""
LIMIT = 8
ASKED = 2_000
"""Shoppers a reader goes round."""
BAR = 2.0
ALONE = 40.0
"""Seconds of serving that are measured before retention begins."""


def run(bench: Bench) -> list[Row]:
    events, people, items = (200_000, 5_000, 3_000) if bench.quick else (EVENTS, PEOPLE, ITEMS)
    with database(), tempfile.TemporaryDirectory(prefix="reco-bench-") as folder:
        with bench.progress(events, "history") as bar:
            _prepare(events, people, items, bar.update)
        wanted = _choose_retention(events)
        with _readers(Path(folder)) as seen:
            time.sleep(5.0 if bench.quick else ALONE)
            began = time.time()
            with bench.progress(wanted, "retention") as bar:
                removed = _retain(bar)
            ended = time.time()
        return _rows(seen, began, ended, removed, wanted)


# --- the shop ------------------------------------------------------------------------------------


def _prepare(events: int, people: int, items: int, tick: Any) -> None:
    from django.conf import settings
    from django.db import connection

    from benchmarks.publish import _vectors
    from benchmarks.shop.generate import fill_interactions, fill_shop
    from reco_plugin.jobs import publish
    from reco_plugin.models import Run

    settings.RECO_EXACT_ROWS = 1_000
    fill_shop(items)
    fill_interactions(events, shoppers=people, items=items, tick=tick)
    run = Run.objects.create(
        kind="personal",
        trainer="benchmark",
        config={"shopper_vector": "fold_in"},
        dataset={"norm": 2.2},
    )
    publish.publish(run, _vectors(items, people, 0))
    publish.activate(run)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _choose_retention(events: int) -> int:
    """Set RECO_RETENTION_DAYS so that the oldest SHARE goes; returns how many rows that is, in days."""
    from django.conf import settings

    from reco_plugin import clock
    from reco_plugin.jobs.aging import prune_events
    from reco_plugin.models import Interaction

    rows = Interaction.objects.order_by("occurred_at").values_list("occurred_at", flat=True)
    edge = rows[round(events * SHARE)]
    settings.RECO_RETENTION_DAYS = (clock.now().date() - edge.date()).days
    return prune_events(1, dry_run=True)[0].rows


def _retain(bar: Any) -> int:
    from reco_plugin.jobs.aging import prune_events

    def progress(stage: str, done: int, total: int) -> None:
        bar.update(done - bar.n)

    return prune_events(1, progress=progress)[0].rows


# --- the readers -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _readers(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """Reader processes for the block; what they saw is in the list after it."""
    found: list[dict[str, Any]] = []
    code = "import sys; from benchmarks.prune import read; read(*sys.argv[1:])"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(number)],
            env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
        )
        for number in range(READERS)
    ]
    try:
        for number, child in enumerate(children):
            while not (folder / f"ready-{number}").exists():
                if child.poll() is not None:
                    raise RuntimeError(f"Reader {number} died before it began.")
                time.sleep(0.05)
        yield found
        (folder / "stop").touch()
        for number, child in enumerate(children):
            if child.wait(timeout=60) != 0:
                raise RuntimeError(f"Reader {number} died; see its message above.")
            found.append(json.loads((folder / f"seen-{number}.json").read_text()))
    finally:
        for child in children:
            child.kill()
            child.wait()


def read(folder_name: str, number: str) -> None:
    """One reader's life: ask until told to stop, then write down how long each slate took."""
    connect()
    folder, asked = Path(folder_name), _shoppers(int(number))
    gc.collect()
    gc.freeze()
    seen: dict[str, list[float]] = {"at": [], "seconds": [], "short": []}
    for turn in range(10**9):
        if turn == len(asked):
            (folder / f"ready-{number}").touch()
            for values in seen.values():
                values.clear()
        if (folder / "stop").exists():
            break
        _read_once(asked[turn % len(asked)], seen)
        if turn >= len(asked):
            time.sleep(PAUSE)
    (folder / f"seen-{number}.json").write_text(json.dumps(seen))


def _shoppers(number: int) -> list[Any]:
    """Active ones, so that every slate has a history to read; each reader has others."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shopper FROM reco_interaction WHERE mod(id, 97) = %s GROUP BY shopper "
            "ORDER BY shopper LIMIT %s",
            [number, ASKED],
        )
        return [row[0] for row in cursor.fetchall()]


def _read_once(shopper: Any, seen: dict[str, list[float]]) -> None:
    from reco_plugin.serving import recommend
    from reco_plugin.types import Shopper

    seen["at"].append(time.time())
    began = time.perf_counter()
    slate = recommend("personal", shopper=Shopper(id=shopper), limit=LIMIT)
    seen["seconds"].append(time.perf_counter() - began)
    if len(slate) < LIMIT:
        seen["short"].append(len(slate))


# --- the verdict -----------------------------------------------------------------------------------


def _rows(
    seen: list[dict[str, Any]], began: float, ended: float, removed: int, wanted: int
) -> list[Row]:
    alone = [took for one in seen for at, took in _reads(one) if at + took < began]
    beside = [took for one in seen for at, took in _reads(one) if began <= at <= ended]
    short = sum(len(one["short"]) for one in seen)
    took = ended - began
    return [
        Row.at_most(
            "slowest hundredth of slates",
            _p99(beside) * 1e3,
            _p99(alone) * 1e3,
            BAR,
            unit="ms",
            note=f"{removed:,} rows in {took:.0f} s; {len(beside):,} slates beside it, {len(alone):,} "
            f"before; median {statistics.median(beside) * 1e3:.1f} against "
            f"{statistics.median(alone) * 1e3:.1f} ms, slowest {max(beside) * 1e3:.0f} against "
            f"{max(alone) * 1e3:.0f}; {short} short slates",
        ),
        Row.at_most(
            "rows too old that stayed, or that no total counts",
            abs(wanted - removed) + _uncounted(removed) + _left(),
            1.0,
            0.0,
            unit="",
            note="the daily totals of the emptied days hold every one",
        ),
    ]


def _reads(one: dict[str, Any]) -> Iterator[tuple[float, float]]:
    return zip(one["at"], one["seconds"], strict=True)


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[-1]


def _uncounted(removed: int) -> int:
    from django.db.models import Sum

    from reco_plugin.models import DailyTotal

    totals = DailyTotal.objects.exclude(name="pruned").aggregate(rows=Sum("count"))
    return abs(removed - int(totals["rows"] or 0))


def _left() -> int:
    from reco_plugin.jobs.aging import prune_events

    return prune_events(1, dry_run=True)[0].rows
