"""Teaching a network the shop's own catalogue: heads of attributes, and what belongs together.

Plain Python on torch: no Django, no settings, no clock. `fine_tune` is called in a process of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders import (
    augment,
    judging,
    losses,
    material,
    network,
    recipe,
    resuming,
    torches,
)
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.material import Material
from reco_plugin.encoders.network import Network
from reco_plugin.encoders.recipe import Recipe
from reco_plugin.encoders.resnet import normalised
from reco_plugin.encoders.torches import Tensor, torch
from reco_plugin.encoders.weights import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Weights,
    embedding,
)
from reco_plugin.exceptions import TrainingFailed
from reco_plugin.types import Floats, Ints

logger = logging.getLogger(__name__)

BACK_OFFS = 3
CLIP = 5.0
"""Longest gradient of a step."""


class Progress(Protocol):
    """Told how far a stage is; may be called often."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What was learnt, and how good it is on products it never saw."""

    weights: Weights
    metrics: Mapping[str, float]
    """Figures of `judging.Judge` of the epoch that won, and of the start as 'start NAME'."""
    history: tuple[Mapping[str, float], ...]
    """One entry per look at the hold-out: {'epoch': 4, 'size': 64, 'loss': 2.1, 'score': 0.5, …}."""
    epochs: int
    """The epoch that won."""
    held: npt.NDArray[np.bool_]
    """bool (n,): the pictures that training never saw."""
    notes: tuple[str, ...] = ()
    """What a reader of the run should know, in plain words."""


class _Diverged(Exception):
    """The loss is no longer a finite number."""


