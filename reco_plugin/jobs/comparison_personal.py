"""LightFM and the personal pipeline in a comparison: one training for both, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from reco_plugin import conf
from reco_plugin.evaluation.measuring import Answers, Question
from reco_plugin.evaluation.measuring import asked as answered
from reco_plugin.jobs.artefacts import folder
from reco_plugin.jobs.comparison_log import Asked, Shop
from reco_plugin.jobs.comparison_served import (
    LIGHTFM,
    PERSONAL,
    Asking,
    Taught,
    as_served,
    by_vectors,
    teach,
)
from reco_plugin.jobs.running.work import Work
from reco_plugin.trainers import process
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset

__all__ = ["LIGHTFM", "PERSONAL", "Personal"]


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
        rank = by_vectors(asking) if name == LIGHTFM else as_served(asking)
        found = answered(rank, self.question, fit_s=taught.seconds, note=_note(taught))
        peak = float(max(self.peaks)) if self.peaks else None
        return replace(found, memory_mb=peak)

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
