"""The state of a training, so that one that was killed goes on where its last epoch ended.

It is written as arrays without pickle (`reco_plugin.artefacts`), whole or not at all. All chance is drawn
anew for each epoch from the seed, so no generator's state need be kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin import artefacts
from reco_plugin.encoders import network
from reco_plugin.encoders.torches import torch
from reco_plugin.exceptions import ArtefactCorrupt

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(kw_only=True, eq=False)
class State:
    """A network in the making."""

    network: Any
    averaged: Any
    """The same with its weights averaged over time (Polyak): steadier, and what is judged and kept."""
    optimizer: Any
    steps: int = 0
    epoch: int = 0
    """The last whole one."""
    best: Arrays = field(default_factory=dict)
    """The averaged weights of the best look."""
    best_epoch: int = 0
    best_score: float = -1.0
    looks: int = 0
    """Looks since the best."""
    before: dict[str, float] = field(default_factory=dict)
    """Figures of the start."""
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, net: Any, optimizer: Any) -> State:
        return cls(
            network=net, averaged=copy.deepcopy(net).requires_grad_(False), optimizer=optimizer
        )

    def average(self, weight: float) -> None:
        """Take one step into the average; the first steps count for more than their weight."""
        self.steps += 1
        weight = min(weight, self.steps / (self.steps + 10))
        with torch.no_grad():
            own, theirs = self.averaged.state_dict(), self.network.state_dict()
            floats = [name for name, value in own.items() if value.is_floating_point()]
            torch._foreach_lerp_([own[n] for n in floats], [theirs[n] for n in floats], 1 - weight)
            for name in own.keys() - set(floats):
                own[name].copy_(theirs[name])

    def keep_if_best(self, epoch: int, score: float) -> None:
        """Count a look; remember the averaged weights when it is the best."""
        self.looks += 1
        if score > self.best_score:
            self.looks, self.best_score, self.best_epoch = 0, score, epoch
            self.best = network.arrays_of(self.averaged)

    def exhausted(self, patience: int) -> bool:
        """No better for `patience` looks; never, for 0."""
        return patience > 0 and self.looks >= patience


def save(path: Path, state: State, mark: Mapping[str, Any]) -> None:
    """Write the state; `mark` says what it is the state of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        **_prefixed("net.", network.arrays_of(state.network)),
        **_prefixed("average.", network.arrays_of(state.averaged)),
        **_prefixed("momentum.", _momenta(state)),
        **_prefixed("best.", state.best),
    }
    told = {name: getattr(state, name) for name in _TOLD}
    artefacts.save(path, arrays, {"mark": dict(mark), **told})


def load(path: Path, state: State, mark: Mapping[str, Any], note: Callable[[str], None]) -> None:
    """Put the state of a file into `state`, if it is of the same training; else leave it and say why."""
    try:
        arrays, meta = artefacts.load(path)
    except ArtefactCorrupt as error:
        note(f"The state of an earlier training is of no use: {error} It starts anew.")
        return
    if meta.get("mark") != dict(mark):
        note("The state found is of another training (other data or settings): it starts anew.")
        return
    architecture = state.network.architecture
    network.put(state.network, _only("net.", arrays), architecture)
    network.put(state.averaged, _only("average.", arrays), architecture)
    _restore(state, _only("momentum.", arrays))
    state.best = _only("best.", arrays)
    for name in _TOLD:
        setattr(state, name, meta[name])


_TOLD = ("steps", "epoch", "best_epoch", "best_score", "looks", "before", "history")


def _momenta(state: State) -> Arrays:
    held = {
        str(at): state.optimizer.state[parameter].get("momentum_buffer")
        for at, parameter in enumerate(state.network.parameters())
        if parameter in state.optimizer.state
    }
    return {at: value.cpu().numpy() for at, value in held.items() if value is not None}


def _restore(state: State, momenta: Arrays) -> None:
    for at, parameter in enumerate(state.network.parameters()):
        if str(at) in momenta:
            value = torch.empty_like(parameter, requires_grad=False)
            value.copy_(torch.from_numpy(np.array(momenta[str(at)])))
            state.optimizer.state[parameter]["momentum_buffer"] = value


def _prefixed(prefix: str, arrays: Arrays) -> Arrays:
    return {prefix + name: array for name, array in arrays.items()}


def _only(prefix: str, arrays: Mapping[str, Any]) -> Arrays:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
