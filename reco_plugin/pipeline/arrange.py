"""From what the sources offer to the order of a slate: the whole of a placement's rules, in one place.

What may be shown at all is decided afterwards, against live rows; so more comes out than a slate
holds, and the filling of the slate asks `Caps` again, once it knows what is live.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from reco_plugin import conf
from reco_plugin.ranking.caps import capped, returned
from reco_plugin.ranking.diversify import diversify, reach
from reco_plugin.ranking.explore import explore
from reco_plugin.ranking.filters import Filters
from reco_plugin.ranking.guards import Guards
from reco_plugin.ranking.looks import completing
from reco_plugin.ranking.mix import mix
from reco_plugin.ranking.rotate import rounds
from reco_plugin.ranking.select import unique
from reco_plugin.ranking.steer import steer
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.types import Candidate, Context, Floats, ItemFacts, Key, KindShare, PlacementSpec

MATCHED = 100
"""Candidates, the first, that are matched by sight."""
TILES = 2
"""Places that exploration may give away, for each tile of a slate: some turn out to be sold out."""

Note = Callable[[str], object]
Offers = Sequence[tuple[KindShare, Sequence[Candidate]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What was read beside the candidates; `wants` says what is worth reading."""

    facts: Mapping[Key, ItemFacts] = field(default_factory=dict)
    vectors: Mapping[Key, Floats] = field(default_factory=dict)
    """(d,) each, unfolded."""
    looks: Mapping[Key, Floats] = field(default_factory=dict)
    """(d,) each, of length 1: of the pictures of products."""
    anchor: ItemFacts | None = None
    """The page's product."""
    beside: Sequence[Key] = ()
    """The page's product, or what is in the cart."""
    shown: Mapping[Key, int] = field(default_factory=dict)
    """Times each product was shown to this shopper lately and not clicked."""
    fresh: Sequence[Candidate] = ()
    """New products, for exploration."""
    context: Context = field(default_factory=Context)


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What of `Material` a placement makes use of."""

    facts: bool = False
    vectors: bool = False
    looks: bool = False
    shown: bool = False
    fresh: bool = False


def wants(spec: PlacementSpec) -> Needs:
    """An undemanding placement wants nothing, and costs no statement."""
    screens = bool(spec.filters or spec.must_match or spec.must_differ or spec.caps)
    looks = any(map(completes, (*(share.kind for share in spec.kinds), *spec.fallback)))
    return Needs(
        looks=looks,
        facts=screens or looks or spec.diversity > 0 or conf.settings.STEERING,
        vectors=spec.diversity > 0,
        shown=spec.rotate_after > 0,
        fresh=spec.explore > 0,
    )


def completes(kind: str) -> bool:
    """Is it of this kind to match by sight?"""
    return kind in KINDS and KINDS[kind].completes


def looks_wanted(offers: Offers, beside: Sequence[Key]) -> list[Key]:
    """Whose pictures have to be known for `arrange`."""
    matched = [one.key for share, listed in offers if completes(share.kind) for one in listed]
    return [*beside, *matched[:MATCHED]] if matched else []


def vectors_wanted(offers: Offers, spec: PlacementSpec, *, size: int) -> list[Key]:
    """Whose vectors `arrange` could use: not those of candidates too far back to be reordered."""
    if spec.diversity <= 0:
        return []
    most = reach(size)
    return [one.key for one in unique(each for _, listed in offers for each in listed[:most])]


def arrange(
    offers: Offers,
    spec: PlacementSpec,
    material: Material,
    *,
    size: int,
    rng: random.Random,
    note: Note | None = None,
) -> list[Candidate]:
    """Every candidate the placement allows, each key once, in the order they are offered in.

    Filters and guards come first, so that each kind has its share of what is left; then kinds are
    mixed, circumstances steer, what was shown too often steps back, the rest is diversified, and
    exploration gives away a share of the tiles that caps leave. What is over a cap keeps its place:
    whoever fills the slate asks `Caps` of each. The same arguments and the same state of `rng` give
    the same order. `note` is told what was left out and why.
    """
    screen = _Screen(spec, material)
    passing = [(share, screen.passing(candidates)) for share, candidates in offers]
    mixed = mix([(share, _matched(share, listed, material)) for share, listed in passing])
    steered = _steered(mixed, material)
    arranged = _spread(steered, spec, material, size)
    fresh = _rested(screen.passing(material.fresh), spec, material) if spec.explore > 0 else []
    screen.tell(note)
    if not fresh:
        return arranged
    kept, over = capped(arranged, material.facts, spec.caps)
    explored = explore(kept, fresh, spec.explore, reach=TILES * size, rng=rng)
    return returned(explored, over, arranged)


class _Screen:
    """Filters and guards, and a count of what they left out."""

    def __init__(self, spec: PlacementSpec, material: Material) -> None:
        self._facts = material.facts
        self._filters = Filters(spec.filters, material.anchor, material.context.category)
        self._guards = Guards(material.anchor, spec.must_match, spec.must_differ)
        self._out: dict[str, set[Key]] = {}

    def passing(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        if not self._filters and not self._guards:
            return candidates
        return [candidate for candidate in candidates if self._passes(candidate.key)]

    def tell(self, note: Note | None) -> None:
        if note is not None:
            for why, keys in self._out.items():
                note(f"{why}: {len(keys)} left out")

    def _passes(self, key: Key) -> bool:
        facts = self._facts.get(key)
        why = self._filters.broken(facts) or self._guards.broken(facts)
        if why:
            self._out.setdefault(why, set()).add(key)
        return not why


def _matched(
    share: KindShare, candidates: Sequence[Candidate], material: Material
) -> Sequence[Candidate]:
    if not completes(share.kind):
        return candidates
    return completing(candidates, material.beside, material.facts, material.looks)


def _steered(candidates: list[Candidate], material: Material) -> list[Candidate]:
    if not conf.settings.STEERING:
        return candidates
    return steer(candidates, material.facts, material.context, conf.settings.LIFTS)


def _spread(
    candidates: Sequence[Candidate], spec: PlacementSpec, material: Material, size: int
) -> list[Candidate]:
    """Each round of the rotation is diversified by itself: variety never brings back what stepped back."""
    return [
        candidate
        for turn in rounds(candidates, material.shown, spec.rotate_after)
        for candidate in diversify(
            turn, spec.diversity, size=size, vectors=material.vectors, facts=material.facts
        )
    ]


def _rested(fresh: Sequence[Candidate], spec: PlacementSpec, material: Material) -> list[Candidate]:
    """New products that this shopper has not been shown too often."""
    after = spec.rotate_after
    return [one for one in fresh if after <= 0 or material.shown.get(one.key, 0) < after]
