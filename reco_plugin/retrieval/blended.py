"""What the learnt blend is asked of a shopper: what the ranker makes of the lists of their newest products."""

from __future__ import annotations

from collections.abc import Sequence

from reco_plugin.retrieval.base import Answers, Blended, Query, Related
from reco_plugin.retrieval.events import WANTED, turned_down
from reco_plugin.stores.base import PastEvent
from reco_plugin.types import Candidate, EventKind, Key, Rung

OF = "blend"
"""The kind of run, and the relation of its lists."""
WHY = {EventKind.PURCHASE: "because_bought"}
OTHERWISE = "because_viewed"
FOR_ALL = "popular"


def told(query: Query) -> list[PastEvent]:
    """The newest event of each product that speaks for it, newest first: as many as the blend counts."""
    left_out = turned_down(query.events)
    newest: dict[Key, PastEvent] = {}
    for event in query.events:
        if event.kind in WANTED and event.key not in left_out:
            newest.setdefault(event.key, event)
    return list(newest.values())[: query.blends]


def steps(events: Sequence[PastEvent]) -> tuple[int, ...]:
    """How many baskets ago each was, newest first: what was bought at one moment is one basket, all else
    stands alone."""
    found: list[int] = []
    for at, event in enumerate(events):
        found.append(0 if not at else found[-1] + (not _together(events[at - 1], event)))
    return tuple(found)


def lookup(query: Query) -> Blended | None:
    """What to read; None for whoever has done nothing, and while no blend is live."""
    events = told(query)
    if not events:
        return None
    return Blended(keys=tuple(event.key for event in events), steps=steps(events), k=query.k)


def newest(query: Query) -> Related | None:
    """What the blend knows of the product touched last; None where there is nothing to ask."""
    events = told(query)
    return Related(relation=OF, key=events[0].key, of=OF) if events else None


def found(query: Query, answers: Answers, *, source: str, rung: Rung) -> list[Candidate]:
    """The ranker's list, each product with what speaks loudest for it."""
    asked = lookup(query)
    kinds = {event.key: event.kind for event in told(query)}
    return [
        Candidate(
            key=scored.key,
            score=scored.score,
            source=source,
            rung=rung,
            reason=_reason(scored.beside, kinds),
        )
        for scored in (answers.get(asked, ()) if asked else ())
    ]


def _reason(product: Key | None, kinds: dict[Key, EventKind]) -> str:
    if product is None or product not in kinds:
        return FOR_ALL
    return f"{WHY.get(kinds[product], OTHERWISE)}:{product}"


def _together(one: PastEvent, other: PastEvent) -> bool:
    bought = EventKind.PURCHASE
    return one.kind is bought is other.kind and one.occurred_at == other.occurred_at
