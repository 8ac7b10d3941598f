"""A trainer that is done in a moment and needs no extra, for tests of what is around one.

RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.sparse.linalg import svds

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.trainers.base import Learnt, Progress
from reco_plugin.trainers.spaces import Space, Whole
from reco_plugin.types import Dataset


class QuickTrainer:
    """A truncated singular value decomposition of who did something with what.

    `dimensions` is its only hyper-parameter. It learns nothing of side features.
    """

    name = "quick"
    space: ClassVar[Space] = {"dimensions": Whole(low=1, high=32, log=True)}

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = dict(config or {})
        self.dimensions = int(given.pop("dimensions", 8))
        given.pop("epochs", None)  # it knows none, and is asked for as many as were best in a trial
        if given:
            raise ValueError(f"Unknown hyper-parameters: {', '.join(sorted(given))}.")

    def fit(
        self, dataset: Dataset, *, seed: int, threads: int, progress: Progress | None = None
    ) -> Learnt:
        """Raises NotEnoughData for a matrix that is too small to take apart."""
        matrix = dataset.interactions.astype(np.float64)
        rank = min(self.dimensions, min(matrix.shape) - 1)
        if rank < 1 or not matrix.nnz:
            raise NotEnoughData("Two shoppers and two products are needed.")
        start = np.random.default_rng(seed).random(min(matrix.shape))
        left, strengths, right = svds(matrix, k=rank, v0=start)
        features = len(dataset.item_features.names) if dataset.item_features else 0
        if progress is not None:
            progress("train", 1, 1)
        return Learnt(
            item_vectors=np.ascontiguousarray(right.T, dtype=np.float32),
            item_biases=np.zeros(matrix.shape[1], np.float32),
            shopper_vectors=np.ascontiguousarray(left * strengths, dtype=np.float32),
            feature_vectors=np.zeros((features, rank), np.float32),
            feature_biases=np.zeros(features, np.float32),
            epochs=1,
        )
