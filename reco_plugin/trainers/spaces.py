"""What may be tried of a trainer's hyper-parameters: ranges and choices, plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from reco_plugin.trainers import registry

STEPS = 4
"""Values that a grid takes of a range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Real:
    """Numbers from `low` to `high`, evenly in their logarithm where `log`."""

    low: float
    high: float
    log: bool = False

    def grid(self) -> tuple[float, ...]:
        return tuple(float(f"{value:.4g}") for value in _spaced(self.low, self.high, log=self.log))

    def including(self, value: Any) -> Real:
        """The same, wide enough for `value`."""
        return Real(low=min(self.low, value), high=max(self.high, value), log=self.log)


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """Whole numbers from `low` to `high`."""

    low: int
    high: int
    log: bool = False

    def grid(self) -> tuple[int, ...]:
        spaced = _spaced(self.low, self.high, log=self.log)
        return tuple(sorted({round(value) for value in spaced}))

    def including(self, value: Any) -> Whole:
        """The same, wide enough for `value`."""
        return Whole(low=min(self.low, value), high=max(self.high, value), log=self.log)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of `values`."""

    values: tuple[Any, ...]

    def grid(self) -> tuple[Any, ...]:
        return self.values

    def including(self, value: Any) -> Choice:
        """The same, `value` among them."""
        return self if value in self.values else Choice(values=(*self.values, value))


Dimension: TypeAlias = Real | Whole | Choice
Space: TypeAlias = Mapping[str, Dimension]

LIGHTFM: Space = MappingProxyType(
    {
        "dimensions": Whole(low=16, high=128, log=True),
        "epochs": Whole(low=10, high=80),
        "loss": Choice(values=("warp", "bpr")),
        "learning_rate": Real(low=0.005, high=0.1, log=True),
        "item_alpha": Choice(values=(0.0, 1e-7, 1e-6, 1e-5, 1e-4)),
        "user_alpha": Choice(values=(0.0, 1e-7, 1e-6, 1e-5, 1e-4)),
        "max_sampled": Whole(low=5, high=40, log=True),
        "item_features": Choice(values=(True, False)),
        "shopper_features": Choice(values=(True, False)),
        "identity_share": Real(low=0.3, high=0.97),
        "weights": Choice(values=(True, False)),
    }
)
FEATURES = ("item_features", "shopper_features", "identity_share")
"""Hyper-parameters that say which features take part, and how much."""


def space_of(name: str) -> Space:
    """What may be tried of the trainer `name`; a trainer of the shop's own says it as its attribute `space`.

    Empty where it says nothing. Raises ValueError for a trainer there is not.
    """
    if name == "lightfm":
        return LIGHTFM
    found: Space = getattr(registry.get(name), "space", {})
    return found


def as_json(dimension: Dimension) -> dict[str, Any]:
    """JSON-able, for a record of what was tried."""
    if isinstance(dimension, Choice):
        return {"values": list(dimension.values)}
    return {"low": dimension.low, "high": dimension.high, "log": dimension.log}


def _spaced(low: float, high: float, *, log: bool) -> list[float]:
    spaced = np.geomspace(low, high, STEPS) if log else np.linspace(low, high, STEPS)
    return [float(value) for value in spaced]
