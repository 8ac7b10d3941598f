"""Publish, activate and prune beside readers that never stop and a shop transaction that stays open.

The readers are processes of their own, as web workers are. Each resolves the live run and asks for
the ten nearest, again and again; every answer is compared, key by key and score by score, with what
the run it came from must say, so an answer mixed of two runs, or of half a run, is noticed. Figure:
the slowest read between the start of the first publish and the end of the last prune. Floor: the
median read of the same stretch of time, so that both see the same load of index builds on the
machine's cores. The note says what the publisher was doing at the slowest read, and gives slowest /
median of the readers alone, before and after: what the machine itself does to a read.
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

import numpy as np

from benchmarks.harness import HERE, Bench, Row, connect, database

TITLE = (
    "publish + activate + prune 100 k items while readers loop and a shop transaction stays open"
)
ITEMS, SHOPPERS, DIMENSION = 100_000, 20_000, 64
READERS = max(1, (os.cpu_count() or 2) - 1)
"""An index build keeps one core busy; the readers have the others."""
PAUSE = 0.01
"""Seconds a reader rests between two reads: most of a page is not ours."""
QUERIES = 50
PUBLISHES = 2
BAR = 5.0
SETTLED = 5.0
"""Seconds of reading before the first publish, and after the last prune."""


def run(bench: Bench) -> list[Row]:
    items, shoppers = (5_000, 1_000) if bench.quick else (ITEMS, SHOPPERS)
    with database(), tempfile.TemporaryDirectory(prefix="reco-bench-") as folder:
        seen, steps, states = _measure(bench, Path(folder), items, shoppers)
    return _rows(seen, steps, states, items)


def _measure(
    bench: Bench, folder: Path, items: int, shoppers: int
) -> tuple[list[dict[str, Any]], dict[str, float], list[dict[str, Any]]]:
    from benchmarks.shop.generate import fill_shop

    fill_shop(min(items, 2_000))
    runs = [_vectors(items, shoppers, seed) for seed in range(PUBLISHES + 1)]
    _expect(folder, runs)
    steps: dict[str, float] = {}
    with bench.progress(3 * PUBLISHES + 1, "publish") as bar:
        published = [_publish(runs[0], 0)]
        bar.update()
        with _readers(folder) as seen, _shop_transaction():
            time.sleep(SETTLED)
            _mark("before")
            steps["began"] = time.time()
            published += [
                _cycle(runs[number], number, steps, bar.update)
                for number in range(1, PUBLISHES + 1)
            ]
            steps["ended"] = time.time()
            time.sleep(SETTLED)
    return seen, steps, published


_marks: list[tuple[float, str]] = []


def _mark(doing: str) -> None:
    _marks.append((time.time(), doing))


def _doing(at: float) -> str:
    return next((doing for began, doing in reversed(_marks) if began <= at), "nothing")


def _cycle(vectors: Any, number: int, steps: dict[str, float], tick: Any) -> dict[str, Any]:
    """One publish, activation and prune; adds their seconds to `steps`."""
    from reco_plugin.jobs.prune import prune

    began = time.perf_counter()
    state = _publish(vectors, number, tick)
    middle = time.perf_counter()
    _mark("prune")
    prune(1, "personal", keep=0)
    tick()
    steps["publish"] = steps.get("publish", 0.0) + middle - began
    steps["prune"] = steps.get("prune", 0.0) + time.perf_counter() - middle
    return state


def _publish(vectors: Any, number: int, tick: Any = lambda: None) -> dict[str, Any]:
    from reco_plugin.jobs import publish
    from reco_plugin.models import Run

    run = Run.objects.create(kind="personal", trainer="benchmark", config={"number": number})
    _mark("publish")
    publish.publish(run, vectors, lambda stage, done, total: _mark(f"{stage} {done}/{total}"))
    tick()
    _mark("activate")
    publish.activate(run)
    tick()
    return dict(run.store_state)


def _vectors(items: int, shoppers: int, seed: int) -> Any:
    """Tastes in groups, lengths and biases by popularity: the shape LightFM gives its vectors."""
    from benchmarks.shop.generate import product_keys, shopper_keys
    from reco_plugin.stores.base import Vectors

    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, DIMENSION))
    groups = rng.integers(0, len(centres), items)
    popularity = rng.gamma(2.0, 0.5, items)
    raw = centres[groups] + rng.normal(scale=0.8, size=(items, DIMENSION))
    lengths = 0.6 + 0.5 * np.sqrt(popularity)
    tastes = centres[rng.integers(0, len(centres), (shoppers, 3))].mean(axis=1)
    people = tastes + rng.normal(scale=0.4, size=tastes.shape)
    return Vectors(
        items=product_keys(items),
        item_vectors=_of_length(raw, lengths),
        item_biases=(0.4 * (popularity - popularity.mean())).astype(np.float32),
        shoppers=shopper_keys(shoppers),
        shopper_vectors=_of_length(people, np.full(shoppers, 2.2)),
    )


def _of_length(rows: Any, lengths: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True) * lengths[:, None]).astype(
        np.float32
    )


# --- the readers -----------------------------------------------------------------------------------


def _expect(folder: Path, runs: list[Any]) -> None:
    """What each run says of every item to every query, for the readers to compare with."""
    queries = np.stack([vectors.shopper_vectors[:QUERIES] for vectors in runs])
    scores = np.stack(
        [
            vectors.shopper_vectors[:QUERIES] @ vectors.item_vectors.T + vectors.item_biases
            for vectors in runs
        ]
    )
    np.save(folder / "queries.npy", queries)
    np.save(folder / "scores.npy", scores.astype(np.float32))
    (folder / "keys.json").write_text(json.dumps(runs[0].items.to_python(), default=str))


@contextlib.contextmanager
def _readers(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """Reader processes for the block; their findings are in the list after it."""
    found: list[dict[str, Any]] = []
    code = "import sys; from benchmarks.publish import read; read(*sys.argv[1:])"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(number)],
            env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
        )
        for number in range(READERS)
    ]
    try:
        _wait_for(folder, "ready", children)
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


def _wait_for(folder: Path, name: str, children: list[Any]) -> None:
    for number, child in enumerate(children):
        while not (folder / f"{name}-{number}").exists():
            if child.poll() is not None:
                raise RuntimeError(f"Reader {number} died before it began.")
            time.sleep(0.05)


def read(folder_name: str, number: str) -> None:
    """One reader's life: read until told to stop, then write down what was seen."""
    connect()
    folder = Path(folder_name)
    queries, scores = np.load(folder / "queries.npy"), np.load(folder / "scores.npy", mmap_mode="r")
    keys = json.loads((folder / "keys.json").read_text())
    rows = {str(key): row for row, key in enumerate(keys)}
    gc.collect()
    gc.freeze()
    seen: dict[str, Any] = {"at": [], "seconds": [], "runs": [], "wrong": [], "recall": []}
    for turn in range(10**9):
        if turn == 20:
            (folder / f"ready-{number}").touch()
            for values in seen.values():
                values.clear()
        if (folder / "stop").exists():
            break
        _read_once(turn % QUERIES, queries, scores, rows, seen)
        time.sleep(PAUSE)
    (folder / f"seen-{number}.json").write_text(json.dumps(seen))


