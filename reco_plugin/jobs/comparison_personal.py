"""LightFM and the personal pipeline in a comparison: one training for both, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from reco_plugin import conf
from reco_plugin.evaluation.contract import Rank, Sort
from reco_plugin.evaluation.measuring import Answers, Question
from reco_plugin.evaluation.measuring import asked as answered
from reco_plugin.jobs.artefacts import folder
from reco_plugin.jobs.comparison_log import Asked, Shop
from reco_plugin.jobs.comparison_served import (
    BLENDED,
    LIGHTFM,
    PERSONAL,
    Asking,
    Taught,
    as_served,
    blended,
    by_vectors,
    teach,
)
from reco_plugin.jobs.running.work import Work
from reco_plugin.trainers import process
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset

__all__ = ["BLENDED", "LIGHTFM", "OURS", "PERSONAL", "Personal"]

OURS = {LIGHTFM: Sort.SINGLE, PERSONAL: Sort.PIPELINE, BLENDED: Sort.PIPELINE}
"""What needs the personal run: name → what it is."""


@dataclass(kw_only=True, eq=False)
class Personal:
    """Taught when it is first asked."""

    shop: Shop
    asked: Asked
    question: Question
    work: Work
    peaks: list[int] = field(default_factory=list)

    def answers(self, name: str) -> Answers:
        """Raises TrainingFailed, NotEnoughData."""
        taught = self.taught
        asking = Asking(taught=taught, question=self.question, owner=self.asked.owner)
        began = time.perf_counter()
        rank = self._rank(name, asking)
        seconds = taught.seconds + time.perf_counter() - began
        found = answered(rank, self.question, fit_s=seconds, note=_note(taught))
        known = (
            self.peaks and name != BLENDED
        )  # the blend has a process besides, which tells of no peak
        return replace(found, memory_mb=float(max(self.peaks)) if known else None)

    def _rank(self, name: str, asking: Asking) -> Rank:
        if name == LIGHTFM:
            return by_vectors(asking)
        if name == PERSONAL:
            return as_served(asking)
        blend = blended(
            self.asked,
            self.shop.material.features,
            threads=self.question.threads,
            timeout=self.timeout(),
        )
        return as_served(asking, blend)

    @cached_property
    def taught(self) -> Taught:
        return teach(self.shop.material, self.asked, self._learn, seed=self.question.seed)

    def _learn(self, config: Mapping[str, Any], dataset: Dataset) -> Learnt:
        return process.run(
            conf.settings.TRAINER,
            config,
            dataset,
            seed=self.question.seed,
            threads=self.question.threads,
            timeout=self.timeout(),
            memory_mb=conf.settings.TRAIN_MEMORY_MB,
            folder=folder(),
            peak=self.peaks.append,
        )

    def timeout(self) -> float | None:
        """Seconds: RECO_TRAIN_TIMEOUT, or what is left of the job's own limit."""
        limits = (conf.settings.TRAIN_TIMEOUT, self.work.held.seconds_left())
        return min((limit for limit in limits if limit), default=None)


def _note(taught: Taught) -> str:
    return f"{taught.learnt.epochs} epochs, {taught.way['shopper_vector']}"
