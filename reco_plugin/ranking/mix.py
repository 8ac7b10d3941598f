"""Several kinds of recommendation in one list, each with its share of the places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reco_plugin.ranking.select import unique
from reco_plugin.types import Candidate, Key, KindShare


def mix(offers: Sequence[tuple[KindShare, Sequence[Candidate]]]) -> list[Candidate]:
    """Each key once; of any first places each kind has its share by weight, as long as it has any left.

    Scores of different kinds say nothing about one another, so places are shared out and not scores.
    A product that several kinds offer comes where the first of them has it, with the reason of the
    one that ranks it highest. Kinds of one weight take turns in the order given; one without a
    weight comes when the others are used up.
    """
    lists = [unique(candidates) for _, candidates in offers]
    if len(lists) <= 1:
        return lists[0] if lists else []
    weights = _weights([share.weight for share, _ in offers])
    owners, best = _owners(lists, weights), _best(lists)
    places: list[tuple[float, int, int, Key]] = []
    for kind, candidates in enumerate(lists):
        own = (one.key for one in candidates if owners[one.key] == kind)
        places += [(_place(rank, weights[kind]), kind, rank, key) for rank, key in enumerate(own)]
    return [best[place[3]] for place in sorted(places, key=lambda place: place[:3])]


def _owners(lists: Sequence[Sequence[Candidate]], weights: Sequence[float]) -> Mapping[Key, int]:
    """Of each key the kind that brings it first."""
    found: dict[Key, tuple[float, int]] = {}
    for kind, candidates in enumerate(lists):
        for rank, candidate in enumerate(candidates):
            place = _place(rank, weights[kind])
            if candidate.key not in found or place < found[candidate.key][0]:
                found[candidate.key] = (place, kind)
    return {key: kind for key, (_, kind) in found.items()}


def _best(lists: Sequence[Sequence[Candidate]]) -> Mapping[Key, Candidate]:
    """Of each key the candidate that stands highest in its own list."""
    found: dict[Key, tuple[int, Candidate]] = {}
    for candidates in lists:
        for rank, candidate in enumerate(candidates):
            if candidate.key not in found or rank < found[candidate.key][0]:
                found[candidate.key] = (rank, candidate)
    return {key: candidate for key, (_, candidate) in found.items()}


def _place(rank: int, weight: float) -> float:
    """Strides of one over the weight: twice the weight, twice as many in any stretch."""
    return (rank + 0.5) / weight if weight else math.inf


def _weights(given: Sequence[float]) -> list[float]:
    positive = [max(0.0, weight) for weight in given]
    return positive if any(positive) else [1.0] * len(positive)
