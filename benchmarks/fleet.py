"""Batch work of a large shop by two workers of one thread each, beside one.

Each worker is a process; the one that has the job splits it, the other one helps as a Celery worker does.
The database server works on the same processors, so what it spends cannot be had twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Bench, Row, connect, database, in_child, timing

TITLE = (
    "batch work by two workers of one thread each beside one: sync and scoring of 200 k products"
)
BAR = 1.6
ITEMS = 200_000
DIMENSION = 64
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def run(bench: Bench) -> Iterator[Row]:
    items = 20_000 if bench.quick else ITEMS
    os.environ.update(ONE_THREAD)
    with database():
        from benchmarks.shop.generate import fill_shop

        keys = fill_shop(items)
        with bench.progress(8, "fleet") as bar:
            yield _row(f"sync of {items:,} new products", _sync, 3, bar.update)
            yield _row(f"sync of {items:,} products as before", lambda: None, 3, bar.update)
            _publish(keys)
            yield _row(f"scoring of {items:,} products", _score, 1, bar.update)


def _row(name: str, prepare: Callable[[], None], repeats: int, tick: Callable[[], object]) -> Row:
    job = name.split(maxsplit=1)[0].replace("scoring", "score").replace("sync", "sync_items")
    pairs = []
    for _ in range(repeats):
        alone, together = _measured(job, prepare, helpers=0), _measured(job, prepare, helpers=1)
        pairs.append((together, alone))
        tick()
    found = timing(pairs)
    return Row.at_least(
        name, found.figure, found.floor, BAR, ratio=1 / found.ratio, note=f"{os.cpu_count()} cores"
    )


def _measured(job: str, prepare: Callable[[], None], *, helpers: int) -> float:
    prepare()
    with _helping(helpers):
        found = in_child("benchmarks.fleet:lead", environ=ONE_THREAD, job=job)
    return float(found.value)


# --- what the workers do -------------------------------------------------------------------------


def lead(job: str) -> float:
    """In a process of its own: do the job, together with whoever helps; seconds."""
    connect()
    from reco_plugin.jobs import score, sync_items  # noqa: F401  not to be timed
    from reco_plugin.jobs.running.execute import execute

    began = time.perf_counter()
    found = execute(job, 1)
    seconds = time.perf_counter() - began
    if found.outcome != "done":
        raise RuntimeError(f"{job}: {found}")
    return seconds


def helper(ready: str) -> None:
    """In a process of its own: help whenever there is something to help with."""
    connect()
    from reco_plugin.jobs import score, sync_items  # noqa: F401
    from reco_plugin.jobs.running.shards import help_out

    Path(ready).touch()
    while True:
        if not help_out(1):
            time.sleep(0.05)


@contextmanager
def _helping(helpers: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder:
        files = [Path(folder) / str(number) for number in range(helpers)]
        code = "import sys; from benchmarks.fleet import helper; helper(sys.argv[1])"
        running = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for file in files]
        try:
            while not all(file.exists() for file in files):
                time.sleep(0.05)
            yield
        finally:
            for process in running:
                process.kill()
                process.wait()


# --- the data ------------------------------------------------------------------------------------


def _sync() -> None:
    """No item is known yet."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE reco_item CASCADE")


def _score() -> None:
    """No list is made yet."""
    from django.db import connection

    from reco_plugin.models import Run

    Run.objects.update(config={})
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE reco_neighbours")


def _publish(keys: object) -> None:
    """A live run of vectors in clusters, scanned exactly: building an index is not what is measured."""
    import numpy as np
    from django.test import override_settings

    from reco_plugin.jobs.publish import activate, publish
    from reco_plugin.models import Run
    from reco_plugin.stores.base import Vectors
    from reco_plugin.types import IdMap, id_map

    assert isinstance(keys, IdMap)
    random = np.random.default_rng(0)
    centres = random.normal(size=(200, DIMENSION))
    points = centres[random.integers(200, size=len(keys))] + random.normal(
        size=(len(keys), DIMENSION)
    )
    vectors = Vectors(
        items=keys,
        item_vectors=points.astype(np.float32),
        item_biases=np.zeros(len(keys), np.float32),
        shoppers=id_map([]),
        shopper_vectors=np.zeros((0, DIMENSION), np.float32),
    )
    run = Run.objects.create(kind="personal", trainer="made up")
    with override_settings(RECO_EXACT_ROWS=len(keys)):
        publish(run, vectors)
    activate(run)
