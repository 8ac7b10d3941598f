"""An encoder that has never seen the products it is asked about, nor heard more of the others than their type."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fashion
from benchmarks.harness import in_child
from reco_plugin.types import Floats, Ints

TAUGHT = ("articleType",)
"""Attributes it is taught: what every shop says of its products. What it knows of colours it saw for itself."""
UNSEEN = 0.2
"""Share of the products that are kept from it: those that `visual_retrieval` keeps from its encoder too."""
RECIPE: dict[str, Any] = {
    "architecture": "student",
    "size": 48,
    "first_size": 48,
    "epochs": 12,
    "flip": False,
}
"""A small network and a few minutes: what it is worth here is a floor for what a shop's own is worth."""
QUICK: dict[str, Any] = {**RECIPE, "size": 32, "first_size": 32, "epochs": 2, "validate_every": 1}


def look(
    catalogue: str, pictures: str, *, weights: Path | None, threads: int, quick: bool
) -> dict[int, Floats]:
    """Unit rows by product number. Without `weights` a network is taught here. Raises fashion.CannotRead."""
    fashion.located(catalogue), fashion.located(pictures)
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder:
        file = Path(folder) / "vectors.npz"
        in_child(
            "benchmarks.visual_cold_start.eyes:_look",
            timeout=4 * 3600,
            catalogue=catalogue,
            pictures=pictures,
            to=str(file),
            weights=str(weights or ""),
            threads=threads,
            quick=quick,
        )
        with np.load(file) as found:
            return dict(zip(found["products"].tolist(), found["vectors"], strict=True))


def unseen(products: Ints) -> Any:
    """bool (n,): the products that no encoder here was taught."""
    from reco_plugin.encoders.sampling import held_out

    return held_out(products, UNSEEN, 0)


def _look(
    *, catalogue: str, pictures: str, to: str, weights: str, threads: int, quick: bool
) -> None:
    """In a child: torch and LightFM are never loaded together."""
    from reco_plugin.encoders.resnet import ResNetEncoder
    from reco_plugin.encoders.weights import load

    recipe = QUICK if quick else RECIPE
    learnt = load(weights) if weights else None
    size = learnt.size if learnt else recipe["size"]
    data = fashion.read(catalogue, pictures, (size, round(size * 1.25)))
    learnt = learnt or _taught(data, recipe, threads)
    vectors = ResNetEncoder(learnt, device="cpu", threads=threads).encode(data.pictures[size])
    np.savez(to, products=data.products, vectors=vectors)


def _taught(data: fashion.Fashion, recipe: dict[str, Any], threads: int) -> Any:
    from tqdm import tqdm

    from reco_plugin.encoders.training import fine_tune

    train = ~unseen(data.products)
    with tqdm(desc="teaching the encoder", disable=None, leave=False) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            if stage == "train":
                bar.total, bar.n = total, done
                bar.update(0)

        return fine_tune(
            data.pictures[max(data.pictures)][train],
            {name: data.labels[name][train] for name in TAUGHT},
            data.products[train],
            np.zeros((0, 2), np.int32),
            recipe,
            threads=threads,
            progress=progress,
        ).weights
