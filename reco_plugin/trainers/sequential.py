"""Sequential rules: what was taken soon after what, later steps counting less.

Row i, column j: the share of what followed i that was j, at a distance of d baskets counted 1 / d. The `prior`
keeps an item that was followed once from looking certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.transitions import (
    Transitions,
    largest,
    required,
    without_diagonal,
)
from reco_plugin.types import Features


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    steps: int = 10
    """Furthest distance, in baskets, at which one item follows another."""
    prior: float = 2.0
    """Imagined followers of every item that were nothing in particular."""
    backward: float = 0.0
    """Weight of the same rule read backwards, 0..1: for logs whose order means little."""
    neighbours: int = 200
    decay: float = 0.8
    window: int = 20

    def __post_init__(self) -> None:
        for name in ("steps", "neighbours"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("prior", "window"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")
        configs.require(0 <= self.backward <= 1, "backward must lie in 0..1.")
        configs.require(0 < self.decay <= 1, "decay must be above 0 and at most 1.")


class SequentialRules:
    """The `sequential` trainer."""

    name: ClassVar[str] = "sequential"

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
        """Count what followed what. Raises NotEnoughData when there is no event."""
        config = self.config
        followed = _followed(required(past), config.steps, progress)
        if config.backward:
            followed = (followed + config.backward * followed.T).tocsr()
        followed = without_diagonal(followed)
        total = np.asarray(followed.sum(axis=1), dtype=np.float64).ravel() + config.prior
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        rules = sparse.csr_matrix(sparse.diags(scale) @ followed, dtype=np.float32)
        return Transitions(
            matrix=largest(rules, config.neighbours), decay=config.decay, window=config.window
        )


def _followed(past: Histories, steps: int, progress: Progress | None) -> sparse.csr_matrix:
    """(n_items, n_items): the sum over distances of before' @ after / distance."""
    baskets = past.by_basket().sets()
    owner = past.rows[np.flatnonzero(np.diff(past.step, prepend=-1))]
    found = sparse.csr_matrix((past.n_items, past.n_items), dtype=np.float32)
    for distance in range(1, steps + 1):
        before = np.flatnonzero(owner[:-distance] == owner[distance:])
        if progress:
            progress("fit", distance, steps)
        if not len(before):
            break
        found = found + baskets[before].T.tocsr() @ baskets[before + distance] * (1 / distance)
    return found.tocsr()
