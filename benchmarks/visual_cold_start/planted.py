"""A small catalogue that is made up, to try the path: its vectors are its attributes and noise."""

from __future__ import annotations

import numpy as np

from benchmarks.visual_cold_start.catalogue import ATTRIBUTES, PATH, Catalogue
from reco_plugin.types import Floats

PRODUCTS = 600
KINDS = {"articleType": 12, "baseColour": 6, "gender": 2, "usage": 3, "season": 4, "brand": 8}
NOISE = 0.3


def world(seed: int = 0) -> tuple[Catalogue, Floats, np.ndarray]:
    """The catalogue, its unit vectors (n, d), and which products are unseen."""
    random = np.random.default_rng(seed)
    drawn = {name: random.integers(count, size=PRODUCTS) for name, count in KINDS.items()}
    rows = [
        {
            **{name: f"{name} {drawn[name][at]}" for name in ATTRIBUTES},
            **{name: "all" for name in PATH if name not in drawn},
            "id": str(at),
            "productDisplayName": f"Thing {at}",
        }
        for at in range(PRODUCTS)
    ]
    shown = [np.eye(KINDS[name])[drawn[name]] for name in ("articleType", "baseColour", "gender")]
    vectors = np.hstack(shown) + NOISE * random.normal(
        size=(PRODUCTS, sum(s.shape[1] for s in shown))
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Catalogue(rows=rows), unit.astype(np.float32), random.random(PRODUCTS) < 0.2
