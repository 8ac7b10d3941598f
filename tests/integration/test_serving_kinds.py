"""Every kind of recommendation, from rows to a sentence: what it shows, and that its reason is true."""

from __future__ import annotations

import datetime as dt

import pytest
import servingshop as ss
from django.utils import timezone
from testapp.reco import TestCatalog

from reco_plugin.models import Interest, Item, ManualLink, RankedList, Related, Run, RunStatus
from reco_plugin.retrieval import KINDS
from reco_plugin.serving import pointers, recommend, spots
from reco_plugin.serving.tiles import tiles
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db

LISTS = {"trending": [20, 21], "converting": [22, 23], "sale": [24, 25], "tail": [26, 27]}
RELATED = {
    "bought_together": (1, [30, 31]),
    "viewed_viewed": (1, [32, 33]),
    "viewed_bought": (1, [34]),
    "bought_bought": (1, [35, 36]),
    "buy_again": (5, [5]),
}


@pytest.fixture(autouse=True)
def fresh():
    for each in (pointers, spots):
        each.forget()
    yield
    for each in (pointers, spots):
        each.forget()


@pytest.fixture
def shop() -> ss.Shop:
    """40 products and all runs; the shopper looked at 1 and 2, left 3 in a cart, and bought 5 a month ago."""
    made = ss.Shop(products=ss.products(40))
    ss.publish(made)
    ss.rank(made, {"": list(range(40)), "Women": [7, 8, 9], "brand:Acme": [28, 29]})
    born = timezone.now() - dt.timedelta(days=400)
    for number, product in enumerate(made.products):
        fresh_ones = timezone.now() - dt.timedelta(days=number - 36)
        ss.item(
            product,
            categories=["Women"],
            brand="Acme" if number in (28, 29) else "Bolt",
            available_since=fresh_ones if number > 36 else born,
        )
    for kind, numbers in LISTS.items():
        listed(made, kind, numbers)
    relate(made)
    ManualLink.objects.create(product=made.products[1], target=made.products[38])
    made.did(EventKind.VIEW_ITEM, made.products[1], days=0.1)
    made.did(EventKind.VIEW_ITEM, made.products[2], days=0.2)
    made.did(EventKind.ADD_TO_CART, made.products[3], days=0.3)
    made.did(EventKind.PURCHASE, made.products[5], days=31)
    return made


def listed(shop: ss.Shop, kind: str, numbers: list[int]) -> None:
    run = Run.objects.create(kind=kind, trainer=kind, status=RunStatus.PUBLISHED)
    keys = [str(shop.products[number].pk) for number in numbers]
    RankedList.objects.create(run=run, segment="", keys=keys, scores=[2.0, 1.0])
    ss.activate(run)


def relate(shop: ss.Shop) -> None:
    run = Run.objects.create(kind="behaviour", trainer="behaviour", status=RunStatus.PUBLISHED)
    for relation, (number, others) in RELATED.items():
        Related.objects.create(
            run=run,
            relation=relation,
            product=shop.products[number],
            keys=[str(shop.products[other].pk) for other in others],
            scores=[
                30.0 if relation == "buy_again" else 0.5 / (1 + at) for at in range(len(others))
            ],
            facts={"shoppers": [9] * len(others)},
        )
    ss.activate(run)


def asked(shop: ss.Shop, kind: str, **more):
    about = {"product": shop.products[1]} if KINDS[kind].needs in ("product", "basket") else {}
    return recommend(kind, shopper=shop.shopper, limit=4, **{**about, **more})


def own(shop: ss.Shop, slate) -> dict[int, str]:
    """Number → reason of what is no fallback, keys in reasons as numbers of products."""
    places = {str(product.pk): str(at) for at, product in enumerate(shop.products)}
    found = {}
    for number, item in zip(shop.numbers(slate), slate, strict=True):
        word, colon, about = item.reason.partition(":")
        if not item.is_fallback:
            found[number] = word + colon + places.get(about, about)
    return found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("bought_together", {30: "bought_with:1", 31: "bought_with:1"}),
        ("viewed_viewed", {32: "viewed_after:1", 33: "viewed_after:1"}),
        ("viewed_bought", {34: "bought_after_viewing:1"}),
        ("bought_bought", {35: "bought_after:1", 36: "bought_after:1"}),
        ("manual", {38: "linked:1"}),
        ("recently_viewed", {1: "recent", 2: "recent"}),
        ("continue_shopping", {3: "in_cart_before"}),
        ("buy_again", {5: "due:30"}),
        ("trending", {20: "trending", 21: "trending"}),
        ("best_converting", {22: "converting", 23: "converting"}),
        ("on_sale", {24: "on_sale", 25: "on_sale"}),
        ("long_tail", {26: "seldom_shown", 27: "seldom_shown"}),
        ("new_arrivals", {37: "new", 38: "new", 39: "new"}),
        ("popular", dict.fromkeys((0, 1, 2, 3), "popular")),
    ],
)
def test_what_each_kind_shows_and_why(shop, monkeypatch, kind, found):
    monkeypatch.setattr(TestCatalog, "on_sale", lambda self, product: True)
    assert own(shop, asked(shop, kind)) == found


def test_like_products_name_the_page_s(shop):
    assert set(own(shop, asked(shop, "similar")).values()) == {"similar_to:1"}


def test_a_row_because_of_one_product(shop):
    slate = asked(shop, "because_you_viewed")
    assert slate.anchor == shop.products[1].pk
    assert set(own(shop, slate).values()) == {"because_viewed:1"}
    assert {tile.reason for tile in tiles(slate, None)} == {"Because you viewed Thing 1"}


def test_recommended_for_you_is_more_than_taste(shop):
    shop.did(EventKind.PURCHASE, shop.products[1], days=0.05)
    found = own(shop, asked(shop, "personal"))
    assert {35, 36} <= set(found)
    assert found[35] == "bought_after:1"


def test_what_a_guest_just_met_said_acts_at_once(shop):
    shop.shopper = type(shop.shopper)(id=type(shop.shopper.id)(int=77))
    assert own(shop, asked(shop, "personal")) == {}
    Interest.objects.create(shopper=shop.shopper.id, facet="brand", value="Acme")
    pointers.forget()  # as another process does that did not write it
    slate = asked(shop, "personal")
    assert own(shop, slate) == {0: "popular", 1: "popular", 28: "liked_brand:Acme", 2: "popular"}
    assert tiles(slate, None)[2].reason == "Popular from Acme, which you like"


def test_the_whole_cart_is_asked(shop):
    slate = recommend("bought_together", cart=[shop.products[0], shop.products[1]], limit=4)
    assert own(shop, slate) == {30: "bought_with:1", 31: "bought_with:1"}


def test_every_reason_shown_has_a_sentence_that_is_true(shop):
    """Nobody says 'reduced' of a product without a list price, whatever the list said when it was made."""
    for kind in KINDS:
        for tile in tiles(asked(shop, kind), None):
            word = tile.item.reason.partition(":")[0]
            assert bool(tile.reason) is (word not in ("", "on_sale")), (kind, tile.item.reason)


def test_a_sensitive_anchor_is_not_named(shop, settings):
    settings.RECO_SENSITIVE_CATEGORIES = ["Hidden"]
    Item.objects.filter(pk=shop.products[1].pk).update(sensitive=True)
    slate = asked(shop, "because_you_viewed")
    assert "Thing 1" not in {tile.reason for tile in tiles(slate, None)}
    assert not any(title == "Thing 1" for title in slate.titles.values())
