"""Several candidate lists → one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from reco_plugin.types import Candidate, Key


def blend(
    lists: Sequence[Sequence[Candidate]], weights: Sequence[float] | None = None
) -> list[Candidate]:
    """One list, best first, of every key in `lists`, each key once.

    Scores of different sources do not compare, so each list is first scaled to 0..1, its worst just
    above 0 (being proposed counts for something); a key's score is the weighted sum over the lists
    that propose it. Source, rung and reason are those of the list that gave most. Equal scores keep
    the order in which keys first appear. Raises ValueError unless there is one finite weight, not
    negative, per list.
    """
    weights = [1.0] * len(lists) if weights is None else weights
    if len(weights) != len(lists) or not all(0 <= weight < math.inf for weight in weights):
        raise ValueError(f"Give {len(lists)} weights of 0 or more, one per list; not {weights!r}.")
    totals: dict[Key, float] = {}
    best: dict[Key, Candidate] = {}
    for candidates, weight in zip(lists, weights, strict=True):
        for candidate in _scaled(candidates, weight):
            key = candidate.key
            totals[key] = totals.get(key, 0.0) + candidate.score
            if key not in best or candidate.score > best[key].score:
                best[key] = candidate
    blended = [replace(best[key], score=total) for key, total in totals.items()]
    return sorted(blended, key=lambda candidate: -candidate.score)


def _scaled(candidates: Sequence[Candidate], weight: float) -> list[Candidate]:
    """Scores in (0, weight], a key's first only; scores that are not finite numbers count as worst."""
    first: dict[Key, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.key, candidate)
    known = [c.score for c in first.values() if math.isfinite(c.score)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return [
        replace(candidate, score=weight * _share(candidate.score, low, high))
        for candidate in first.values()
    ]


def _share(score: float, low: float, high: float, floor: float = 0.1) -> float:
    if not math.isfinite(score):
        return floor
    if high == low:
        return 1.0
    # halves, since the distance of two huge scores may not be a number
    return floor + (1 - floor) * ((score / 2 - low / 2) / (high / 2 - low / 2))
