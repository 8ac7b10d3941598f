"""How far two distributions have moved apart, and how far chance alone moves them.

The population stability index is sum((q - p) ln(q / p)), the symmetrised Kullback-Leibler divergence (Jeffreys
1946; used on scorecards since Siddiqi 2006, with .1 for a moderate and .25 for a large shift). Those limits are
rules of thumb that know no sample size: with no shift at all the index of n and m independent draws in b cells
is about (1/n + 1/m) times a chi-square of b - 1 degrees of freedom (Yurdakul & Naranjo 2020). So a shift
counts when it exceeds the rule *and* what chance does once in a hundred. One shopper's events are not
independent; n and m are therefore numbers of shoppers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

MODERATE, LARGE = 0.1, 0.25
CHANCE = 0.99
HALF = 0.5
"""Added to every count, so that an empty cell is not infinitely far away (Jeffreys' prior)."""
MOST_TOLD = 3
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """One distribution then and now."""

    name: str
    index: float
    """Population stability index; 0: as it was."""
    noise: float
    """What chance alone exceeds once in a hundred."""
    moved: tuple[tuple[str, float, float], ...] = ()
    """The cells that moved most: (which, share then, share now)."""

    @property
    def level(self) -> str:
        """'stable', 'moderate' or 'large'."""
        if self.index <= max(MODERATE, self.noise):
            return "stable"
        return "large" if self.index > LARGE else "moderate"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "index": round(self.index, 4),
            "noise": round(self.noise, 4),
            "level": self.level,
            "moved": [[cell, round(then, 4), round(now, 4)] for cell, then, now in self.moved],
        }


def shift(
    name: str, then: Counts, now: Counts, cells: Sequence[str], *, shoppers: tuple[int, int]
) -> Shift:
    """Two rows of counts over the same `cells`, of so many shoppers then and now. Raises ValueError
    where the shapes differ."""
    if then.shape != now.shape or then.shape != (len(cells),):
        raise ValueError(
            f"{then.shape}, {now.shape} and {len(cells)} cells do not belong together."
        )
    used = (then > 0) | (now > 0)
    p, q = _shares(then[used]), _shares(now[used])
    parts = (q - p) * np.log(q / p)
    names = [cell for cell, is_used in zip(cells, used.tolist(), strict=True) if is_used]
    most = np.argsort(-parts, kind="stable")[:MOST_TOLD]
    return Shift(
        name=name,
        index=float(parts.sum()),
        noise=chance(len(names), *shoppers),
        moved=tuple((names[at], float(p[at]), float(q[at])) for at in most.tolist()),
    )


def chance(cells: int, one: int, other: int) -> float:
    """The index that so many shoppers of the same habits exceed once in a hundred."""
    if cells < 2 or not one or not other:
        return 0.0
    return float((1 / one + 1 / other) * stats.chi2.ppf(CHANCE, cells - 1))


def _shares(counts: Counts) -> Counts:
    smooth = counts + HALF
    return np.asarray(smooth / max(float(smooth.sum()), HALF))
