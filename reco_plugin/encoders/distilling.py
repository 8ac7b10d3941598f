"""A smaller network that learns to see what a larger one sees.

The student is shown the same views as its teacher and is to give the same blocks of the same embedding (a
consistent and patient teacher: Beyer et al. 2022, arXiv 2106.05237), and to find the pictures of a batch as
alike as the teacher does (Park et al. 2019, arXiv 1904.05068). The teacher's heads fit it as they are. No labels
are needed, so every picture of the catalogue can be learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders import augment, network, torches
from reco_plugin.encoders.network import Network
from reco_plugin.encoders.resnet import normalised
from reco_plugin.encoders.student import Student, read
from reco_plugin.encoders.torches import Tensor, functional, torch
from reco_plugin.encoders.weights import Block, Weights
from reco_plugin.exceptions import NotEnoughData, TrainingFailed

FEWEST = 32
"""Pictures to learn from."""
HELD = 20
"""Of so many pictures one is kept to measure on."""
CLIP = 5.0


class Progress(Protocol):
    """Told how far a stage is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def distil(
    teacher: Weights,
    pictures: npt.NDArray[np.uint8],
    config: Mapping[str, Any] | None = None,
    *,
    rows: npt.NDArray[np.int64] | None = None,
    seed: int = 0,
    threads: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Weights:
    """A student of `teacher`, its embeddings comparable with the teacher's, in the same blocks and classes.

    `pictures` is uint8 (n, S, S, 3), a memmap if need be, S best a quarter larger than the teacher's size; those of
    `rows`, by default all, are learnt from. The
    student looks at pictures of the teacher's size; its fingerprint is its own. Its notes tell how alike the two see
    pictures that it did not learn from. The same seed and threads give the same student on one machine.

    Raises NotEnoughData for fewer than FEWEST pictures, ValueError for an unknown hyper-parameter,
    EncoderUnavailable without torch, TrainingFailed for a loss that is not finite.
    """
    lesson = read(config)
    among = np.arange(len(pictures)) if rows is None else rows
    if len(among) < FEWEST:
        raise NotEnoughData(
            f"There are {len(among)} pictures to distil with; at least {FEWEST} are needed."
        )
    torches.threads(threads)
    torch.manual_seed(seed)
    where = torches.device_of(device)
    work = _Work(
        teacher=network.build(teacher).to(where, memory_format=torch.channels_last),
        student=_student(teacher, lesson).to(where, memory_format=torch.channels_last),
        weights=teacher,
        lesson=lesson,
        pictures=pictures,
        among=among,
        device=where,
        seed=seed,
    )
    _train(work, progress)
    return _finished(work)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
    teacher: Any
    student: Any
    weights: Weights
    """The teacher's."""
    lesson: Student
    pictures: npt.NDArray[np.uint8]
    among: npt.NDArray[np.int64]
    device: Any
    seed: int

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Pictures that are learnt from."""
        return np.delete(self.among, slice(HELD - 1, None, HELD))

    @property
    def held(self) -> npt.NDArray[np.int64]:
        return self.among[HELD - 1 :: HELD]


def _student(teacher: Weights, lesson: Student) -> Any:
    """Of the teacher's blocks; one without any has features that are projected to."""
    blocks = teacher.blocks or (Block(name="", size=teacher.dimension, share=1.0),)
    made = Network(
        lesson.architecture,
        stem=teacher.stem,
        blocks=blocks,
        heads={name: len(values) for name, values in teacher.classes.items()},
        scale=teacher.scale,
    )
    with torch.no_grad():
        for at, rows in enumerate(made.heads):
            rows.copy_(torch.from_numpy(np.array(teacher.arrays[f"heads.{at}"])))
            rows.requires_grad_(False)
    return made


def _train(work: _Work, progress: Progress | None) -> None:
    lesson, rows = work.lesson, work.rows
    parameters = [each for each in work.student.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in parameters if each.ndim > 1]},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(
        groups, lr=0.0, momentum=0.9, nesterov=True, weight_decay=lesson.weight_decay
    )
    drawn = torch.Generator().manual_seed(work.seed)
    batches = max(len(rows) // lesson.batch, 1)
    total = batches * lesson.epochs
    work.student.train()
    for step, some in enumerate(_batches(work, batches)):
        for group in optimizer.param_groups:
            group["lr"] = lesson.rate_at(step / total)
        _step(work, optimizer, some, drawn)
        if progress is not None:
            progress("distil", step + 1, total)


def _batches(work: _Work, batches: int) -> Iterator[npt.NDArray[np.int64]]:
    size = min(work.lesson.batch, len(work.rows))
    for epoch in range(work.lesson.epochs):
        order = np.random.default_rng([work.seed, epoch]).permutation(work.rows)
        for at in range(batches):
            yield order[at * size : (at + 1) * size]


def _step(work: _Work, optimizer: Any, rows: npt.NDArray[np.int64], drawn: Tensor) -> None:
    strength = augment.Strength(crop=work.lesson.crop, erase=0.0)
    pixels = augment.augmented(_pixels(work, rows), work.weights.size, strength, drawn)
    seen = normalised(pixels, work.weights.mean, work.weights.std)
    with torch.no_grad(), torches.mixed(work.device, work.lesson.precision):
        wanted = [part.float() for part in work.teacher.parts(seen)]
    with torches.mixed(work.device, work.lesson.precision):
        parts = work.student.parts(seen)
    loss = _loss(work, parts, wanted)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(work.student.parameters(), CLIP)
    optimizer.step()
    if not np.isfinite(float(loss.detach())):
        raise TrainingFailed(
            "The loss of the student is no finite number. Set a smaller learning_rate."
        )


def _loss(work: _Work, parts: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """1 - cosine of the embeddings, and how differently alike the pictures of a batch are found."""
    own, theirs = work.student.embed(parts), work.student.embed(wanted)
    away = (1 - (own * theirs).sum(dim=1)).mean()
    if not work.lesson.alike:
        return away
    barred = torch.eye(len(own), dtype=torch.bool, device=own.device)
    said, meant = (
        (rows @ rows.T / work.lesson.temperature).masked_fill(barred, -1e4)
        for rows in (own, theirs)
    )
    unlike = functional.kl_div(
        functional.log_softmax(said, dim=1), functional.softmax(meant, dim=1), reduction="batchmean"
    )
    return away + work.lesson.alike * unlike


def _pixels(work: _Work, rows: npt.NDArray[np.int64]) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(work.pictures[rows]))
    return pixels.to(work.device).permute(0, 3, 1, 2).float()


def _finished(work: _Work) -> Weights:
    work.student.eval()
    teacher = work.weights
    return Weights(
        architecture=work.lesson.architecture,
        size=teacher.size,
        stem=teacher.stem,
        mean=teacher.mean,
        std=teacher.std,
        arrays=network.arrays_of(work.student),
        blocks=work.student.blocks,
        classes=teacher.classes,
        scale=teacher.scale,
        flip=teacher.flip,
        notes=(
            (
                f"A student of a {teacher.architecture}: cosine {_likeness(work):.4f} with what that sees in "
                f"{len(work.held)} pictures it did not learn from."
            ),
        ),
    )


def _likeness(work: _Work) -> float:
    cosines = []
    with torch.inference_mode():
        for at in range(0, len(work.held), work.lesson.batch):
            pixels = _pixels(work, work.held[at : at + work.lesson.batch])
            ready = normalised(
                augment.resized(pixels, work.weights.size), work.weights.mean, work.weights.std
            )
            both = (work.student(ready) * work.teacher(ready)).sum(dim=1)
            cosines.append(both.cpu().numpy())
    return float(np.concatenate(cosines).mean())
