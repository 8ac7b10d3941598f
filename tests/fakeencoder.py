"""The quick encoder, and what may go wrong with one: it dies of a picture, hangs, learns nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reco_plugin.encoders.packing import Lesson
from reco_plugin.encoders.registry import Told, Way
from reco_plugin.encoders.weights import Weights, load
from reco_plugin.testing import colours
from reco_plugin.testing.colours import DIMENSION, SIZE, weights

__all__ = ["DIMENSION", "NAME", "SIZE", "Colours", "Looking", "weights"]

NAME = "fakeencoder.Colours"


class Looking(colours.Looking):
    """An Encoder."""

    def encode(self, pictures: Any) -> Any:
        if (pictures[:, 0, 0] == 13).all(axis=1).any():
            os.kill(os.getpid(), signal.SIGSEGV)
        if (pictures[:, 0, 0] == 14).all(axis=1).any():
            time.sleep(60)
        return super().encode(pictures)


class Colours(colours.QuickEncoder):
    """A `registry.Kind`. It learns at once."""

    def size(self, config: Mapping[str, Any]) -> int:
        return SIZE

    def fine_tune(
        self, lesson: Lesson, config: Mapping[str, Any], start: Weights | None, way: Way, told: Told
    ) -> colours.Taught:
        if config.get("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        found = super().fine_tune(lesson, {}, start, way, told)
        if config.get("blind"):
            found = replace(found, weights=weights(way.seed, 0.01 * way.seed, blind=True))
        return replace(found, metrics={**found.metrics, "start score": config.get("start", 0.1)})

    def resized(self, pictures: Any, size: int) -> Any:
        assert pictures.shape[1:] == (size, size, 3)
        return pictures

    def export(
        self, weights: Weights, path: Path, sample: Lesson, threads: int
    ) -> Mapping[str, Any]:
        path.write_bytes(b"for requests")
        return {"files": {"fp32": {"name": path.name}}, "best": "fp32"}

    def open(self, path: Path, sha256: str, *, device: str, threads: int) -> Looking:
        return Looking(load(path, sha256 or None))


class Strange(Colours):
    """Another kind, whose weights are called otherwise: neither can open what the other has taught."""

    def fine_tune(
        self, lesson: Lesson, config: Mapping[str, Any], start: Weights | None, way: Way, told: Told
    ) -> colours.Taught:
        found = super().fine_tune(lesson, config, start, way, told)
        arrays = {"strange": found.weights.arrays["matrix"]}
        return replace(found, weights=replace(found.weights, arrays=arrays))

    def open(self, path: Path, sha256: str, *, device: str, threads: int) -> Looking:
        learnt = load(path, sha256 or None)
        return Looking(replace(learnt, arrays={"matrix": np.array(learnt.arrays["strange"])}))
