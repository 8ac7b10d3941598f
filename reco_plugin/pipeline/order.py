"""Candidates of one source → the order they are offered in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reco_plugin.ranking import exclude, unique
from reco_plugin.types import Candidate, Key


def ordered(candidates: Sequence[Candidate], *, without: Collection[Key] = ()) -> list[Candidate]:
    """`candidates` as the source ranked them: each key once, none of `without`."""
    return unique(exclude(candidates, without))
