"""Encoding ten times as many pictures takes no more memory: the worker's, and its encoder's process.

Figure: the most that was resident when 100,000 pictures were looked at and their vectors written. Floor: the
same of 10,000. The pictures are made as they are asked for; each has a content of its own.
What comes after (a run with a vector for every product) grows with the catalogue and is not counted.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import URL, Bench, Row, create_database, in_child, peak_rss, server

TITLE = "memory of encoding 100 k pictures beside 10 k"
MANY, FEW = 100_000, 10_000
SIZE, SIDE = 32, 64
BAR = 1.1


def run(bench: Bench) -> list[Row]:
    many, few = (4_000, 800) if bench.quick else (MANY, FEW)
    with server() as url:
        found = {}
        for count in (few, many):
            os.environ[URL] = url
            create_database(f"bench_{count}")
            found[count] = in_child("benchmarks.encode_memory:encoded", count=count).value
    return [_row(name, at, found, few, many) for at, name in enumerate(("worker", "encoder"))]


def _row(name: str, at: int, found: dict[int, list[float]], few: int, many: int) -> Row:
    return Row.at_most(
        f"{name}, {many:,} pictures beside {few:,}",
        found[many][at],
        found[few][at],
        BAR,
        unit="MiB",
        note="most that was resident",
    )


def encoded(count: int) -> tuple[float, float]:
    """MiB of this process and of its encoder when all pictures were looked at."""
    from benchmarks.harness import connect, migrate

    with tempfile.TemporaryDirectory(prefix="reco-bench-") as name:
        connect()
        migrate()
        from django.test import override_settings

        with override_settings(
            RECO_CATALOG="benchmarks.pictured.PicturedCatalog",
            RECO_ENCODER="resnet18",
            RECO_ARTEFACT_DIR=Path(name),
        ):
            return _encoded(Path(name), count)


def _encoded(folder: Path, count: int) -> tuple[float, float]:
    from benchmarks import pictured
    from reco_plugin.encoders.process import EncoderProcess
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import PictureVector
    from reco_plugin.signals import job_stage_left

    in_child("benchmarks.encode_memory:stock", count=count)  # what that takes is not ours
    in_child("benchmarks.encode_memory:teach", folder=str(folder))
    pictured.use(pictured.Drawn(SIDE))
    most = [0.0, 0.0]
    closed = EncoderProcess.close

    def seen(stage: str, **_: Any) -> None:
        if stage == "pictures":
            most[0] = peak_rss()

    def close(self: EncoderProcess) -> None:
        most[1] = max(most[1], float(self.peak_mib or 0))
        closed(self)

    job_stage_left.connect(seen)
    EncoderProcess.close = close  # type: ignore[method-assign]
    found = execute("encode", 1)
    if found.error or PictureVector.objects.count() != count:
        raise RuntimeError(
            f"The job did not encode {count} pictures: {found.error or found.report}"
        )
    return most[0], most[1]


def stock(count: int) -> None:
    """Fill the shop, and say what the job pictures would."""
    from benchmarks.harness import connect

    connect()
    from benchmarks import pictured
    from benchmarks.shop.generate import fill_shop

    fill_shop(count)
    pictured.known(pictured.Drawn(SIDE), count)


def teach(folder: str) -> None:
    """A small network is live."""
    from benchmarks.harness import connect

    connect()
    from benchmarks import pictured

    pictured.encoder_run(pictured.untaught("student", SIZE, flip=False), Path(folder))