def _read_once(query: int, queries: Any, scores: Any, rows: dict[str, int], seen: Any) -> None:
    """Resolve the live run, ask, and compare the answer with what that run must say.

    As on a page: the live run is one SELECT, the answer another; only these are timed.
    """
    from reco_plugin import backends
    from reco_plugin.jobs.publish import active_run, handle

    seen["at"].append(time.time())
    began = time.perf_counter()
    run = active_run(1, "personal")
    assert run is not None
    of = run.config["number"]
    answer = backends.store("pgvector").nearest(handle(run), queries[of][query], 10)
    seen["seconds"].append(time.perf_counter() - began)
    exact = scores[of][query]
    found = np.array([exact[rows[str(one.key)]] for one in answer])
    said = np.array([one.score for one in answer])
    if len(answer) != 10 or not np.allclose(found, said, rtol=1e-3, atol=1e-3):
        seen["wrong"].append(of)
    tenth = np.partition(exact, -10)[-10]
    seen["recall"].append(float(np.mean(found >= tenth - 1e-4)))
    if not seen["runs"] or seen["runs"][-1] != of:
        seen["runs"].append(of)


@contextlib.contextmanager
def _shop_transaction() -> Iterator[None]:
    """A transaction of the shop's that has read our rows, written its own, and goes nowhere."""
    import psycopg

    with psycopg.connect(os.environ["BENCH_DATABASE_URL"]) as connection:
        connection.execute("SELECT * FROM reco_run")
        connection.execute("SELECT * FROM reco_active_run")
        connection.execute("UPDATE shop_product SET price = price + 1")
        yield
        connection.rollback()


# --- the verdict -----------------------------------------------------------------------------------


def _rows(
    seen: list[dict[str, Any]], steps: dict[str, float], states: list[dict[str, Any]], items: int
) -> list[Row]:
    began, ended = steps.pop("began"), steps.pop("ended")
    seconds, alone = _split(seen, began, ended)
    wrong = sum(len(one["wrong"]) for one in seen)
    missed = sum(one["runs"] != list(range(PUBLISHES + 1)) for one in seen)
    slowest, median = max(seconds) * 1e3, statistics.median(seconds) * 1e3
    noise = max(alone) / statistics.median(alone)
    worst = max((took, at) for one in seen for at, took in _during(one, began, ended))
    late = statistics.quantiles(seconds, n=1000)[-1] * 1e3
    recall = statistics.mean(value for one in seen for value in one["recall"])
    kind, each = states[-1]["nearest"]["index"], {k: v / PUBLISHES for k, v in steps.items()}
    return [
        Row.at_most(
            "slowest read",
            slowest,
            median,
            BAR,
            unit="ms",
            note=f"{len(seconds)} reads, p99.9 {late:.1f} ms, {items} items, {kind}, "
            f"recall@10 {recall:.3f}; publish {each['publish']:.1f} s, "
            f"prune {each['prune']:.2f} s; slowest at '{_doing(sum(worst))}'; "
            f"readers alone {noise:.1f}",
        ),
        Row.at_most(
            "answers not of one whole run",
            wrong + missed,
            1.0,
            0.0,
            unit="",
            note=f"every reader went through runs {list(range(PUBLISHES + 1))} in order",
        ),
    ]


def _split(
    seen: list[dict[str, Any]], began: float, ended: float
) -> tuple[list[float], list[float]]:
    """Seconds of the reads beside publishing, and of those before and after."""
    during = [took for one in seen for _, took in _during(one, began, ended)]
    alone = [
        took
        for one in seen
        for at, took in zip(one["at"], one["seconds"], strict=True)
        if at + took < began or at > ended
    ]
    return during, alone


def _during(one: dict[str, Any], began: float, ended: float) -> list[tuple[float, float]]:
    """(start, seconds) of a reader's reads that overlap the publishing."""
    reads = zip(one["at"], one["seconds"], strict=True)
    return [(at, took) for at, took in reads if at + took >= began and at <= ended]
