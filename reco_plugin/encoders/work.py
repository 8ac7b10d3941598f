"""What a training carries with it: the lesson, where it is learnt, and who is told."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reco_plugin.encoders.material import Material
from reco_plugin.encoders.weights import Weights

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Told how far a stage is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """A lesson, where it is learnt, and who is told."""

    lesson: Material
    start: Weights | None
    names: Mapping[str, tuple[str, ...]]
    device: Any
    progress: Progress | None
    checkpoint: Path | None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        logger.warning(text)
        self.notes.append(text)

    def tell(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)


def mark(work: Work) -> dict[str, Any]:
    """What two trainings must share for one to go on where the other stopped."""
    lesson = work.lesson
    digest = hashlib.sha256()
    for array in (lesson.products, lesson.partners.first, *lesson.labels.values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(
        np.ascontiguousarray(lesson.pictures[:: max(len(lesson.pictures) // 64, 1)]).tobytes()
    )
    return {
        "recipe": dataclasses.asdict(lesson.recipe),
        "seed": lesson.seed,
        "data": digest.hexdigest(),
        "shape": list(lesson.pictures.shape),
        "labels": list(lesson.labels),
        "start": work.start.fingerprint if work.start is not None else "",
    }
