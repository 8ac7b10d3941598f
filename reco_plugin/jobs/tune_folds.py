"""The history before the test period, judged as trainings at several earlier moments would have been."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets import EventLog, time_split
from reco_plugin.jobs.evaluate import TEST_SHARE, evaluate
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.material import Material
from reco_plugin.jobs.tuned import Tuned
from reco_plugin.metrics import ndcg_at_k
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset

Figures: TypeAlias = npt.NDArray[np.float64]
"""NDCG@10, one per shopper."""
Learn: TypeAlias = Callable[[Mapping[str, Any], Dataset], Learnt]


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    """What may be looked at, and its folds, the oldest and smallest first."""

    material: Material
    until: int
    """Where the test period begins, µs since 1970 UTC."""
    folds: tuple[EventLog, ...]
    """Each ends where the block that it is judged on ends; the blocks do not overlap."""

    def as_json(self) -> dict[str, Any]:
        """For Run.dataset."""
        log = self.material.log
        return {
            "events": len(log),
            "shoppers": len(np.unique(log.shopper)),
            "items": len(np.unique(log.item)),
            "until": moment(self.until).isoformat(),
            "folds": [moment(int(fold.at.max(initial=0))).isoformat() for fold in self.folds],
        }


def known_part(material: Material, folds: int, until: dt.datetime | None = None) -> Past:
    """Cut the test period off, then cut what is left into `folds`.

    The test period is the one the next training is judged on; `until` says where it began when this was
    done before.
    """
    known, _, at = time_split(material.log, share=TEST_SHARE, at=until)
    nothing = known.select(np.zeros(len(known), bool))
    kept = replace(material, log=known, whole=material.part(known, nothing))
    ends = [time_split(known, share=1 - (1 - TEST_SHARE) ** back)[0] for back in range(folds)]
    return Past(material=kept, until=at, folds=tuple(reversed(ends)))


def judged(past: Past, fold: EventLog, tuned: Tuned, learn: Learn, *, seed: int) -> Figures:
    """NDCG@10 of every shopper of a fold, as served. Raises NotEnoughData, and what `learn` raises."""
    config = tuned.config()
    material = replace(
        past.material,
        log=fold,
        weights=tuned.weights(),
        shopper_features=bool(config.get("shopper_features", False)),
    )
    found = evaluate(material, lambda dataset: learn(config, dataset), seed=seed)
    return ndcg_at_k(found.lists[found.served], found.test.wanted)
