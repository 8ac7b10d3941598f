"""Several ranked lists → one, by reciprocal rank (Cormack, Clarke & Büttcher 2009)."""

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
    """Each product once, by the sum of `weight / (smoothing + rank)` over the lists that have it.

    It keeps the reason and the facts of the list that speaks for it loudest. Scores are scaled so
    that 1 is the first place in every list that offered anything.
    """
    believed = [offer for offer in offers if offer.candidates and offer.weight > 0]
    whole = sum(offer.weight for offer in believed)
    total: dict[Key, float] = {}
    loudest: dict[Key, tuple[float, Candidate]] = {}
    for offer in believed:
        for rank, candidate in enumerate(offer.candidates, start=1):
            share = offer.weight / whole * (smoothing + 1) / (smoothing + rank)
            total[candidate.key] = total.get(candidate.key, 0.0) + share
            if candidate.key not in loudest or share > loudest[candidate.key][0]:
                loudest[candidate.key] = (share, candidate)
    found = [replace(loudest[key][1], score=score) for key, score in total.items()]
    return sorted(found, key=lambda candidate: -candidate.score)
