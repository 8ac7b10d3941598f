"""How many candidates to look at for a slate, from the share that lately turned out eligible."""

from __future__ import annotations

import math

FIRST_GUESS = (1.0, 4.0)
"""Of four candidates one may be shown: what is assumed until it is known."""
MEMORY = 1_000.0
"""Candidates after which what was seen before counts half."""
CERTAINTY = 4.0
"""Standard deviations of luck allowed for."""


class Share:
    """The eligible share of the candidates of one shop, as this process has seen it."""

    def __init__(self) -> None:
        self._live, self._seen = FIRST_GUESS

    @property
    def value(self) -> float:
        """Within (0, 1]."""
        return self._live / self._seen

    def learn(self, live: int, seen: int) -> None:
        """Of `seen` candidates `live` could be shown."""
        if self._seen > MEMORY:
            self._live, self._seen = self._live / 2, self._seen / 2
        self._live, self._seen = self._live + live, self._seen + seen

    def enough_for(self, wanted: int) -> int:
        """As many candidates as almost surely hold `wanted` eligible ones."""
        share = min(1.0, max(1e-3, self.value))
        luck = CERTAINTY * math.sqrt(share * (1 - share))
        root = (luck + math.sqrt(luck * luck + 4 * share * wanted)) / (2 * share)
        return max(wanted, math.ceil(root * root - 1e-9))


_shares: dict[tuple[str, int], Share] = {}


def share_of(using: str, site: int) -> Share:
    """What this process knows of one site."""
    return _shares.setdefault((using, site), Share())
