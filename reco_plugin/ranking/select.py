"""Which candidates stay, in an order that is never shuffled."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reco_plugin.types import Candidate, Key


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
