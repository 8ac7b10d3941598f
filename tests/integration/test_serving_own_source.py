"""A shop's own source is a kind of its own, everywhere a kind can be named."""

from __future__ import annotations

from typing import ClassVar

import pytest
import servingshop as ss
from django.core.checks import run_checks

from reco_plugin.models import ManualLink
from reco_plugin.retrieval import KINDS, SOURCES, Answers, Linked, Lookup, Query
from reco_plugin.serving import recommend
from reco_plugin.testing.sources import SourceConformance
from reco_plugin.types import Candidate, Rung

PATH = f"{__name__}.StaffPicks"


class StaffPicks:
    name: ClassVar[str] = "staff_picks"
    rung: ClassVar[Rung] = Rung.POPULAR
    goes_by: ClassVar[frozenset[str]] = frozenset({"anchors"})

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        return tuple(Linked(key=key) for key in query.anchors)

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        return [
            Candidate(
                key=found.key,
                score=found.score,
                source=self.name,
                rung=self.rung,
                reason=f"linked:{key}",
            )
            for key in query.anchors
            for found in answers.get(Linked(key=key), ())
        ]


class TestStaffPicks(SourceConformance):
    source = StaffPicks()


def messages() -> list[str]:
    found = run_checks(tags=["reco"], databases=[])
    return [message.msg for message in found if "RECO_SOURCES" in message.msg]


@pytest.mark.django_db
def test_it_is_served(settings):
    settings.RECO_SOURCES = {"staff_picks": PATH}
    shop = ss.Shop(products=ss.products(3))
    ManualLink.objects.create(product=shop.products[0], target=shop.products[2])
    slate = recommend("staff_picks", product=shop.products[0])
    assert shop.numbers(slate) == [2]
    assert slate.items[0].source == "staff_picks"
    assert not slate.items[0].is_fallback


def test_it_stands_beside_those_that_come_with_the_app(settings):
    before = len(KINDS), len(SOURCES)
    settings.RECO_SOURCES = {"staff_picks": PATH, "popular": PATH}
    assert (len(KINDS), len(SOURCES)) == (before[0] + 1, before[1] + 1)
    assert list(KINDS)[-1] == list(SOURCES)[-1] == "staff_picks"
    assert KINDS["staff_picks"].sources == ("staff_picks",)
    assert isinstance(SOURCES["staff_picks"], StaffPicks)
    assert not isinstance(SOURCES["popular"], StaffPicks)
    assert "no_such" not in KINDS
    assert "no_such" not in SOURCES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"staff_picks": PATH}, None),
        ({"popular": PATH}, "comes with the app"),
        ({"mine": "testapp.nowhere.Source"}, "cannot be imported"),
        ({"mine": "builtins.dict"}, "has no name, rung"),
        ({"mine": 3}, "'mine'"),
    ],
)
def test_e007_tells_what_is_wrong_with_it(settings, given, said):
    settings.RECO_SOURCES = given
    found = messages()
    assert found == [] if said is None else len(found) == 1 and said in found[0]
