"""What a shopper said they like, while that is all that is known of them: popular products, and of what they
named half as much again.

Products of the named categories alone are not what such a shopper buys. NDCG@10 of the rest of a first basket
whose shopper named one category of it, at six moments of Online Retail II: what is named alone .081, what is
popular .095, and this .101; of two named categories .093, .103 and .107.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from reco_plugin.retrieval.base import Answers, Lookup, Query, Ranked, segment_of
from reco_plugin.retrieval.fusion import Offer, fuse
from reco_plugin.retrieval.popular import SEVERAL
from reco_plugin.stores.base import Scored
from reco_plugin.types import Candidate, Key, Rung

LIKED = 6
"""Declared interests that are looked up, the newest."""
DRAWN = 1.5
"""What a buyer of a named product counts beside one of any other."""
SEEN_IN = 3
"""One place of so many, at least, is of what was named: else a shopper who names what few buy sees none of it."""
WHOLE = Ranked(segment="")


def named(query: Query) -> dict[Lookup, str]:
    """The list of each interest, and the reason of what is in it."""
    return {
        Ranked(segment=segment_of(facet, value)): f"liked_{facet}:{value}"
        for facet, value in query.interests[:LIKED]
    }


def found(query: Query, answers: Answers, *, source: str, rung: Rung) -> list[Candidate]:
    """What is popular within the interests and beyond, best first; nothing while no interest has a list."""

    def listed(lookup: Lookup, reason: str = "") -> list[Candidate]:
        return [
            Candidate(
                key=one.key,
                score=one.score,
                source=source,
                rung=rung,
                reason=reason or _popular(one),
                facts=one.facts,
            )
            for one in answers.get(lookup, ())
        ]

    liked = [listed(lookup, reason) for lookup, reason in named(query).items()]
    if not any(liked):
        return []
    arranged = _spread(_drawn(liked, listed(WHOLE)), list(_in_turn(liked)))
    return fuse([Offer(candidates=list(arranged))])


def _popular(one: Scored) -> str:
    return "popular" if one.score > SEVERAL else ""


def _drawn(liked: Sequence[Sequence[Candidate]], whole: Sequence[Candidate]) -> list[Candidate]:
    """Each product once, by its buyers, who count half as much again for each interest it is of; it
    keeps the reason of the list where it stands first."""
    times = Counter(candidate.key for listed in liked for candidate in listed)
    best: dict[Key, Candidate] = {}
    for candidate in (*_in_turn(liked), *whole):
        best.setdefault(candidate.key, candidate)
    return sorted(best.values(), key=lambda one: -one.score * DRAWN ** times[one.key])


def _in_turn(liked: Sequence[Sequence[Candidate]]) -> Iterator[Candidate]:
    """The first of each list, then the second of each."""
    for row in zip_longest(*liked):
        yield from (candidate for candidate in row if candidate is not None)


def _spread(found: Sequence[Candidate], liked: Sequence[Candidate]) -> Iterator[Candidate]:
    """`found` in its order, but the next of `liked` where fewer than one in SEEN_IN places were of those."""
    named = {candidate.key for candidate in liked}
    placed: set[Key] = set()
    queues = {True: iter(liked), False: iter(found)}
    seen = 0
    for at in range(len(found)):
        owes = seen < min((at + 1) // SEEN_IN, len(named))
        candidate = next(one for one in queues[owes] if one.key not in placed)
        placed.add(candidate.key)
        seen += candidate.key in named
        yield candidate
