"""Which candidates stay, in an order that is never shuffled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from reco_plugin.types import Candidate, Key, Rung

_PLACE = {rung: place for place, rung in enumerate(Rung)}


def unique(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The first candidate of each key, in order."""
    first: dict[Key, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.key, candidate)
    return list(first.values())


def exclude(candidates: Iterable[Candidate], keys: Collection[Key]) -> list[Candidate]:
    """Without the products in `keys`, in order; a group named in `keys` goes with all its variants."""
    gone = frozenset(keys)
    return [
        candidate
        for candidate in candidates
        if candidate.key not in gone and (candidate.group is None or candidate.group not in gone)
    ]


def collapse(candidates: Iterable[Candidate]) -> list[Candidate]:
    """One tile per group: the first candidate (the best, in a ranked list) of each stays, in order.

    A product without a group stands for itself, and is one tile with its own variants.
    """
    first: dict[Key, Candidate] = {}
    for candidate in candidates:
        group = candidate.key if candidate.group is None else candidate.group
        first.setdefault(group, candidate)
    return list(first.values())


def fill(
    candidates: Iterable[Candidate] | Sequence[Candidate], limit: int | None = None
) -> list[Candidate]:
    """The first `limit` distinct candidates (all, by default), better rungs before worse ones.

    Within a rung the order stays: a worse rung only fills what better ones leave empty.
    """
    ordered = sorted(candidates, key=lambda candidate: _PLACE[candidate.rung])
    return unique(ordered)[: None if limit is None else max(limit, 0)]
