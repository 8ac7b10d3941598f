"""Fit and ask a model in a process of its own: its memory is its own, and its death reaches nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reco_plugin.children.obituary import Advice
from reco_plugin.children.process import Process, workplace
from reco_plugin.evaluation import child, packing
from reco_plugin.evaluation.measuring import Answers, Question
from reco_plugin.exceptions import TrainingFailed

PREFIX = "compare-"
ADVICE = Advice(
    process="process of the comparison",
    memory_setting="RECO_TRAIN_MEMORY_MB",
    less="compare fewer models (--models)",
    time="Raise RECO_TRAIN_TIMEOUT, or compare fewer models (--models).",
    again="Compare again.",
    crash="Compare its model alone (--models) to find out why.",
    illegal="an installed library was compiled for another CPU; install it anew for this one",
)


@contextmanager
def prepared(question: Question, folder: Path | str | None = None) -> Iterator[Path]:
    """The question as a file that every process of the comparison reads."""
    with workplace(folder, PREFIX) as place:
        packing.save_fold(place / child.FOLD, question.fold, question.features)
        yield place


def answers(
    name: str,
    question: Question,
    place: Path,
    *,
    timeout: float | None = None,
    memory_mb: int = 0,
) -> Answers:
    """What the model `name` answers. Raises what it raises, and TrainingFailed, in plain words, when it dies."""
    with workplace(place, f"{PREFIX}one-") as own:
        job = {
            "do": child.DO,
            "model": name,
            "fold": str(place / child.FOLD),
            "protocol": question.protocol.name,
            "seed": question.seed,
            "threads": question.threads,
            "memory_mb": memory_mb,
        }
        with Process(own, job, advice=ADVICE, failure=TrainingFailed) as process:
            told: dict[str, Any] = {}
            for message in process.messages(timeout or None):
                told = message.get("result", told)
        return packing.load_answers(own / child.ANSWERS, told)
