"""The whole training job beside a bare LightFM.fit.

Figure: `jobs.train.train` on a million interactions: log and catalogue read, weighed and reported on,
training in a child process, artefact, publish and activation; early stopping off, so that exactly the
asked epochs are trained. The evaluation on a hold-out and the look at the finished lists are gates:
they are done in the same job, and told apart.
Floor: `LightFM.fit` of the same interactions, weights and item features in a fresh process, with the
same loss, dimensions, epochs and threads; only the call is timed, everything is in memory before. It is
timed before and after the figure, since the machine may not be as quick all the time.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import harness
from benchmarks.harness import Bench, Row

TITLE = "the whole training job beside a bare LightFM.fit of the same matrix"

BAR = 1.2
TASTES = 50
CONFIG = {"dimensions": 64, "epochs": 10, "patience": 0, "loss": "warp", "learning_rate": 0.05}
THREADS = 2
GATES = ("evaluate", "gates")
"""Stages of the job that judge and do not make."""


def run(bench: Bench) -> list[Row]:
    size, items = (20_000, 1_000) if bench.quick else (1_000_000, 20_000)
    with (
        TemporaryDirectory(prefix="reco-bench-") as folder,
        harness.server(),
        bench.progress(5, "train") as bar,
    ):
        more: dict[str, Any] = {"environ": {"BENCH_FOLDER": folder}}
        harness.create_database("bench_train")
        harness.in_child("benchmarks.train:fill", size=size, items=items, **more)
        bar.update()
        harness.in_child("benchmarks.train:keep_dataset", folder=folder, **more)
        bar.update()
        before = harness.in_child("benchmarks.train:bare_fit", folder=folder, **more).value
        bar.update()
        job = harness.in_child("benchmarks.train:job", **more)
        bar.update()
        after = harness.in_child("benchmarks.train:bare_fit", folder=folder, **more).value
        bar.update()
    return [_row(size, items, job.value, (before, after))]


def _row(size: int, items: int, job: dict[str, Any], floors: tuple[float, float]) -> Row:
    stages = job["timings"]
    judging = sum(stages.get(stage, 0.0) for stage in GATES)
    made = {stage: spent for stage, spent in stages.items() if stage not in GATES}
    told = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in made.items())
    return Row.at_most(
        f"{size:,} interactions, {items:,} items, d = 64, 10 epochs, {THREADS} threads",
        job["seconds"] - judging,
        sum(floors) / 2,
        BAR,
        note=f"{told}; evaluation apart {judging:.1f} s; store {job['store']}; "
        f"floor before and after {floors[0]:.1f} s, {floors[1]:.1f} s",
    )


# --- in children ---------------------------------------------------------------------------------


def fill(size: int, items: int) -> None:
    """A shop and its history; shoppers have some ten events each."""
    harness.connect()
    harness.migrate()
    from benchmarks.shop.generate import fill_interactions, fill_shop

    fill_shop(items)
    fill_interactions(size, shoppers=max(100, size // 10), items=items)
    _give_tastes()


def _give_tastes() -> None:
    """Three of four events move to a fiftieth of the catalogue that is the shopper's own: without
    tastes to learn, a run cannot beat popularity and is rightly not published."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reco_interaction SET product_id = greatest(1, product_id - product_id %% %s"
            " + abs(hashtext(shopper::text)) %% %s)"
            " WHERE product_id IS NOT NULL AND hashtext(event_id::text) %% 4 <> 0",
            [TASTES, TASTES],
        )
        cursor.execute("VACUUM (FULL, ANALYZE) reco_interaction")


def keep_dataset(folder: str) -> None:
    """Write what the job will train on, for the floor to read."""
    harness.connect()
    from reco_plugin.jobs.material import gather
    from reco_plugin.trainers.packing import save_dataset

    save_dataset(_dataset(folder), gather(1).dataset())


def bare_fit(folder: str) -> float:
    """Seconds of the floor."""
    import numpy as np
    from lightfm import LightFM
    from scipy import sparse

    from reco_plugin.trainers.packing import load_dataset

    dataset = load_dataset(_dataset(folder))
    weights = dataset.interactions.tocoo()
    weights.data = weights.data / weights.data.mean()
    interactions = weights.copy()
    interactions.data = np.ones_like(weights.data)
    identity = sparse.identity(len(dataset.items), dtype=np.float32)
    features = sparse.hstack([identity, dataset.item_features.matrix], format="csr") / 2
    model = LightFM(
        no_components=CONFIG["dimensions"],
        loss=CONFIG["loss"],
        learning_rate=CONFIG["learning_rate"],
        max_sampled=30,
        random_state=0,
    )
    return harness.seconds(
        lambda: model.fit(
            interactions,
            item_features=features,
            sample_weight=weights,
            epochs=CONFIG["epochs"],
            num_threads=THREADS,
        )
    )


def job() -> dict[str, Any]:
    """The figure. Ten epochs decide the time, not the worth: the breadth of the lists is no gate here."""
    harness.connect()
    from django.test import override_settings

    from reco_plugin.jobs.train import train

    settings = {"RECO_TRAINER_CONFIG": CONFIG, "RECO_MIN_COVERAGE": 0.0, "RECO_MAX_TOP_SHARE": 1.0}
    with override_settings(**settings):
        found: list[Any] = []
        seconds = harness.seconds(lambda: found.append(train(sync=False, threads=THREADS)))
    if found[0].status != "published":
        raise RuntimeError(f"run {found[0].status}: {found[0].error} {found[0].gates}")
    return {"seconds": seconds, "timings": found[0].timings, "store": found[0].store}


def _dataset(folder: str) -> Path:
    return Path(folder) / "bench-dataset.npz"
