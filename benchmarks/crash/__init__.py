"""Jobs killed at every stage and at any other moment, taken over, and the books checked each time.

`shop` gives a job something to do, `doing` does it, `moments` says when it dies, `kills` kills it and takes it
over, `books` looks at what is there afterwards, while `reader` asks the live run all the time.
"""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.crash.found import HEARTBEAT, Found
from benchmarks.crash.moments import Moment
from benchmarks.harness import Bench, Row, database

TITLE = "crash: SIGKILL at every stage of every job, then takeover by whoever polls"
KILLS, QUICK = 200, 40
OLD_DAYS = 400
LIGHTFM_EVERY = 12
"""Every so many kills the training is LightFM's."""
LIGHTFM: Mapping[str, Any] = {
    "RECO_TRAINER": "lightfm",
    "RECO_TRAINER_CONFIG": {"dimensions": 8, "epochs": 4},
}
NETWORK_EVERY = 4
"""Every so many kills of its training the encoder is a network on torch: the smallest, for a moment."""
NETWORK: Mapping[str, Any] = {
    "RECO_ENCODER": "resnet18",
    "RECO_ENCODER_WEIGHTS": "none",
    "RECO_ENCODER_CONFIG": {
        "architecture": "student",
        "size": 32,
        "first_size": 32,
        "epochs": 2,
        "validate_every": 1,
        "holdout": 0.5,
    },
}
FEW_CHANGES_FROM = 10
"""Products from which a few changes go into the live visual run: else this shop's would always be made anew."""


def run(bench: Bench) -> list[Row]:
    """Rows over all kills: what was left of each, what the takeover made of it."""
    logging.getLogger("reco_plugin").setLevel(logging.CRITICAL)  # of 200 takeovers
    with tempfile.TemporaryDirectory(prefix="reco-crash-") as folder, database():
        from django.test import override_settings

        with override_settings(**_settings(folder)), _small():
            return _crash(bench, Path(folder)).rows()


def _settings(folder: str) -> dict[str, Any]:
    sees = find_spec("PIL") is not None
    return {
        "RECO_HEARTBEAT_SECONDS": HEARTBEAT,
        "RECO_ARTEFACT_DIR": folder,
        "RECO_CATALOG": "benchmarks.pictured.PicturedCatalog",
        "RECO_TRAINER": "reco_plugin.testing.quick.QuickTrainer",
        "RECO_TRAIN_THREADS": 1,
        "RECO_ENCODER": "reco_plugin.testing.colours.QuickEncoder" if sees else "",
        "RECO_ENCODER_CONFIG": {"holdout": 0.5},
        "RECO_MIN_INTERACTIONS": 100,
        "RECO_MIN_SHOPPERS": 5,
        "RECO_KEEP_RUNS": 2,
        "RECO_SHARD_ITEMS": 50,
        "RECO_RETENTION_DAYS": OLD_DAYS - 5,
    }


@contextmanager
def _small() -> Iterator[None]:
    from unittest.mock import patch

    with patch("reco_plugin.jobs.visual.SMALL", FEW_CHANGES_FROM):
        yield


def _crash(bench: Bench, folder: Path) -> Found:
    from benchmarks.crash import doing, kills, moments, reader
    from benchmarks.crash.shop import Shop

    shop, found = Shop(folder / "pictures"), Found(left_out=doing.left_out())
    known = moments.survey(shop)
    plan = moments.dealt(known, QUICK if bench.quick else KILLS, random.Random(1))
    found.stages = known.stages
    with (
        reader.reading(folder, found),
        bench.progress(len(plan), "kills") as bar,
    ):
        for moment in plan:
            with _as_large_as_life(moment, found):
                kills.kill_and_take_over(moment, known, shop, found)
            bar.update()
    return found


@contextmanager
def _as_large_as_life(moment: Moment, found: Found) -> Iterator[None]:
    """Now and then with what really learns, where it is installed."""
    from django.test import override_settings

    number = sum(found.kills.values())
    with ExitStack() as stack:
        if number % LIGHTFM_EVERY == 0 and find_spec("lightfm"):
            stack.enter_context(override_settings(**LIGHTFM))
        if moment.job == "fine_tune" and _is_networks_turn(found):
            stack.enter_context(override_settings(**NETWORK))
            found.networks += 1
        yield


def _is_networks_turn(found: Found) -> bool:
    is_there = find_spec("torch") is not None and find_spec("torchvision") is not None
    return is_there and found.kills["fine_tune"] % NETWORK_EVERY == NETWORK_EVERY - 1
