"""An encoder that learns at once and needs no extra: it looks at mean colours. For tests of what is around one.

RECO_ENCODER = "reco_plugin.testing.colours.QuickEncoder"

Its processes import neither torch nor Django.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.packing import Lesson
from reco_plugin.encoders.registry import Told, Way
from reco_plugin.encoders.sampling import held_out
from reco_plugin.encoders.weights import Weights, load
from reco_plugin.types import Floats

NAME = "reco_plugin.testing.colours.QuickEncoder"
SIZE = 16
DIMENSION = 13
HOLDOUT = 0.2


def weights(seed: int = 0, turned: float = 0.0, *, blind: bool = False) -> Weights:
    """A network whose embedding is a turn of the colours; a blind one sees the same everywhere."""
    random = np.random.default_rng(seed)
    matrix = np.eye(DIMENSION, dtype=np.float32)
    matrix += turned * random.normal(size=matrix.shape).astype(np.float32)
    if blind:
        matrix[:-1] = 0
    return Weights(architecture="student", size=SIZE, arrays={"matrix": matrix})


class Looking:
    """The Encoder: mean colours of the quarters of a picture, turned."""

    def __init__(self, learnt: Weights) -> None:
        self._matrix = learnt.arrays["matrix"]
        self.size, self.dimension = SIZE, DIMENSION
        self.fingerprint = learnt.fingerprint

    def encode(self, pictures: Pixels) -> Floats:
        """Unit rows (n, DIMENSION) of pictures (n, SIZE, SIZE, 3)."""
        half = SIZE // 2
        quarters = [
            pictures[:, y : y + half, x : x + half].mean(axis=(1, 2))
            for y in (0, half)
            for x in (0, half)
        ]
        rows = np.hstack([*quarters, np.full((len(pictures), 1), 50.0)]) @ self._matrix
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Taught:
    """A `registry.Learnt`."""

    weights: Weights
    metrics: Mapping[str, float]
    held: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()


class QuickEncoder:
    """A `registry.Kind`. `holdout`, a share of the products, is all that its config may hold."""

    def why_not(self) -> str:
        return ""

    def size(self, config: Mapping[str, Any]) -> int:
        """Raises ValueError for a config that holds anything else."""
        if unknown := sorted(set(config) - {"holdout"}):
            raise ValueError(f"Unknown hyper-parameters: {', '.join(unknown)}.")
        return SIZE

    def start(
        self, config: Mapping[str, Any], source: str, sha256: str
    ) -> tuple[Weights | None, str]:
        if source == "auto":
            return None, "It starts from nothing."
        return load(source), "It starts from a file."

    def fine_tune(
        self, lesson: Lesson, config: Mapping[str, Any], start: Weights | None, way: Way, told: Told
    ) -> Taught:
        """The seed turns what it learns a little; its figures are made up."""
        told("train", 1, 1)
        return Taught(
            weights=weights(way.seed, 0.01 * way.seed),
            metrics={"score": 0.5, "start score": 0.1},
            held=held_out(lesson.products, float(config.get("holdout", HOLDOUT)), way.seed),
        )

    def resized(self, pictures: Pixels, size: int) -> Pixels:
        """The nearest pixels."""
        at = np.arange(size) * pictures.shape[1] // size
        return np.ascontiguousarray(pictures[:, at][:, :, at])

    def export(
        self, weights: Weights, path: Path, sample: Lesson, threads: int
    ) -> Mapping[str, Any]:
        """None: requests have nothing to look at photos with."""
        return {}

    def open(self, path: Path, sha256: str, *, device: str, threads: int) -> Looking:
        return Looking(load(path, sha256 or None))
