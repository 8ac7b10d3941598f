"""Which brands or categories suit a shopper: what they said, what they did, and what is wanted now.

What they did is a sample, and a small one: it is drawn to what the whole shop goes for, the more the less
shoppers of this shop differ (`trainers.shares`; the job `lists` writes how many products that is worth). NDCG@3
of the categories of the next new products: Online Retail II (six moments) .71, where what the shopper did alone has
.65 and what is wanted by all .69; Amazon Beauty (the last event) .38, .36 and .28.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reco_plugin.retrieval.events import WANTED, turned_down
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.types import EventKind, ItemFacts, Key

RUNS: Mapping[str, str] = {"brand": "brands", "category": "categories"}
"""The kind of run that ranks the names of each facet."""
FACETS = tuple(RUNS)
FADING = 0.93
"""What an event counts beside the next newer one."""
STRENGTHS: Mapping[EventKind, float] = {
    EventKind.VIEW_ITEM: 1.0,
    EventKind.SELECT_ITEM: 1.0,
    EventKind.ADD_TO_CART: 2.0,
    EventKind.ADD_TO_WISHLIST: 2.0,
    EventKind.PURCHASE: 3.0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Facet:
    """A brand or a category that suits."""

    facet: str
    """'brand' or 'category'."""
    name: str
    """The brand, or the category's whole path."""
    score: float
    reason: str
    """'liked', 'bought', 'looked_at' or 'popular'."""
    products: tuple[Key, ...] = ()
    """Some of its products, the most telling first."""

    @property
    def is_fallback(self) -> bool:
        """Says it nothing of this shopper?"""
        return self.reason == "popular"


def offered(
    facet: str,
    *,
    interests: Iterable[tuple[str, str]],
    events: Sequence[PastEvent],
    facts: Mapping[Key, ItemFacts],
    wanted: Sequence[Scored],
) -> list[Facet]:
    """What the shopper said they like first, then what their events and the whole shop together tell.

    `facts` are of the events' products; `wanted` has names for keys, and for scores the products of a
    shopper's own that they weigh as much as. Each name once.
    """
    found = {one.name: one for one in _liked(facet, interests)}
    for one in _expected(_told(facet, events, facts), facet, wanted):
        known = found.setdefault(one.name, one)
        if one.products and not known.products:
            found[one.name] = replace(known, products=one.products)
    return list(found.values())


def names_of(facet: str, facts: ItemFacts) -> tuple[str, ...]:
    """The brand or the categories of a product."""
    if facet == "category":
        return facts.categories
    return (facts.brand,) if facts.brand else ()


def _liked(facet: str, interests: Iterable[tuple[str, str]]) -> Iterator[Facet]:
    for kind, value in interests:
        if kind == facet:
            yield Facet(facet=facet, name=value, score=1.0, reason="liked")


@dataclass(kw_only=True, slots=True)
class _Evidence:
    """What a shopper did about the products of one name."""

    strength: float = 0.0
    reason: str = "looked_at"
    products: dict[Key, None] = field(default_factory=dict)


def _told(
    facet: str, events: Sequence[PastEvent], facts: Mapping[Key, ItemFacts]
) -> dict[str, _Evidence]:
    """Each product counts once, by its most telling event."""
    found: dict[str, _Evidence] = {}
    for key, strength, is_bought in _weighed(events):
        for name in names_of(facet, facts[key]) if key in facts else ():
            one = found.setdefault(name, _Evidence())
            one.strength += strength
            one.products[key] = None
            one.reason = "bought" if is_bought else one.reason
    return found


def _weighed(events: Sequence[PastEvent]) -> Iterator[tuple[Key, float, bool]]:
    """Products by their newest event: what they count, and whether they were bought."""
    left_out = turned_down(events)
    strengths: dict[Key, float] = {}
    bought: set[Key] = set()
    for place, event in enumerate(events):
        if event.kind in WANTED and event.key not in left_out:
            strength = STRENGTHS[event.kind] * FADING**place
            strengths[event.key] = max(strength, strengths.get(event.key, 0.0))
            if event.kind is EventKind.PURCHASE:
                bought.add(event.key)
    for key, strength in strengths.items():
        yield key, strength, key in bought


def _expected(
    told: Mapping[str, _Evidence], facet: str, wanted: Sequence[Scored]
) -> Iterator[Facet]:
    """Shares, the largest first: the shopper's own counts on top of what is usual. Of equal ones their own."""
    scores = {name: one.strength for name, one in told.items()}
    for scored in wanted:
        scores[str(scored.key)] = scores.get(str(scored.key), 0.0) + scored.score
    whole = sum(scores.values()) or 1.0
    for name in sorted(scores, key=lambda name: -scores[name]):
        own = told.get(name) or _Evidence(reason="popular")
        yield Facet(
            facet=facet,
            name=name,
            score=scores[name] / whole,
            reason=own.reason,
            products=tuple(own.products),
        )
