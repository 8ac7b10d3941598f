"""Content: items are alike whose side features are alike, rare features counting more (TF-IDF cosine).

It needs no events, so it is the one source that knows an item on its first day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.trainers import features as sides
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.itemknn import unit_rows
from reco_plugin.trainers.transitions import Transitions, product
from reco_plugin.types import Features


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    commonest: float = 0.2
    """Features that more than this share of the items have are left out: they tell nothing apart."""
    neighbours: int = 100
    decay: float = 1.0
    window: int = 0

    def __post_init__(self) -> None:
        configs.require(self.neighbours >= 1, "neighbours must be at least 1.")
        configs.require(self.window >= 0, "window must not be negative.")
        configs.require(0 < self.commonest <= 1, "commonest must be above 0 and at most 1.")
        configs.require(0 < self.decay <= 1, "decay must be above 0 and at most 1.")


class Content:
    """The `content` trainer."""

    name: ClassVar[str] = "content"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self,
        past: Histories,
        *,
        features: Features | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Transitions:
        """Compare items by their features. Raises NotEnoughData without any feature."""
        config = self.config
        if features is None or not features.matrix.nnz:
            raise NotEnoughData(
                "No item has a feature; map some in the catalogue, or leave this out."
            )
        sides.check(features, past.n_items, "item")
        if progress:
            progress("fit", 0, 1)
        rows = profile(features, commonest=config.commonest)
        found = product(rows, rows.T.tocsr(), config.neighbours)
        if progress:
            progress("fit", 1, 1)
        return Transitions(matrix=found, decay=config.decay, window=config.window)


def profile(features: Features, *, commonest: float = 1.0) -> sparse.csr_matrix:
    """float32 CSR (n_items, n_features): rows of length one, each feature weighted by its rarity."""
    matrix = features.matrix.astype(np.float32)
    weighted = matrix @ sparse.diags(rarity(matrix, commonest * matrix.shape[0]))
    return unit_rows(sparse.csr_matrix(weighted, dtype=np.float32))


def rarity(matrix: sparse.csr_matrix, most: float) -> npt.NDArray[np.float64]:
    """(n_features,): log(1 + items / items that have it); 0 for what more than `most` of them have."""
    having = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
    found = np.log1p(matrix.shape[0] / np.maximum(having, 1))
    found[having > max(most, 2)] = 0
    return np.asarray(found, dtype=np.float64)
