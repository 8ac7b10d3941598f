"""Again: what a shopper took before, they take again; the more often and the later, the more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.transitions import Transitions, required
from reco_plugin.types import Features


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    decay: float = 0.8
    """Weight of a basket relative to the next newer one."""
    window: int = 0

    def __post_init__(self) -> None:
        configs.require(self.window >= 0, "window must not be negative.")
        configs.require(0 < self.decay <= 1, "decay must be above 0 and at most 1.")


class Again:
    """The `again` trainer: personal frequency. Its matrix says that each item is followed by itself."""

    name: ClassVar[str] = "again"

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
        """How often an item that was taken once is taken again. Raises NotEnoughData without events.

        Entry (i, i) is one more than the share of i's takers who took it twice: a shopper's own
        frequency decides, and what people come back for stands before what they buy once.
        """
        taken = required(past).by_basket().sets()
        owner = past.rows[np.flatnonzero(np.diff(past.step, prepend=-1))]
        shoppers = sparse.csr_matrix(
            (np.ones(len(owner), np.float32), (owner, np.arange(len(owner)))),
            shape=(len(past), len(owner)),
        )
        times = (shoppers @ taken).tocsr()
        once = np.bincount(times.indices, minlength=past.n_items)
        twice = np.bincount(times.indices[times.data > 1], minlength=past.n_items)
        share = twice / np.maximum(once, 1)
        if progress:
            progress("fit", 1, 1)
        return Transitions(
            matrix=sparse.csr_matrix(sparse.diags(1.0 + share), dtype=np.float32),
            decay=self.config.decay,
            window=self.config.window,
        )
