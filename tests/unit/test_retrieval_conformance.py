"""Every source that ships does what any source must do."""

import datetime as dt
from dataclasses import replace

import pytest

from reco_plugin.retrieval import (
    KINDS,
    SOURCES,
    Answers,
    Lookup,
    Neighbours,
    Personal,
    Query,
    Related,
)
from reco_plugin.retrieval.base import Blended
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.testing.sources import NOW, SourceConformance
from reco_plugin.types import Candidate, EventKind


def test_every_source_a_kind_names_exists() -> None:
    assert {name for kind in KINDS.values() for name in kind.sources} == set(SOURCES)


class TestEverySource(SourceConformance):
    source = SOURCES["popular"]

    @pytest.fixture(params=sorted(SOURCES), autouse=True)
    def each(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "source", SOURCES[request.param])


class Blending(Personal):
    """`personal` as it is while a blend is live."""

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return super().lookups(replace(query, blends=12))

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        return super().candidates(replace(query, blends=12), answers)


class TestPersonalWhileABlendIsLive(SourceConformance):
    source = Blending()


def test_a_blend_is_asked_for_the_newest_products_basket_by_basket() -> None:
    at = NOW - dt.timedelta(days=1)
    events = [
        PastEvent(key=key, kind=kind, occurred_at=when, vector=None)
        for key, kind, when in (
            (1, EventKind.VIEW_ITEM, NOW),
            (9, EventKind.DISMISS_ITEM, NOW),
            (2, EventKind.PURCHASE, at),
            (3, EventKind.PURCHASE, at),
            (1, EventKind.PURCHASE, at),
            (9, EventKind.VIEW_ITEM, at - dt.timedelta(days=1)),
            (4, EventKind.ADD_TO_CART, at - dt.timedelta(days=2)),
            (5, EventKind.VIEW_ITEM, at - dt.timedelta(days=3)),
        )
    ]
    query = Query(events=tuple(events), blends=4, k=7)
    asked = Blended(keys=(1, 2, 3, 4), steps=(0, 1, 1, 2), k=7)
    newest = Related(relation="blend", key=1, of="blend")
    assert Personal().lookups(query)[:2] == (asked, newest)
    assert not any(isinstance(one, Related) for one in Personal().lookups(query)[2:])
    told = {
        asked: [Scored(key=7, score=2.0, beside=2), Scored(key=8, score=1.0)],
        newest: [Scored(key=8, score=0.0)],
    }
    found = Personal().candidates(query, told)
    assert [(one.key, one.reason) for one in found] == [(7, "because_bought:2"), (8, "popular")]


def test_what_is_like_a_product_that_the_blend_does_not_know_has_first_places() -> None:
    event = PastEvent(key=1, kind=EventKind.VIEW_ITEM, occurred_at=NOW, vector=None)
    query = Query(events=(event, replace(event, key=2)), blends=4, k=20)
    asked, newest, *_ = Personal().lookups(query)
    listed = [Scored(key=100 + at, score=9.0 - at, beside=2) for at in range(12)]
    like = [Scored(key=50, score=0.9), Scored(key=51, score=0.8)]
    told = {asked: listed, newest: (), Neighbours(key=1, k=20): like}
    found = [one.key for one in Personal().candidates(query, told)]
    assert 50 in found[:6]
    assert found[0] == 100
    known = {**told, newest: [Scored(key=100, score=0.0)]}
    assert 50 not in [one.key for one in Personal().candidates(query, known)][:6]
