"""Answers that would be wrong although every row of them may be shown."""

from __future__ import annotations

from typing import Any

import alwaysshop as al
import pytest
import servingshop as ss
from django.template import Context, Template

from reco_plugin.models import ActiveRun, Impression, Placement
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.serving import plan, pointers, recommend
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db: None, settings: Any) -> al.Always:
    settings.RECO_CART = "servingcart.keys"
    settings.RECO_DEBUG_RAISE = True
    settings.RECO_STATEMENT_TIMEOUT_MS = 5_000
    return al.build()


def person(shop: al.Always) -> Any:
    made = ss.request()
    made.COOKIES["reco_visitor"] = str(shop.shopper.id)
    return made


def test_what_was_sent_back_is_not_bought_again(shop):
    shop.bought(5, days=40)
    shop.did(EventKind.REFUND, shop.products[5], days=38)
    shop.bought(6, days=40)
    assert shop.numbers(recommend("buy_again", shopper=shop.shopper)) == [6]


def test_what_was_sent_back_and_bought_anew_is_bought_again(shop):
    shop.bought(5, days=60)
    shop.did(EventKind.REFUND, shop.products[5], days=58)
    shop.bought(5, days=40)
    assert shop.numbers(recommend("buy_again", shopper=shop.shopper)) == [5]


def test_a_list_of_what_was_reduced_shows_nothing_that_is_not_reduced_now(shop):
    """The list is of the last run; prices are of this moment."""
    assert not recommend("on_sale", shopper=shop.shopper)


def test_every_product_has_a_machine_reason(shop):
    shop.viewed(2, 3)
    shop.bought(7, 60)
    for kind in sorted(KINDS):
        slate = recommend(kind, shopper=shop.shopper, product=shop.products[0])
        assert all(item.reason for item in slate), kind


def test_a_spot_that_was_made_a_draft_leaves_a_gap_and_no_error(shop):
    values = {"page": "product", "kinds": [{"kind": "similar"}], "is_active": False}
    Placement.objects.update_or_create(slug="product_similar", defaults=values)
    page = Template(
        '{% load reco %}{% recopage "product" product=product as page %}'
        "[{% recommend page.product_similar %}]"
    )
    shown = page.render(Context({"request": person(shop), "product": shop.products[0]}))
    assert shown == "[]"


def test_a_floor_that_was_raised_holds_at_once(shop, settings):
    """Pairs that fewer shoppers made are rows of the live run still."""
    settings.RECO_MIN_PAIR_SHOPPERS = 8
    slate = recommend("bought_together", product=shop.products[0])
    assert [item.facts["shoppers"] for item in slate] == [9, 8]


def test_only_what_is_rendered_is_recorded_as_shown(shop):
    page = Template(
        '{% load reco %}{% recopage "home" as page %}{% recommend page.home_trending %}'
    )
    assert page.render(Context({"request": person(shop)}))
    shown = Impression.objects.values_list("placement", flat=True)
    assert set(shown) == {"home_trending"}


@pytest.fixture
def untrained(db: None, settings: Any) -> al.Always:
    """Day zero: nothing has been trained; what is popular has been counted."""
    settings.RECO_DEBUG_RAISE = True
    settings.RECO_STATEMENT_TIMEOUT_MS = 5_000
    shop = al.build()
    ActiveRun.objects.filter(kind="personal").delete()
    pointers.forget()
    return shop


def test_what_was_looked_at_is_shown_before_anything_is_trained(untrained):
    untrained.viewed(4, 2)
    slate = recommend("recently_viewed", shopper=untrained.shopper)
    assert untrained.numbers(slate) == [4, 2]


def test_what_is_due_is_shown_before_anything_is_trained(untrained):
    untrained.bought(5, days=40)
    slate = recommend("buy_again", shopper=untrained.shopper)
    assert untrained.numbers(slate) == [5]


def test_what_was_dismissed_stays_away_before_anything_is_trained(untrained):
    untrained.dismissed(3)
    untrained.bought(4, days=2)
    page = plan(person(untrained), ["recently_viewed", "personal", "popular", "trending"])
    shown = [number for slate in page.values() for number in untrained.numbers(slate)]
    assert shown
    assert not {3, 4} & set(shown)
