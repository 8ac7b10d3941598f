"""How a smaller network is taught by a larger one: hyper-parameters. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reco_plugin import hyperparameters
from reco_plugin.encoders.weights import ARCHITECTURES


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """Hyper-parameters of a distillation."""

    architecture: str = "student"
    epochs: int = 30
    batch: int = 64
    learning_rate: float = 0.05
    """With momentum 0.9, at the height of the cycle."""
    weight_decay: float = 1e-4
    alike: float = 1.0
    """Weight of finding the pictures of a batch as alike as the teacher does."""
    temperature: float = 0.1
    crop: float = 0.5
    precision: str = "auto"

    def __post_init__(self) -> None:
        hyperparameters.choice("architecture", self.architecture, ARCHITECTURES)
        require = hyperparameters.require
        require(self.epochs >= 1, "epochs must be at least 1.")
        require(self.batch >= 2, "batch must be at least 2.")
        for name in ("learning_rate", "temperature"):
            require(0 < getattr(self, name) < math.inf, f"{name} must be a positive number.")
        for name in ("weight_decay", "alike"):
            require(getattr(self, name) >= 0, f"{name} must not be negative.")
        require(0 < self.crop <= 1, "crop must be above 0, and at most 1.")

    def rate_at(self, done: float) -> float:
        """Up for a twentieth of all steps, then down as a cosine does."""
        rise = 0.05
        if done < rise:
            return self.learning_rate * (0.04 + 0.96 * done / rise)
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * (done - rise) / (1 - rise)))


def read(config: Mapping[str, Any] | None) -> Student:
    """From a mapping laid over the defaults. Raises ValueError for what it does not know."""
    return hyperparameters.read(Student, config)
