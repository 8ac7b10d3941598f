"""What stands above the rows of a page."""

from __future__ import annotations

import uuid

import pytest

from reco_plugin.serving.headings import each_its_own, heading
from reco_plugin.types import Rung, Slate, SlateItem


def slate(kind, *sources, rung=Rung.POPULAR, fallback=True, **rest):
    items = tuple(
        SlateItem(
            product=object(),
            key=place,
            position=place,
            score=1.0,
            source=source,
            rung=rung,
            reason="",
            is_fallback=fallback,
        )
        for place, source in enumerate(sources)
    )
    return Slate(id=uuid.uuid4(), placement="", kind=kind, items=items, rung=rung, **rest)


def words(page):
    return [heading(one) for one in each_its_own(page).values()]


def test_what_was_asked_for_has_its_own_heading():
    asked = slate("similar", "contextual", rung=Rung.CONTEXTUAL, fallback=False)
    assert heading(asked) == "You may also like"


def test_what_fell_back_to_one_kind_says_which():
    together = slate("bought_together", "bought_bought", rung=Rung.CONTEXTUAL, title="Goes well")
    assert heading(together) == "Often bought next"


def test_what_fell_back_to_several_says_no_more_than_the_best_of_them():
    mixed = slate("trending", "contextual", "popular", rung=Rung.CONTEXTUAL, title="Our trends")
    assert heading(mixed) == "You may also like"


@pytest.mark.parametrize("first", ["fallback", "own"])
def test_two_rows_of_a_page_do_not_say_the_same(first):
    own = slate("similar", "contextual", rung=Rung.CONTEXTUAL, fallback=False)
    fell = slate("personal", "contextual", rung=Rung.CONTEXTUAL)
    page = {"fell": fell, "own": own} if first == "fallback" else {"own": own, "fell": fell}
    found = each_its_own(page)
    assert list(found) == list(page)
    assert heading(found["own"]) == "You may also like"
    assert heading(found["fell"]) == "More like this"


def test_two_rows_of_what_is_popular():
    page = {"a": slate("personal", "popular"), "b": slate("trending", "popular", "popular")}
    assert words(page) == ["Popular right now", "Also popular"]


def test_an_empty_row_takes_no_heading():
    page = {"none": slate("popular"), "some": slate("popular", "popular")}
    assert each_its_own(page)["some"].is_repeated is False


def test_headings_a_merchandiser_gave_are_left_alone():
    page = {name: slate("popular", "popular", fallback=False, title="Ours") for name in "ab"}
    assert words(page) == ["Ours", "Ours"]
