"""What each source is asked for one slate: the page, the shopper and how many, as one query."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reco_plugin import clock
from reco_plugin.retrieval import SOURCES, Query, Source
from reco_plugin.retrieval.base import chain
from reco_plugin.serving.asking import Ask
from reco_plugin.serving.eligibility import Eligibility
from reco_plugin.serving.shared import Shared
from reco_plugin.types import Key, Rung

OVERFETCH = 4
"""Candidates read for each tile, for eligibility to choose from."""
SCREENED = 6
"""The same where a placement turns down candidates for what they are."""
LEAST_FETCH = 32
MOST_FETCH = 200
"""More than this is asked of an exact scan instead."""
PAST = frozenset({"vector", "events", "bought"})


class Queries:
    """The queries of one slate, each made once. Making one may read of the shopper and the page."""

    def __init__(
        self, ask: Ask, shared: Shared, eligibility: Eligibility, *, screens: bool
    ) -> None:
        """`screens`: the placement may turn down candidates for what they are."""
        self._ask = ask
        self._shared = shared
        self._eligibility = eligibility
        self._screens = screens
        self._known: dict[str, Query] = {}

    def forget(self) -> None:
        """Make them anew."""
        self._known.clear()

    def of(self, name: str) -> Query:
        if name not in self._known:
            self._known[name] = self._asked(SOURCES[name])
        return self._known[name]

    def _asked(self, source: Source) -> Query:
        of, by = self._ask.of, source.goes_by
        told = self._past_of(by) if self.looks_back(source) else {}
        if "interests" in by and self._shared.is_known:
            told["interests"] = self._shared.interests()
        if "blends" in by:
            told["blends"] = self._shared.reader().blends
        if "categories" in by:
            told["categories"] = self._categories(source)
        return Query(
            now=clock.now(),
            anchors=of.anchors,
            cart=of.cart,
            context=of.context,
            k=self._k(source),
            **told,
        )

    def _k(self, source: Source) -> int:
        """Candidates asked for; of like products, as many as were worked out ahead."""
        out = len(self._eligibility.excluded())
        spare = SCREENED if self._screens else OVERFETCH
        wanted = spare * self._ask.limit + out * (2 if source.rung is Rung.PERSONAL else 1)
        k = min(MOST_FETCH, max(LEAST_FETCH, wanted))
        run = self._shared.reader().runs.get(getattr(source, "of", "personal"))
        depth = run.list_depth if run else 0
        return min(k, depth) if depth and source.rung is Rung.CONTEXTUAL else k

    def looks_back(self, source: Source) -> bool:
        """What is about a product, or about the cart, needs no history."""
        if not self._shared.is_known or not source.goes_by & PAST:
            return False
        of = self._ask.of
        given = of.anchors or ("cart" in source.goes_by and of.cart)
        return source.rung is not Rung.CONTEXTUAL or not given

    def _past_of(self, by: Collection[str]) -> dict[str, Any]:
        past = self._shared.read_past()
        if past is None:
            return {}
        return {
            "events": past.history.events,
            "vector": self._shared.vector() if "vector" in by else None,
            "bought": self._shared.bought() if "bought" in by else (),
        }

    def _categories(self, source: Source) -> tuple[str, ...]:
        if self._ask.of.category:
            return chain(self._ask.of.category)
        near = self.near(source)
        facts = self._shared.facts(near)
        paths = [path for key in near if key in facts for path in facts[key].categories]
        return tuple(dict.fromkeys(part for path in paths for part in chain(path)))

    def near(self, source: Source) -> tuple[Key, ...]:
        """The product whose categories stand in for the page's: its own, else the last one seen."""
        if "categories" not in source.goes_by or self._ask.of.category:
            return ()
        past = self._shared.past
        if self._ask.of.anchors or source.rung is not Rung.POPULAR_IN_CATEGORY or past is None:
            return self._ask.of.anchors[:1]
        return tuple(event.key for event in past.history.events[:1])

    def why(self, name: str, query: Query) -> str:
        """Why a source had nothing to look up."""
        by = SOURCES[name].goes_by
        if name == "contextual" and self._shared.shopper is None:
            return "no product to be similar to"
        if by & PAST and not query.events:
            if self._shared.shopper is None:
                return "no shopper is recognised"
            return "a new visitor" if self._shared.shopper.is_new else "no history the run knows"
        if "categories" in by:
            return "no category"
        return "nothing to go by"
