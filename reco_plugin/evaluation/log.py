"""A log as the protocols want it, wherever it came from: a file or the shop's own tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.trainers.histories import Histories


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """What happened, and what was left out of it."""

    past: Histories
    items: npt.NDArray[Any]
    """(n_items,) names."""
    titles: dict[int, str] = field(default_factory=dict)
    """Item row → its commonest title."""
    asked: tuple[Histories, npt.NDArray[np.int64]] | None = None
    """Prefixes and their next items, where the log comes with its own test."""
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Events left out, by reason."""
    ties: float = 0.0
    """Share of events at the same moment as another of the same shopper, outside a common basket."""
    gone: int | None = None
    """Items with events that cannot be bought any more; None where the log does not say."""


def ties(past: Histories) -> float:
    """Share of events at the very moment of the shopper's one before, outside a common basket."""
    if past.at is None or not len(past.at):
        return 0.0
    same = (past.at[1:] == past.at[:-1]) & (past.rows[1:] == past.rows[:-1])
    if past.basket is not None:
        same &= past.basket[1:] != past.basket[:-1]
    return float(same.mean()) if len(same) else 0.0
