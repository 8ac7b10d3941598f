"""What any candidate source must do: subclass in your tests, name it, and pytest runs the rest.

from reco_plugin.testing.sources import SourceConformance

class TestMine(SourceConformance):
    source = MySource()
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from reco_plugin.retrieval.base import (
    Answers,
    Following,
    Lookup,
    Neighbours,
    Query,
    Related,
    Source,
)
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.types import EventKind, Key, Rung

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MOST_LOOKUPS = 64
"""Of one source: a page has several, and reads them merged."""


def key(number: int, like: type) -> Key:
    """A key of a shop whose keys are int, str or UUID."""
    return uuid.UUID(int=number) if like is uuid.UUID else like(number)


def full_query(like: type = int, *, events: int = 30, cart: int = 5) -> Query:
    """A query in which everything is known: products 1..20 are in the past, the cart begins at 100."""
    kinds = [kind for kind in EventKind if kind is not EventKind.SEARCH]
    past = tuple(
        PastEvent(
            key=key(1 + at % 20, like),
            kind=kinds[at % len(kinds)],
            occurred_at=NOW - dt.timedelta(hours=7 * at),
            vector=np.ones(4, np.float32),
        )
        for at in range(events)
    )
    return Query(
        vector=np.ones(4, np.float32),
        anchors=(key(200, like),),
        categories=("Women > Shoes", "Women"),
        k=12,
        cart=tuple(key(100 + at, like) for at in range(cart)),
        events=past,
        bought=tuple(event for event in past if event.kind is EventKind.PURCHASE),
        now=NOW,
        interests=(("category", "Women > Shoes"), ("brand", "Acme")),
    )


def answer_all(lookups: Sequence[Lookup], like: type = int, *, seed: int = 0) -> Answers:
    """Made-up answers: some products for each lookup, among them some that are in the query."""
    random = np.random.default_rng(seed)
    found: dict[Lookup, Sequence[Scored]] = {}
    for lookup in lookups:
        chosen = random.choice(300, size=8, replace=False) + 1
        if isinstance(lookup, Related) and lookup.relation == "buy_again":
            found[lookup] = [Scored(key=lookup.key, score=5.0)]
            continue
        left_out = lookup.key if isinstance(lookup, Neighbours) else None
        keys = [key(int(number), like) for number in chosen]
        found[lookup] = [
            Scored(key=each, score=float(8 - at))
            for at, each in enumerate(keys)
            if each != left_out
        ]
    return found


class SourceConformance:
    """Set `source`."""

    source: ClassVar[Source]
    about: ClassVar[tuple[str, ...]] = (
        "bought_with",
        "viewed_after",
        "bought_after_viewing",
        "bought_after",
        "because_viewed",
        "because_bought",
        "similar_to",
        "looks_like",
        "goes_with_look",
        "linked",
    )
    """Words of reasons that name a product."""

    def ask(self, query: Query, answers: Answers | None = None) -> list[Any]:
        told = answer_all(self.source.lookups(query)) if answers is None else answers
        return self.source.candidates(query, told)

    def further(self, query: Query, answers: Answers) -> tuple[Lookup, ...]:
        """What it looks up in a second go, if it is one that does."""
        if not isinstance(self.source, Following):
            return ()
        return self.source.following(query, answers)

    def test_has_a_name_and_a_rung(self) -> None:
        assert self.source.name
        assert isinstance(self.source.rung, Rung)
        assert self.source.rung is not Rung.NOTHING

    def test_goes_by_what_a_query_has(self) -> None:
        assert self.source.goes_by <= {field.name for field in fields(Query)}

    def test_the_same_query_states_the_same_lookups(self) -> None:
        query = full_query()
        assert self.source.lookups(query) == self.source.lookups(query)
        assert len(set(self.source.lookups(query))) == len(self.source.lookups(query))

    @pytest.mark.parametrize("bare", [(), ("anchors",), ("anchors", "cart")])
    def test_goes_by_nothing_else(self, bare: tuple[str, ...]) -> None:
        emptied: dict[str, Any] = dict.fromkeys(bare, ())
        query = replace(full_query(), **emptied)
        blank = Query(k=query.k)
        others: dict[str, Any] = {
            field.name: getattr(blank, field.name)
            for field in fields(Query)
            if field.name not in {*self.source.goes_by, "k"}
        }
        without = replace(query, **others)
        lookups = self.source.lookups(query)
        assert self.source.lookups(without) == lookups
        answers = answer_all(lookups)
        assert self.source.candidates(without, answers) == self.source.candidates(query, answers)

    @pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
    def test_a_second_go_is_stated_the_same_and_is_of_use(self, share: float) -> None:
        query = self._telling()
        asked = self.source.lookups(query)
        first = [one for at, one in enumerate(asked) if at >= len(asked) * (1 - share)]
        answers = answer_all(first)
        further = self.further(query, answers)
        assert self.further(query, answers) == further
        assert len(set(further)) == len(further) <= MOST_LOOKUPS
        assert not set(further) & set(answers)
        told = {**answers, **answer_all(further, seed=3)}
        known = {scored.key for answer in told.values() for scored in answer}
        known |= {event.key for event in (*query.events, *query.bought)}
        assert {candidate.key for candidate in self.ask(query, told)} <= known

    def test_an_empty_query(self) -> None:
        query = Query()
        assert self.source.candidates(query, {}) == []
        assert len(self.source.lookups(query)) <= 1

    def test_finds_something(self) -> None:
        assert self.ask(self._telling())

    def test_each_product_once_with_a_finite_score(self) -> None:
        found = self.ask(self._telling())
        keys = [candidate.key for candidate in found]
        assert len(set(keys)) == len(keys)
        assert all(math.isfinite(candidate.score) for candidate in found)

    def test_nothing_from_nowhere(self) -> None:
        query = self._telling()
        answers = answer_all(self.source.lookups(query))
        known = {scored.key for answer in answers.values() for scored in answer}
        known |= {event.key for event in (*query.events, *query.bought)}
        assert {candidate.key for candidate in self.ask(query, answers)} <= known

    def test_never_the_page_s_own_product(self) -> None:
        query = full_query()
        offered = {candidate.key for candidate in self.ask(query)}
        if "anchors" in self.source.goes_by:
            assert not offered & set(query.anchors)

    def test_answers_of_the_whole_page_change_nothing(self) -> None:
        query = self._telling()
        answers = dict(answer_all(self.source.lookups(query)))
        foreign: list[Lookup] = [Related(relation="of_others", key=7), Neighbours(key=9, k=3)]
        whole = {**answer_all(foreign, seed=5), **answers}
        assert self.ask(query, whole) == self.ask(query, answers)

    def test_missing_answers_are_no_error(self) -> None:
        query = self._telling()
        answers = answer_all(self.source.lookups(query))
        few = dict(list(answers.items())[::2])
        assert len(self.ask(query, few)) <= len(self.ask(query, answers)) or not few
        self.ask(query, dict.fromkeys(answers, ()))

    @pytest.mark.parametrize("like", [int, str, uuid.UUID])
    def test_keys_of_any_type(self, like: type) -> None:
        query = self._telling(like)
        answers = answer_all(self.source.lookups(query), like)
        assert all(isinstance(candidate.key, like) for candidate in self.ask(query, answers))

    def test_a_long_past_and_a_large_cart_cost_no_more(self) -> None:
        query = full_query(events=5_000, cart=500)
        assert len(self.source.lookups(query)) <= MOST_LOOKUPS
        assert len(self.source.lookups(replace(query, anchors=()))) <= MOST_LOOKUPS

    def test_a_reason_names_what_the_query_holds(self) -> None:
        query = self._telling()
        held = {*query.anchors, *query.cart, *(event.key for event in query.events)}
        for candidate in self.ask(query):
            word, _colon, about = candidate.reason.partition(":")
            assert word not in self.about or about in {str(each) for each in held}

    def _telling(self, like: type = int) -> Query:
        """The full query, or the one without a page's product where that finds more."""
        queries: Mapping[str, Query] = {
            "page": full_query(like),
            "home": replace(full_query(like), anchors=()),
        }
        return max(
            queries.values(),
            key=lambda query: len(
                self.source.candidates(query, answer_all(self.source.lookups(query), like))
            ),
        )
