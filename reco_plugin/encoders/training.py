"""Teaching a network the shop's own catalogue: heads of attributes, and what belongs together.

Plain Python on torch: no Django, no settings, no clock. `fine_tune` is called in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.encoders import (
    judging,
    loop,
    material,
    network,
    recipe,
    resuming,
    torches,
    validation,
)
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.loop import Diverged
from reco_plugin.encoders.network import Network
from reco_plugin.encoders.torches import torch
from reco_plugin.encoders.weights import Weights, embedding
from reco_plugin.encoders.work import Progress, Work, mark
from reco_plugin.exceptions import TrainingFailed
from reco_plugin.types import Ints

BACK_OFFS = 3


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
    work = Work(
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
        except Diverged as error:
            work.note(f"{error} Tried again at half the learning rate.")
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
    raise TrainingFailed(
        f"The loss did not stay finite, even at a learning rate of {rate:g}. Set a "
        "learning_rate well below that in RECO_ENCODER_CONFIG."
    )


def _run(work: Work) -> Trained:
    """Train; the look of the best score wins. Raises Diverged."""
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
    state.before = state.before or validation.before(work, judge)
    for epoch in range(state.epoch + 1, taught.epochs + 1):
        if state.exhausted(taught.patience):
            break
        loss = loop.one_pass(work, state, epoch)
        if epoch % taught.validate_every == 0 or epoch == taught.epochs:
            validation.look(work, state, judge, epoch, loss)
        state.epoch = epoch
        if work.checkpoint is not None:
            resuming.save(work.checkpoint, state, mark(work))
    return _trained(work, state, judge)


def _beginning(work: Work) -> resuming.State:
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
    state = resuming.State.of(net, loop.optimizer(net, taught, started=work.start is not None))
    if work.checkpoint is not None and work.checkpoint.exists():
        resuming.load(work.checkpoint, state, mark(work), work.note)
    return state


def _take_over(net: Any, work: Work) -> None:
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


def _trained(work: Work, state: resuming.State, judge: judging.Judge) -> Trained:
    taught = work.lesson.recipe
    network.put(state.averaged, state.best, taught.architecture)
    vectors = validation.encode(work, state.averaged, judge.rows, taught.size)
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
