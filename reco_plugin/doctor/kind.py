"""How far one kind of recommendation is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

GOOD, WEAK = 75, 50
"""Per cent from which a kind is good, and below which what it falls back on is shown instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """How far one kind of recommendation is."""

    kind: str
    figure: int
    """Per cent: how full its lists are, times how different from one another."""
    have: int
    """Interactions (or products, lists) there are."""
    need: int
    ready: bool
    """There is something to show: a run is live, or the shop's own rows are there."""
    words: str
    next_step: str = ""
    """What brings it on; '' when it is ready."""

    @property
    def level(self) -> str:
        """'good', 'weak', or 'fallback': what it falls back on is mostly shown."""
        return "good" if self.figure >= GOOD else "weak" if self.figure >= WEAK else "fallback"

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "level": self.level}


def percent(share: float) -> int:
    """0..1 as a whole number."""
    return round(100 * share)