def fine_tune(  # noqa: PLR0917 - what is learnt from stands in front
    pictures: Pixels,
    labels: Mapping[str, Ints],
    products: Ints,
    pairs: Ints,
    config: Mapping[str, Any] | None = None,
    start: Weights | None = None,
    *,
    seed: int = 0,
    threads: int = 0,
    device: str = "cpu",
    classes: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Teach a network to see what these labels and pairs say.

    `pictures` is uint8 (n, S, S, 3), a memmap if need be, S best a quarter larger than the recipe's `size`;
    `labels` are int32 (n,), -1 unknown, by attribute, the most important first; `products` int32 (n,) says
    whose picture each is; `pairs` int32 (m, 2) are products that are co-viewed or co-bought; `classes` names
    the codes. After every epoch the state is written to `checkpoint`, whole or not at all, and a later call
    with the same arguments goes on from there to the same result. The same seed and threads give the same
    numbers on one machine.

    Raises NotEnoughData for too few pictures or nothing to learn from, ValueError for what does not fit
    together, EncoderUnavailable for a device or a start that cannot be had, TrainingFailed for a loss that
    stays non-finite at an eighth of the learning rate.
    """
    taught = recipe.read(config)
    torches.threads(threads)
    lesson = material.material(pictures, labels, products, pairs, taught, seed)
    work = _Work(
        lesson=lesson,
        start=start,
        names=material.names(lesson.labels, classes),
        device=torches.device_of(device),
        progress=progress,
        checkpoint=checkpoint,
    )
    for attempt in range(BACK_OFFS + 1):
        rate = taught.learning_rate * 0.5**attempt
        slower = replace(lesson, recipe=replace(lesson.recipe, learning_rate=rate))
        try:
            return _run(replace(work, lesson=slower))
        except _Diverged as error:
            work.note(f"{error} Tried again at half the learning rate.")
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
    raise TrainingFailed(
        f"The loss did not stay finite, even at a learning rate of {rate:g}. Set a "
        "learning_rate well below that in RECO_ENCODER_CONFIG."
    )


# --- the work -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
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


def _run(work: _Work) -> Trained:
    """Train; the look of the best score wins. Raises _Diverged."""
    lesson, taught = work.lesson, work.lesson.recipe
    judge = judging.Judge.of(
        lesson.held,
        lesson.products,
        lesson.labels,
        most=taught.gallery,
        seed=lesson.seed,
        together=taught.together,
    )
    state = _beginning(work)
    state.before = state.before or _before(work, judge)
    for epoch in range(state.epoch + 1, taught.epochs + 1):
        if state.exhausted(taught.patience):
            break
        loss = _epoch(work, state, epoch)
        if epoch % taught.validate_every == 0 or epoch == taught.epochs:
            _look(work, state, judge, epoch, loss)
        state.epoch = epoch
        if work.checkpoint is not None:
            resuming.save(work.checkpoint, state, _mark(work))
    return _trained(work, state, judge)


def _beginning(work: _Work) -> resuming.State:
    """A new network, or where an earlier training of the same stopped."""
    lesson, taught = work.lesson, work.lesson.recipe
    torch.manual_seed(lesson.seed)
    net = Network(
        taught.architecture,
        stem=taught.stem if work.start is None else work.start.stem,
        blocks=lesson.blocks,
        heads={name: len(values) for name, values in work.names.items()},
        scale=taught.scale,
    )
    if work.start is not None:
        _take_over(net, work)
    net = net.to(work.device, memory_format=torch.channels_last)
    state = resuming.State.of(net, _optimizer(net, taught, started=work.start is not None))
    if work.checkpoint is not None and work.checkpoint.exists():
        resuming.load(work.checkpoint, state, _mark(work), work.note)
    return state


def _take_over(net: Any, work: _Work) -> None:
    """The body of the start; its projection and heads too where they are of the same blocks and classes."""
    start = work.start
    assert start is not None
    same = (
        start.blocks
        and [(block.name, block.size) for block in start.blocks]
        == [(block.name, block.size) for block in net.blocks]
        and dict(start.classes) == dict(work.names)
    )
    if same:
        network.put(net, start.arrays, start.architecture)
        return
    body = {
        name.removeprefix("body."): array
        for name, array in start.arrays.items()
        if name.startswith("body.")
    }
    network.put(net.body, body, net.architecture)


def _optimizer(net: Any, taught: Recipe, *, started: bool) -> Any:
    """SGD with Nesterov's momentum; biases and norms do not decay; a body that knows something learns slower."""
    slow = taught.body_rate if started else 1.0
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in net.named_parameters():
        decay = taught.weight_decay if parameter.ndim > 1 else 0.0
        factor = slow if name.startswith("body.") else 1.0
        groups.setdefault((decay, factor), []).append(parameter)
    told = [
        {"params": found, "weight_decay": decay, "factor": factor}
        for (decay, factor), found in groups.items()
    ]
    return torch.optim.SGD(told, lr=0.0, momentum=0.9, nesterov=True)


def _epoch(work: _Work, state: resuming.State, epoch: int) -> float:
    """One pass over what trains; the mean loss. Raises _Diverged."""
    lesson, taught = work.lesson, work.lesson.recipe
    batches = lesson.epochs
    size, steps = taught.size_at(epoch), len(batches)
    drawn = torch.Generator().manual_seed((lesson.seed * 1_000_003 + epoch) % 2**31)
    state.network.train()
    total = 0.0
    for at, rows in enumerate(batches(epoch)):
        done = (epoch - 1 + at / steps) / taught.epochs
        for group in state.optimizer.param_groups:
            group["lr"] = taught.rate_at(done) * group["factor"] * taught.batch / 64
        total += _step(work, state, rows, size, drawn)
        state.average(taught.average)
        work.tell("train", (epoch - 1) * steps + at + 1, taught.epochs * steps)
    return total / steps


def _step(work: _Work, state: resuming.State, rows: Any, size: int, drawn: Tensor) -> float:
    lesson, taught = work.lesson, work.lesson.recipe
    pixels = torch.from_numpy(np.ascontiguousarray(lesson.pictures[rows]))
    pixels = pixels.to(work.device).permute(0, 3, 1, 2).float()
    strength = augment.Strength(crop=taught.crop, light=taught.light, erase=taught.erase)
    seen = _ready(augment.augmented(pixels, size, strength, drawn))
    with torches.mixed(work.device, taught.precision):
        parts = state.network.parts(seen)
    loss = _loss(work, state.network, parts, rows)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), CLIP)
    state.optimizer.step()
    value = float(loss.detach())
    if not np.isfinite(value):
        raise _Diverged(f"The loss was {value} at {size} pixels.")
    return value


