"""Several kinds of recommendation in one list, each with its share of the places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reco_plugin.ranking.select import unique
from reco_plugin.types import Candidate, Key, KindShare


def mix(offers: Sequence[tuple[KindShare, Sequence[Candidate]]]) -> list[Candidate]:
    """Each key once; of any first places each kind has its share by weight, as long as it has any left.

    Scores of different kinds say nothing about one another, so places are shared out and not scores.
    A product that several kinds offer comes as soon as the first of them has it, with the reason of
    the one that ranks it highest. Kinds of one weight take turns in the order given.
    """
    lists = [unique(candidates) for _, candidates in offers]
    if len(lists) <= 1:
        return lists[0] if lists else []
    best = _best(lists)
    return [best[key] for key in _interleaved(lists, [share.weight for share, _ in offers])]


def _best(lists: Sequence[Sequence[Candidate]]) -> Mapping[Key, Candidate]:
    """Of each key the candidate that stands highest in its own list."""
    found: dict[Key, tuple[int, Candidate]] = {}
    for candidates in lists:
        for place, candidate in enumerate(candidates):
            known = found.get(candidate.key)
            if known is None or place < known[0]:
                found[candidate.key] = (place, candidate)
    return {key: candidate for key, (_, candidate) in found.items()}


def _interleaved(lists: Sequence[Sequence[Candidate]], weights: Sequence[float]) -> list[Key]:
    """Smooth weighted round robin: the kind that is furthest behind its share comes next."""
    waiting = [[one.key for one in reversed(candidates)] for candidates in lists]
    shares = _shares(weights)
    behind = [0.0] * len(lists)
    order: dict[Key, None] = {}
    while turn := [kind for kind, keys in enumerate(waiting) if _skip(keys, order)]:
        for kind in turn:
            behind[kind] += shares[kind]
        chosen = max(turn, key=lambda kind: (behind[kind], -kind))
        behind[chosen] -= sum(shares[kind] for kind in turn)
        order[waiting[chosen].pop()] = None
    return list(order)


def _shares(weights: Sequence[float]) -> list[float]:
    """A kind without a weight comes when the others are used up."""
    positive = [max(0.0, weight) for weight in weights]
    total = sum(positive)
    return [weight / total for weight in positive] if total else [1.0] * len(positive)


def _skip(keys: list[Key], taken: Mapping[Key, None]) -> bool:
    """Drop what another kind has brought already; is anything left?"""
    while keys and keys[-1] in taken:
        keys.pop()
    return bool(keys)
