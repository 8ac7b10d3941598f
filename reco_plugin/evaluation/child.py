"""What a process of a comparison does: fold.npz in, answers.npz out, by one model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from reco_plugin.children import life
from reco_plugin.children.voice import Voice
from reco_plugin.evaluation import entrants, packing
from reco_plugin.evaluation.measuring import Question, answers
from reco_plugin.evaluation.protocols import protocols

DO = "reco_plugin.evaluation.child.answer"
FOLD = "fold.npz"
ANSWERS = "answers.npz"


def answer(folder: Path, job: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """JSON-able; the lists are in the file."""
    fold, features = packing.load_fold(Path(job["fold"]))
    question = Question(
        fold=fold,
        protocol=protocols(job["seed"])[job["protocol"]],
        features=features,
        seed=job["seed"],
        threads=job["threads"],
    )
    model = entrants.model(job["model"], question)
    life.limit_memory(job["memory_mb"])
    found = answers(model, question)
    return packing.save_answers(folder / ANSWERS, replace(found, memory_mb=_peak_mib()))


def _peak_mib() -> float | None:
    """Most memory this process had resident so far, where the system tells (Linux)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return round(int(found[1]) / 1024, 1) if found else None
