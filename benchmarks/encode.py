"""Encoding pictures: all that a job does with a file, beside the network alone.

Figure: pictures in a second of the job `encode`, from JPEG files on a disk to vectors in PostgreSQL: the files
read through Django storage and checked by their hash, opened in processes of their own, handed to the
encoder's process, looked at, and their vectors copied into the database. From when that process is
ready; how long it takes to start is said.
Floor: pictures in a second of the same network on tensors that lie ready in memory: same batch, same threads.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Row, database, in_child

TITLE = "encoding pictures, from files on disk to vectors in PostgreSQL, beside the bare network"
PICTURES, BATCH, SIZE = 6_000, 64, 96
READY = 512
"""Pictures that lie ready for the bare network, which looks at them again and again."""
BAR = 0.85
CORES = os.cpu_count() or 1


def run(bench: Bench) -> list[Row]:
    count = 256 if bench.quick else PICTURES
    with database(), tempfile.TemporaryDirectory(prefix="reco-bench-") as name:
        from django.test import override_settings

        folder = Path(name)
        with override_settings(
            RECO_CATALOG="benchmarks.pictured.PicturedCatalog",
            RECO_ENCODER="resnet18",
            RECO_ARTEFACT_DIR=folder,
        ):
            path = _prepare(folder, count)
            return [_row(path, count, threads) for threads in sorted({1, CORES})]


def _prepare(folder: Path, count: int) -> Path:
    from benchmarks import pictured
    from benchmarks.shop.generate import fill_shop

    fill_shop(count)
    media = folder / "media"
    media.mkdir()
    storage = pictured.on_disk(media, count)
    pictured.use(storage)
    pictured.known(storage, count)
    run = pictured.encoder_run(pictured.untaught("resnet18", SIZE, flip=True), folder)
    return folder / str(run.artefact)


def _row(path: Path, count: int, threads: int) -> Row:
    environ = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    asked: dict[str, Any] = {"path": str(path), "threads": threads, "count": min(count, 2_000)}
    before = in_child("benchmarks.encode:bare", environ=environ, **asked).value
    ours, start = _job(count, threads)
    after = in_child("benchmarks.encode:bare", environ=environ, **asked).value
    floor = (before + after) / 2
    return Row(
        name=f"resnet18 at {SIZE} px, {threads} of {CORES} cores",
        figure=ours,
        floor=floor,
        ratio=ours / floor,
        bar=BAR,
        least=True,
        unit="pictures/s",
        note=f"{count:,} files, batches of {BATCH}; the process was ready after {start:.1f} s",
    )


def bare(path: str, threads: int, count: int) -> float:
    """Pictures in a second of the network alone, in this process."""
    import numpy as np

    from reco_plugin.encoders import network, resnet, torches
    from reco_plugin.encoders.torches import torch
    from reco_plugin.encoders.weights import load

    weights = load(path)
    torches.threads(threads)
    net = network.build(weights).to(memory_format=torch.channels_last)
    pictures = np.random.default_rng(0).integers(0, 256, (READY, SIZE, SIZE, 3), dtype=np.uint8)
    batches = [
        resnet.prepared(pictures[at : at + BATCH], weights, torch.device("cpu"))
        for at in range(0, READY, BATCH)
    ]
    mirrored = [batch.flip(3) for batch in batches]
    done, began = -BATCH, 0.0
    with torch.inference_mode():
        while done < count:
            for one, other in zip(batches, mirrored, strict=True):
                net(one)
                net(other)
                done += BATCH
                began = began or time.perf_counter()
    return done / (time.perf_counter() - began)


def _job(count: int, threads: int) -> tuple[float, float]:
    """Pictures in a second of the job, and seconds until its process was ready."""
    from django.test import override_settings

    from reco_plugin.encoders.process import EncoderProcess
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import JobLog, PictureVector

    PictureVector.objects.all().delete()
    spent: list[float] = []
    opened = EncoderProcess.__init__

    def timed(self: EncoderProcess, *args: Any) -> None:
        began = time.perf_counter()
        opened(self, *args)
        spent.append(time.perf_counter() - began)

    with override_settings(RECO_TRAIN_THREADS=threads):
        EncoderProcess.__init__ = timed  # type: ignore[method-assign,assignment]
        try:
            found = execute("encode", 1)
        finally:
            EncoderProcess.__init__ = opened  # type: ignore[method-assign]
    if found.error or PictureVector.objects.count() != count:
        raise RuntimeError(
            f"The job did not encode {count} pictures: {found.error or found.report}"
        )
    log = JobLog.objects.filter(name="encode").latest("pk")
    return count / (log.timings["pictures"] - sum(spent)), sum(spent)
