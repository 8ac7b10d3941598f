"""A placement's rules put to use: reads what they go by, and nothing for a placement that has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from django.db import Error

from reco_plugin.exceptions import StoreError
from reco_plugin.pipeline.arrange import (
    Material,
    Needs,
    arrange,
    looks_wanted,
    vectors_wanted,
    wants,
)
from reco_plugin.pipeline.exposure import fresh
from reco_plugin.retrieval import Newest
from reco_plugin.retrieval.events import CART_ANCHORS
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.keys import keys_in_order
from reco_plugin.serving.reasons import names
from reco_plugin.serving.shared import Shared
from reco_plugin.types import Candidate, ItemFacts, Key, KindShare

T = TypeVar("T")

Offers = Sequence[tuple[KindShare, Sequence[Candidate]]]
FRESH = Newest(k=60)
"""New products that exploration draws from."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Products of which something has to be read."""

    facts: tuple[Key, ...] = ()
    vectors: tuple[Key, ...] = ()
    looks: tuple[Key, ...] = ()
    shown: tuple[Key, ...] = ()

    def joined(self, other: Wanted) -> Wanted:
        """What either wants."""
        return Wanted(
            facts=(*self.facts, *other.facts),
            vectors=(*self.vectors, *other.vectors),
            looks=(*self.looks, *other.looks),
            shown=(*self.shown, *other.shown),
        )


class Arranging:
    """Orders what is offered to one slate."""

    def __init__(self, ask: Ask, filling: Filling, shared: Shared) -> None:
        self._ask = ask
        self._filling = filling
        self._shared = shared

    @cached_property
    def screens(self) -> bool:
        """May candidates be turned down for what they are?"""
        spec = self._ask.spec
        told = spec.filters or spec.must_match or spec.must_differ or spec.caps
        return bool(told) or self.needs.looks

    @property
    def facts(self) -> Mapping[Key, ItemFacts]:
        """What is known of products so far; reads nothing."""
        return self._shared.facts(())

    @cached_property
    def needs(self) -> Needs:
        return wants(self._ask.spec)

    @property
    def lookups(self) -> tuple[Newest, ...]:
        """What exploration draws from."""
        return (FRESH,) if self.needs.fresh else ()

    def wanted(self, offers: Offers) -> Wanted:
        """What the order of `offers` goes by. Reads new products, unless they are known."""
        needs = self.needs
        if not (needs.facts or needs.vectors or needs.shown or needs.fresh):
            return Wanted()
        every = _keys([*offers, (KindShare(kind="explore"), self._fresh())])
        beside = self._beside(offers)
        return Wanted(
            facts=(*beside, *every) if needs.facts or needs.fresh else (),
            looks=tuple(looks_wanted(offers, beside)) if needs.looks else (),
            vectors=tuple(vectors_wanted(offers, self._ask.spec, size=self._ask.limit)),
            shown=tuple(every) if needs.shown else (),
        )

    def order(self, offers: Offers, *, explores: bool) -> list[Candidate]:
        """What the placement allows, in its order. May read; raises what a database raises."""
        spec = self._ask.spec if explores else replace(self._ask.spec, explore=0.0)
        needs = self.needs
        if len(offers) == 1 and not (needs.facts or needs.shown or needs.fresh):
            return list(offers[0][1])
        return arrange(
            offers,
            spec,
            self._material(offers),
            size=self._ask.limit,
            rng=self._shared.random,
            note=self._filling.note,
        )

    def _material(self, offers: Offers) -> Material:
        wanted = self.wanted(offers)
        facts = self._shared.facts(wanted.facts)
        anchors = (facts[key] for key in self._ask.of.anchors if key in facts)
        return Material(
            facts=facts,
            vectors=self._nicety("vectors", self._shared.vectors, wanted.vectors),
            looks=self._nicety("looks", self._shared.looks, wanted.looks),
            anchor=next(anchors, None),
            beside=self._beside(offers),
            shown=self._nicety("shown", self._shared.shown, wanted.shown),
            fresh=self._fresh(),
            context=self._ask.of.context,
        )

    def _beside(self, offers: Offers) -> tuple[Key, ...]:
        """What the products stand beside: the page's product, else, where it matters, what is in the cart
        or was just ordered, as far as something was found to go with it."""
        of = self._ask.of
        if of.anchors or not self.needs.looks:
            return of.anchors
        named = dict.fromkeys(names(one.reason) for _, listed in offers for one in listed)
        lines = keys_in_order(of.catalog.model, named)
        return tuple(dict.fromkeys((*of.cart[:CART_ANCHORS], *lines)))

    def _nicety(
        self, name: str, read: Callable[[Sequence[Key]], Mapping[Key, T]], keys: Sequence[Key]
    ) -> Mapping[Key, T]:
        """What makes a list better, and is nothing to lose it for: one that cannot be read is given up
        for the page, and whoever reads again does without."""
        if not keys or name in self._shared.given_up:
            return {}
        try:
            return read(keys)
        except (Error, StoreError):
            self._shared.given_up.add(name)
            self._filling.note(f"{name}: could not be read")
            raise

    def _fresh(self) -> list[Candidate]:
        """New products that are not left out by their key."""
        if not self.needs.fresh:
            return []
        out = self._ask.of.excluded
        past = self._shared.past
        if past is not None:
            out = out.union(past.bought, past.dismissed)
        found = fresh(self._shared.reader().answer([FRESH])[FRESH])
        return [candidate for candidate in found if candidate.key not in out]


def _keys(offers: Iterable[tuple[KindShare, Sequence[Candidate]]]) -> list[Key]:
    return list(dict.fromkeys(one.key for _, listed in offers for one in listed))
