"""One pass over the pictures that train: draw, look, compare, step."""

from __future__ import annotations

from typing import Any

import numpy as np

from reco_plugin.encoders import augment, losses, resuming, torches
from reco_plugin.encoders.recipe import Recipe
from reco_plugin.encoders.resnet import standardised
from reco_plugin.encoders.torches import Tensor, torch
from reco_plugin.encoders.work import Work

CLIP = 5.0
"""Longest gradient of a step."""


class Diverged(Exception):
    """The loss is no longer a finite number."""


def optimizer(net: Any, taught: Recipe, *, started: bool) -> Any:
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


def one_pass(work: Work, state: resuming.State, epoch: int) -> float:
    """One pass over what trains; the mean loss. Raises Diverged."""
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


def _step(work: Work, state: resuming.State, rows: Any, size: int, drawn: Tensor) -> float:
    lesson, taught = work.lesson, work.lesson.recipe
    pixels = torch.from_numpy(np.ascontiguousarray(lesson.pictures[rows]))
    pixels = pixels.to(work.device).permute(0, 3, 1, 2).float()
    strength = augment.Strength(crop=taught.crop, light=taught.light, erase=taught.erase)
    seen = standardised(augment.augmented(pixels, size, strength, drawn))
    with torches.mixed(work.device, taught.precision):
        parts = state.network.parts(seen)
    loss = _loss(work, state.network, parts, rows)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), CLIP)
    state.optimizer.step()
    value = float(loss.detach())
    if not np.isfinite(value):
        raise Diverged(f"The loss was {value} at {size} pixels.")
    return value


def _loss(work: Work, net: Any, parts: list[Tensor], rows: Any) -> Tensor:
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
