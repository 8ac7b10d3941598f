"""What a tuning tries: the trainer's own space, which features take part, how events weigh, how they fade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reco_plugin import conf
from reco_plugin.datasets import EventLog, EventWeights
from reco_plugin.trainers import registry
from reco_plugin.trainers.spaces import FEATURES, Choice, Real, Space, space_of
from reco_plugin.types import EventKind

GROUPS = ("trainer", "features", "weights", "decay")
ANCHOR = EventKind.PURCHASE
"""Its weight stays: what counts is how the others compare with it."""
HALF_LIVES = (0.0, 14.0, 30.0, 60.0, 90.0, 180.0, 365.0)
"""Days; 0 for no decay."""


def space(log: EventLog, groups: tuple[str, ...] = ()) -> Space:
    """By name ('trainer.dimensions'), wide enough for the settings in force.

    Only kinds of event that `log` has are weighed. Raises ValueError for a group there is not, and where
    there is nothing to try.
    """
    wanted = groups or GROUPS
    for group in wanted:
        if group not in GROUPS:
            raise ValueError(f"There is no group {group!r}; choose from {', '.join(GROUPS)}.")
    found = {
        name: dimension
        for name, dimension in _everything(log).items()
        if name.partition(".")[0] in wanted
    }
    if not found:
        raise ValueError(
            f"There is nothing to try of {', '.join(wanted)} for trainer {conf.settings.TRAINER!r}."
        )
    in_force = defaults(found)
    return {name: each.including(in_force[name]) for name, each in found.items()}


def _everything(log: EventLog) -> Space:
    own = space_of(conf.settings.TRAINER)
    found: dict[str, Any] = {_named(name): each for name, each in own.items()}
    for kind in _weighed(log):
        found[f"weights.{kind.ga4}"] = Real(low=0.1, high=5.0, log=True)
    span = (int(log.at.max()) - int(log.at.min())) / 86_400_000_000 if len(log) else 0.0
    found["decay.half_life_days"] = Choice(values=tuple(x for x in HALF_LIVES if x <= span))
    return found


def _named(name: str) -> str:
    return f"features.{name}" if name in FEATURES else f"trainer.{name}"


def _weighed(log: EventLog) -> list[EventKind]:
    """Kinds of the log that speak for a product, but the anchor; none where there is no other to compare."""
    weights = EventWeights.from_settings().weights
    kinds = [EventKind(int(number)) for number in np.unique(log.kind)]
    return [kind for kind in kinds if weights.get(kind, 0.0) > 0 and kind != ANCHOR]


def defaults(tried: Space) -> Mapping[str, Any]:
    """The value in force of each name, without what a tuning found before."""
    return {name: _default(*name.split(".", 1)) for name in tried}


def _default(group: str, name: str) -> Any:
    if group == "weights":
        return EventWeights.from_settings().weights[EventKind.parse(name)]
    if group == "decay":
        return EventWeights.from_settings().half_life_days
    given = conf.settings.TRAINER_CONFIG
    if name == "shopper_features":  # made only where they are asked for: see `material.gather`
        return bool(given.get(name, False))
    trainer = registry.get(conf.settings.TRAINER)(given)
    return getattr(getattr(trainer, "config", trainer), name)
