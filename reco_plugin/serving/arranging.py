"""A placement's rules put to use: reads what they go by, and nothing for a placement that has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from reco_plugin.pipeline.arrange import Material, arrange, vectors_wanted, wants
from reco_plugin.pipeline.exposure import fresh
from reco_plugin.retrieval import Newest
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.shared import Shared
from reco_plugin.types import Candidate, ItemFacts, Key, KindShare, PlacementSpec

Offers = Sequence[tuple[KindShare, Sequence[Candidate]]]
FRESH = Newest(k=60)
"""New products that exploration draws from."""


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
        return bool(spec.filters or spec.must_match or spec.must_differ or spec.caps)

    @property
    def facts(self) -> Mapping[Key, ItemFacts]:
        """What is known of products so far; reads nothing."""
        return self._shared.facts(())

    def wants_facts_of(self, offers: Offers) -> list[Key]:
        """Products whose facts the order goes by."""
        if not wants(self._ask.spec).facts:
            return []
        return [*self._ask.of.anchors[:1], *_keys(offers)]

    def order(self, offers: Offers, *, explores: bool) -> list[Candidate]:
        """What the placement allows, in its order. May read; raises what a database raises."""
        spec = self._ask.spec if explores else replace(self._ask.spec, explore=0.0)
        needs = wants(spec)
        if len(offers) == 1 and not (needs.facts or needs.shown or needs.fresh):
            return list(offers[0][1])
        return arrange(
            offers,
            spec,
            self._material(offers, spec),
            size=self._ask.limit,
            rng=self._shared.random,
            note=self._filling.note,
        )

    def _material(self, offers: Offers, spec: PlacementSpec) -> Material:
        needs = wants(spec)
        news = self._fresh() if needs.fresh else []
        every = [*offers, (KindShare(kind="explore"), news)]
        facts = self._shared.facts(self.wants_facts_of(every)) if needs.facts else {}
        near = vectors_wanted(offers, spec, size=self._ask.limit)
        anchors = self._ask.of.anchors[:1]
        return Material(
            facts=facts,
            vectors=self._shared.vectors(near) if near else {},
            anchor=facts.get(anchors[0]) if anchors else None,
            shown=self._shared.shown(_keys(every)) if needs.shown else {},
            fresh=news,
            context=self._ask.of.context,
        )

    def _fresh(self) -> list[Candidate]:
        """New products that are not left out by their key."""
        out = self._ask.of.excluded
        past = self._shared.past
        if past is not None:
            out = out.union(past.bought, past.dismissed)
        found = fresh(self._shared.reader().answer([FRESH])[FRESH])
        return [candidate for candidate in found if candidate.key not in out]


def _keys(offers: Iterable[tuple[KindShare, Sequence[Candidate]]]) -> list[Key]:
    return list(dict.fromkeys(one.key for _, listed in offers for one in listed))
