"""Which brands or categories suit a shopper: what they said, what they did, and what is wanted now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
    """What the shopper said they like first, then what their events tell, then what is `wanted` by all.

    `facts` are of the events' products; `wanted` has names for keys. Each name once.
    """
    found: dict[str, Facet] = {}
    for one in (*_liked(facet, interests), *_told(facet, events, facts), *_popular(facet, wanted)):
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


def _told(facet: str, events: Sequence[PastEvent], facts: Mapping[Key, ItemFacts]) -> list[Facet]:
    left_out = turned_down(events)
    strengths: dict[str, float] = {}
    products: dict[str, dict[Key, None]] = {}
    bought: set[str] = set()
    for place, event in enumerate(events):
        known = facts.get(event.key)
        if known is None or event.kind not in WANTED or event.key in left_out:
            continue
        for name in names_of(facet, known):
            strength = STRENGTHS[event.kind] * FADING**place
            strengths[name] = strengths.get(name, 0.0) + strength
            products.setdefault(name, {})[event.key] = None
            if event.kind is EventKind.PURCHASE:
                bought.add(name)
    whole = sum(strengths.values())
    found = [
        Facet(
            facet=facet,
            name=name,
            score=strength / whole,
            reason="bought" if name in bought else "looked_at",
            products=tuple(products[name]),
        )
        for name, strength in strengths.items()
    ]
    return sorted(found, key=lambda one: -one.score)


def _popular(facet: str, wanted: Sequence[Scored]) -> Iterator[Facet]:
    most = max((scored.score for scored in wanted), default=0.0) or 1.0
    for scored in wanted:
        yield Facet(facet=facet, name=str(scored.key), score=scored.score / most, reason="popular")
