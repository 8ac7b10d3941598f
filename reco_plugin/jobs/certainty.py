"""How sure to be of a guess: what became of guesses of the same strength where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats

FEWEST = 30
"""Guesses with a known truth, below which nothing can be said."""
BIN = 25
"""Of so many neighbours in strength the share of right ones is taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Certainty:
    """From the strength of a guess to the share of such guesses that are right."""

    edges: Floats
    """(n,) ascending: where each step begins."""
    shares: Floats
    """(n,) ascending, 0..1."""

    @classmethod
    def measured(cls, strengths: Floats, right: npt.NDArray[np.bool_]) -> Self | None:
        """Isotonic regression by pooling adjacent violators (Ayer et al. 1955; Zadrozny & Elkan 2002).

        A step's share is on the careful side (Laplace), also where all its guesses were right. None
        for fewer than FEWEST guesses.
        """
        if len(strengths) < FEWEST:
            return None
        order = np.argsort(strengths, kind="stable")
        starts = _starts(strengths[order])
        counts = np.diff([*starts, len(order)])
        hits = np.add.reduceat(right[order].astype(np.float64), starts)
        kept, shares = _pooled(hits, counts.astype(np.float64))
        edges = strengths[order][starts[kept]].astype(np.float32)
        return cls(edges=edges, shares=shares.astype(np.float32))

    def of(self, strengths: Floats) -> Floats:
        """(n,) shares; a guess weaker than any that was measured is trusted with nothing."""
        step = np.searchsorted(self.edges, strengths, side="right") - 1
        return np.where(step < 0, np.float32(0), self.shares[np.maximum(step, 0)])


def _starts(ordered: Floats) -> npt.NDArray[np.int64]:
    """Where bins of about BIN begin; equal strengths are never in two."""
    firsts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0)
    bins = np.arange(0, max(len(ordered) - BIN // 2, 1), BIN)
    places = np.searchsorted(firsts, bins, side="right") - 1
    return np.unique(firsts[places])


def _pooled(
    hits: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]
) -> tuple[list[int], npt.NDArray[np.float64]]:
    """First bin of each step, and its share: neighbours that fall are taken together."""
    steps: list[tuple[int, float, float]] = []
    for at, (hit, count) in enumerate(zip(hits.tolist(), counts.tolist(), strict=True)):
        step = (at, hit, count)
        while steps and _share(steps[-1]) >= _share(step):
            first, earlier, number = steps.pop()
            step = (first, earlier + step[1], number + step[2])
        steps.append(step)
    return [first for first, _, _ in steps], np.asarray([_share(step) for step in steps])


def _share(step: tuple[int, float, float]) -> float:
    _, hits, count = step
    return (hits + 1) / (count + 2)
