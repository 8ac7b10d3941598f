"""What all kills came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.harness import Row

HEARTBEAT = 0.8
"""Seconds; everything waits in units of it."""
POLL = HEARTBEAT / 3
WITHIN = 2
"""Heartbeats from the kill to the takeover."""


@dataclass(kw_only=True)
class Found:
    """Faults in words, and counts."""

    left_out: list[str] = field(default_factory=list)
    """Jobs that have nothing to do here, for want of what they need."""
    stages: int = 0
    """Moments that are ends of a stage, of all jobs."""
    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    """Kills that came too late, or never: the job went another way, or was over."""
    networks: int = 0
    """Kills of a training on torch."""
    half: list[str] = field(default_factory=list)
    """Half-published runs."""
    lost: list[str] = field(default_factory=list)
    """Events and rows that are lost, or there twice."""
    unfinished: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    """Processes that outlived the one that started them."""
    waits: list[float] = field(default_factory=list)
    """Seconds from kill to takeover."""
    reads: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """One for each claim."""
        return [
            _none("half-published runs", self.half, self._words()),
            _none("events and rows lost or doubled", self.lost),
            _none("jobs not completed", self.unfinished),
            _none("processes that outlived their job", self.strays),
            Row.at_most(
                "a reader in a loop: failures",
                self.reads.get("failed", 0),
                1,
                0,
                unit="reads",
                note=f"of {self.reads.get('read', 0)}",
            ),
            Row.at_most(
                "kill to takeover",
                max(self.waits, default=0.0),
                HEARTBEAT,
                WITHIN,
                note=f"a heartbeat is {HEARTBEAT} s, polled every {POLL:.2f} s",
            ),
        ]

    def _words(self) -> str:
        each = ", ".join(f"{count} {job}" for job, count in sorted(self.kills.items()))
        words = f"{sum(self.kills.values())} kills, {self.stages} at ends of stages: {each}"
        if self.networks:
            words += f"; {self.networks} of fine_tune with a network"
        if self.left_out:
            words += f"; left out: {', '.join(self.left_out)}"
        return words


def _none(name: str, found: list[str], note: str = "") -> Row:
    words = "; ".join(sorted(set(found))[:4])
    note = "; ".join(filter(None, (words, note)))
    return Row.at_most(name, len(found), 1, 0, unit="times", note=note)
