"""What the process of a fine-tuning does: a network is taught, written down and judged. It knows no Django."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.children import life
from reco_plugin.children.voice import Voice
from reco_plugin.encoders import packing, registry
from reco_plugin.encoders.judging import Judge
from reco_plugin.encoders.packing import Lesson
from reco_plugin.encoders.registry import Kind, Learnt, Way
from reco_plugin.encoders.weights import Weights, load, save
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.types import Floats

TRAIN = "reco_plugin.encoders.teaching.train"
PICTURES, LESSON, CHECKPOINT = "pictures.npy", "lesson.npz", "checkpoint"
GALLERY = 5_000
"""Most pictures, beside those held out, that are searched through to judge a network."""
SAMPLE = 2_000
"""Pictures that the files for requests are measured on."""
STEP = 256


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a process is told to teach, JSON-able by `as_job`."""

    encoder: str
    """As RECO_ENCODER."""
    place: str
    """Folder with the lesson and its pictures. It stays: a training that died goes on from there."""
    name: str
    """Of the files that are left in the place: NAME.npz, and NAME.onnx for requests."""
    sha256: str
    """Of the lesson."""
    config: Mapping[str, Any]
    why_not: str = ""
    """Why there is too little to teach; what it would start from is then taken as it is."""
    start: str = "auto"
    start_sha256: str = ""
    """As RECO_ENCODER_WEIGHTS and RECO_ENCODER_SHA256."""
    live: tuple[str, str] | None = None
    """Path and SHA-256 of the live encoder's weights, which it is judged beside."""
    live_encoder: str = ""
    """What RECO_ENCODER was when that was taught: who can open it; as now, where that is not told."""
    goes_on: bool = False
    """Start from what is live."""
    seed: int = 0
    threads: int = 1
    device: str = "auto"

    def as_job(self) -> dict[str, Any]:
        return {"do": TRAIN, "task": vars(self), "threads": self.threads}


def train(folder: Path, job: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """Do a `Task`; JSON-able words on what it left, and its figures where it was taught.

    Where nothing is live yet and what was taught finds no better than weights it was given to start from,
    these are left ('stays'): a shop with a good network has it, however little it can be taught.

    Raises NotEnoughData where there is nothing to teach and nothing to start from.
    """
    task = Task(**job["task"])
    kind = registry.kind(task.encoder)
    path = Path(task.place)
    lesson = packing.load_lesson(path / LESSON, task.sha256, path / PICTURES)
    start, words = _start(kind, task)
    life.limit_memory(job["memory_mb"])
    if task.why_not:
        return _left(kind, task, lesson, _as_it_is(start, task), [words, task.why_not])
    way = Way(
        seed=task.seed,
        threads=task.threads,
        device=task.device,
        checkpoint=path / CHECKPOINT,
    )
    found = kind.fine_tune(lesson, task.config, start, way, voice.progress)
    if start is not None and not task.live and _is_no_better(found):
        notes = [
            words,
            *found.notes,
            "What was taught finds no better: the start is taken as it is.",
        ]
        told = _left(kind, task, lesson, start, notes)
        return {**told, "metrics": dict(found.metrics), "stays": True}
    told = _left(kind, task, lesson, found.weights, [words, *found.notes])
    judged = _judged(kind, task, lesson, found.held)
    return {**told, "metrics": dict(found.metrics), "judged": judged}


def _is_no_better(found: Learnt) -> bool:
    return found.metrics["score"] <= found.metrics["start score"]


def _start(kind: Kind, task: Task) -> tuple[Weights | None, str]:
    if task.goes_on and task.live:
        return load(*task.live), "It goes on from the encoder that is live."
    return kind.start(task.config, task.start, task.start_sha256)


def _as_it_is(start: Weights | None, task: Task) -> Weights:
    if start is None:
        raise NotEnoughData(f"{task.why_not} And there are no weights to start from.")
    return start


def _left(
    kind: Kind, task: Task, lesson: Lesson, weights: Weights, notes: Sequence[str]
) -> dict[str, Any]:
    """Write the files, and tell of them."""
    path = Path(task.place) / task.name
    weights = replace(weights, notes=tuple(notes))
    digest = save(path.with_suffix(".npz"), weights)
    sample = _sample(kind, lesson, weights.size)
    exported = kind.export(weights, path.with_suffix(".onnx"), sample, task.threads)
    return {
        "sha256": digest,
        "fingerprint": weights.fingerprint,
        "dimension": weights.dimension,
        "size": weights.size,
        "notes": list(notes),
        "onnx": dict(exported),
    }


def _sample(kind: Kind, lesson: Lesson, size: int) -> Lesson:
    """Some pictures, drawn by lot, at the size that the encoder looks at."""
    count = len(lesson.products)
    rows = np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])
    return replace(
        lesson,
        pictures=kind.resized(lesson.pictures[rows], size),
        labels={name: codes[rows] for name, codes in lesson.labels.items()},
        products=lesson.products[rows],
    )


# --- how good it is -------------------------------------------------------------------------------


def _judged(
    kind: Kind, task: Task, lesson: Lesson, held: npt.NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Figures, on products that were not learnt from, of what was learnt, and of what is live."""
    judge = Judge.of(held, lesson.products, lesson.labels, most=GALLERY, seed=0)
    path = Path(task.place) / f"{task.name}.npz"
    found = {"learnt": judge(_Looking(kind, task, lesson, path, ""))}
    if task.live:
        its_own = registry.kind(task.live_encoder or task.encoder)
        found["live"] = judge(_Looking(its_own, task, lesson, Path(task.live[0]), task.live[1]))
    return found


class _Looking:
    """The encoder of a file of weights, at the pictures of a lesson as it will be at those of the shop."""

    def __init__(self, kind: Kind, task: Task, lesson: Lesson, path: Path, sha256: str) -> None:
        self._kind, self._pictures = kind, lesson.pictures
        self._encoder = kind.open(path, sha256, device=task.device, threads=task.threads)

    def __call__(self, rows: npt.NDArray[np.int64]) -> Floats:
        found = np.empty((len(rows), self._encoder.dimension), np.float32)
        for at in range(0, len(rows), STEP):
            some = self._pictures[rows[at : at + STEP]]
            found[at : at + STEP] = self._encoder.encode(
                self._kind.resized(some, self._encoder.size)
            )
        return found
