"""Several ranked lists → one: by rank where their scores are of different kinds, else by the scores themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reco_plugin.types import Candidate, Key

SMOOTHING = 10.0
"""The larger, the less the first ranks stand out. 60 is usual for lists of thousands; ours are short."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A ranked list and how far it is believed."""

    candidates: Sequence[Candidate]
    weight: float = 1.0


def fuse(offers: Iterable[Offer], *, smoothing: float = SMOOTHING) -> list[Candidate]:
    """Each product once, by reciprocal rank (Cormack, Clarke & Büttcher 2009).

    That is the sum of `weight / (smoothing + rank)` over the lists that have it, scaled so that 1 is
    the first place in every list that offered anything. It keeps the reason and the facts of the
    list that speaks for it loudest.
    """
    believed = _believed(offers)
    whole = sum(offer.weight for offer in believed)
    return _tally(
        (candidate, offer.weight / whole * (smoothing + 1) / (smoothing + rank))
        for offer in believed
        for rank, candidate in enumerate(offer.candidates, start=1)
    )


def voted(offers: Iterable[Offer]) -> list[Candidate]:
    """Each product once, by the sum of `weight * score`: for lists whose scores are of one kind."""
    return _tally(
        (candidate, offer.weight * candidate.score)
        for offer in _believed(offers)
        for candidate in offer.candidates
    )


def _believed(offers: Iterable[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer.candidates and offer.weight > 0]


def _tally(votes: Iterable[tuple[Candidate, float]]) -> list[Candidate]:
    total: dict[Key, float] = {}
    loudest: dict[Key, tuple[float, Candidate]] = {}
    for candidate, vote in votes:
        key = candidate.key
        total[key] = total.get(key, 0.0) + vote
        if key not in loudest or vote > loudest[key][0]:
            loudest[key] = (vote, candidate)
    found = [replace(loudest[key][1], score=score) for key, score in total.items()]
    return sorted(found, key=lambda candidate: -candidate.score)