def _loss(work: _Work, net: Any, parts: list[Tensor], rows: Any) -> Tensor:
    lesson, taught = work.lesson, work.lesson.recipe
    labels = {
        name: torch.from_numpy(codes[rows].astype(np.int64)).to(work.device)
        for name, codes in lesson.labels.items()
    }
    each = losses.classification(net.logits(parts), labels, smoothing=taught.smoothing)
    total = torch.zeros((), device=work.device)
    for at, loss in enumerate(each.values()):
        total = total + loss * (1.0 if at == 0 else taught.others)
    if not taught.contrast and lesson.labels:
        return total
    products = lesson.products[rows]
    bought = torch.from_numpy(lesson.partners.among(products)).to(work.device)
    pull = losses.attraction(
        list(labels.values()), torch.from_numpy(products).to(work.device), bought
    )
    return total + (taught.contrast or 1.0) * losses.contrast(
        net.embed(parts), pull, temperature=taught.temperature
    )


# --- looking at the hold-out ----------------------------------------------------------------------


def _look(
    work: _Work, state: resuming.State, judge: judging.Judge, epoch: int, loss: float
) -> None:
    figures = judge(lambda rows: _encode(work, state.averaged, rows, work.lesson.recipe.size))
    size = work.lesson.recipe.size_at(epoch)
    state.history.append({"epoch": float(epoch), "size": float(size), "loss": loss, **figures})
    logger.info("epoch %d: loss %.3f, score %.4f", epoch, loss, figures["score"])
    state.keep_if_best(epoch, figures["score"])


def _encode(work: _Work, net: Any, rows: Any, size: int) -> Floats:
    """Embeddings of some pictures, without augmentation."""
    found = []
    net.eval()
    with torch.inference_mode(), torches.mixed(work.device, work.lesson.recipe.precision):
        for start in range(0, len(rows), 128):
            some = rows[start : start + 128]
            pixels = torch.from_numpy(np.ascontiguousarray(work.lesson.pictures[some]))
            pixels = pixels.to(work.device).permute(0, 3, 1, 2).float()
            found.append(net(_ready(augment.resized(pixels, size))).float().cpu().numpy())
            work.tell("look", min(start + 128, len(rows)), len(rows))
    return np.concatenate(found)


def _before(work: _Work, judge: judging.Judge) -> dict[str, float]:
    """The figures of what it starts from; of a network that knows nothing, where there is no start."""
    start = work.start
    if start is None:
        taught = work.lesson.recipe
        net = network.untrained(taught.architecture, taught.stem, work.lesson.seed)
        size = taught.size
    else:
        net, size = network.build(start), start.size
    net = net.to(work.device, memory_format=torch.channels_last)
    return dict(judge(lambda rows: _encode(work, net, rows, size)))


def _ready(pixels: Tensor) -> Tensor:
    return normalised(pixels, IMAGENET_MEAN, IMAGENET_STD)


def _trained(work: _Work, state: resuming.State, judge: judging.Judge) -> Trained:
    taught = work.lesson.recipe
    network.put(state.averaged, state.best, taught.architecture)
    vectors = _encode(work, state.averaged, judge.rows, taught.size)
    weights = Weights(
        architecture=taught.architecture,
        stem=state.network.stem,
        size=taught.size,
        arrays=state.best,
        blocks=judge.shares(vectors, state.network.blocks),
        classes=work.names,
        scale=taught.scale,
        flip=taught.flip,
        notes=tuple(work.notes),
    )
    again = embedding(vectors, weights.blocks)
    before = {f"start {name}": value for name, value in state.before.items()}
    return Trained(
        weights=weights,
        metrics={**judge.judged(again), **before},
        history=tuple(state.history),
        epochs=state.best_epoch,
        held=work.lesson.held,
        notes=tuple(work.notes),
    )


def _mark(work: _Work) -> dict[str, Any]:
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
