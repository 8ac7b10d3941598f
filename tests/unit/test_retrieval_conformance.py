"""Every source that ships does what any source must do."""

import datetime as dt
from dataclasses import replace

import pytest

from reco_plugin.retrieval import KINDS, SOURCES, Answers, Lookup, Personal, Query, Related
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
    assert Personal().lookups(query)[0] == asked
    assert not any(isinstance(one, Related) for one in Personal().lookups(query))
    told = {asked: [Scored(key=7, score=2.0, beside=2), Scored(key=8, score=1.0)]}
    found = Personal().candidates(query, told)
    assert [(one.key, one.reason) for one in found] == [(7, "because_bought:2"), (8, "popular")]
