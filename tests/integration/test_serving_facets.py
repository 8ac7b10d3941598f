"""Brands and categories for a shopper: never an empty one, each with a true reason."""

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from servingshop import Shop, activate, item, products, publish, rank, request
from testapp.models import StockRecord

from reco_plugin.models import Interest, Item, RankedList, Run, RunStatus
from reco_plugin.serving.facets import arecommend_facets, plan_facets, recommend_facets
from reco_plugin.serving.reasons import of_facet
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db

BRANDS = ("Acme", "Bolt", "Cora")
CATEGORIES = ("Shoes > Boots", "Shoes", "Hats")


@pytest.fixture
def shop() -> Shop:
    """Nine products, three of each brand and category."""
    made = Shop(products=products(9))
    for at, product in enumerate(made.products):
        item(product, brand=BRANDS[at // 3], categories=[CATEGORIES[at // 3]])
    publish(made)
    segments = {"": list(range(9))}
    for at in range(3):
        members = list(range(3 * at, 3 * at + 3))
        segments |= {f"brand:{BRANDS[at]}": members, CATEGORIES[at]: members}
    rank(made, segments)
    listed("brands", ["Cora", "Bolt", "Acme"])
    listed("categories", ["Hats", "Shoes", "Shoes > Boots"])
    return made


def listed(kind: str, names: list[str], worth: float = 0.1) -> None:
    """What the last name counts for beside a shopper's own events; those before it more."""
    run = Run.objects.create(kind=kind, trainer=kind, status=RunStatus.PUBLISHED)
    scores = [worth * (len(names) - at) for at in range(len(names))]
    RankedList.objects.create(run=run, segment="", keys=names, scores=scores)
    activate(run)


def told(found):
    return [(one.name, one.reason) for one in found]


def test_what_was_said_then_what_was_done_then_what_is_popular(shop):
    shop.viewed(3)
    Interest.objects.create(shopper=shop.shopper.id, facet="brand", value="Acme")
    found = recommend_facets("brand", shopper=shop.shopper)
    assert told(found) == [("Acme", "liked"), ("Bolt", "looked_at"), ("Cora", "popular")]
    assert [one.is_fallback for one in found] == [False, False, True]
    assert found[0].products[0] == shop.products[0].pk


def test_categories_by_their_whole_path(shop):
    shop.viewed(8)
    shop.did(EventKind.PURCHASE, shop.products[0])
    found = recommend_facets("category", shopper=shop.shopper)
    assert told(found) == [
        ("Shoes > Boots", "bought"),
        ("Hats", "looked_at"),
        ("Shoes", "popular"),
    ]


def test_little_evidence_is_drawn_to_what_the_whole_shop_goes_for(shop):
    """Where shoppers hardly differ, one look is no reason to put a brand that few want first."""
    listed("brands", ["Cora", "Bolt", "Acme"], worth=1.0)
    shop.viewed(0)
    found = recommend_facets("brand", shopper=shop.shopper)
    assert told(found) == [("Cora", "popular"), ("Acme", "looked_at"), ("Bolt", "popular")]
    assert sum(one.score for one in found) == pytest.approx(1.0)
    shop.viewed(1, 2)
    assert told(recommend_facets("brand", shopper=shop.shopper))[0] == ("Acme", "looked_at")


def test_ten_looks_at_one_product_are_one(shop):
    listed("brands", ["Cora", "Bolt", "Acme"], worth=1.0)
    shop.viewed(*[0] * 10)
    assert told(recommend_facets("brand", shopper=shop.shopper))[0] == ("Cora", "popular")


def test_a_stranger_gets_what_is_popular(shop):
    assert told(recommend_facets("brand", limit=2)) == [("Cora", "popular"), ("Bolt", "popular")]
    assert told(recommend_facets("brand", request=request(), limit=1)) == [("Cora", "popular")]


def test_never_one_that_has_nothing_to_sell(shop):
    StockRecord.objects.filter(product__in=shop.products[6:]).update(count=0)
    Interest.objects.create(shopper=shop.shopper.id, facet="brand", value="Cora")
    Interest.objects.create(shopper=shop.shopper.id, facet="brand", value="No such brand")
    assert [name for name, _ in told(recommend_facets("brand", shopper=shop.shopper))] == [
        "Bolt",
        "Acme",
    ]


def test_what_would_give_a_taste_away_is_no_evidence_and_is_not_named(shop, settings):
    settings.RECO_SENSITIVE_CATEGORIES = ["Hats"]
    Item.objects.filter(brand="Cora").update(sensitive=True)
    shop.viewed(8)
    assert "Hats" not in dict(told(recommend_facets("category", shopper=shop.shopper)))
    assert "Cora" not in dict(told(recommend_facets("brand", shopper=shop.shopper)))


def test_a_sensitive_product_does_not_speak_for_its_brand(shop, settings):
    settings.RECO_SENSITIVE_CATEGORIES = ["Hats"]
    Item.objects.filter(pk=shop.products[6].pk).update(sensitive=True)
    shop.viewed(6)
    found = {one.name: one for one in recommend_facets("brand", shopper=shop.shopper)}
    assert found["Cora"].reason == "popular"
    assert shop.products[6].pk not in found["Cora"].products


def test_few_statements(shop):
    shop.viewed(3, 4)
    with CaptureQueriesContext(connection) as counted:
        assert recommend_facets("brand", shopper=shop.shopper)
    reads = [each for each in counted.captured_queries if "FROM" in each["sql"]]
    # which runs, events, interests, facts, names, their lists, live rows; other stores load their vectors
    assert len(reads) <= (7 if connection.vendor == "postgresql" else 9)


def test_it_never_raises(shop, settings, monkeypatch):
    settings.RECO_DEBUG_RAISE = False
    assert recommend_facets("colour") == []
    assert recommend_facets("brand", limit=-1) == []
    assert recommend_facets("brand", limit=0) == []
    monkeypatch.setattr("reco_plugin.serving.facets.shared_of", None)
    assert recommend_facets("brand") == []
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(ValueError, match="brand, category"):
        recommend_facets("colour")


def test_both_facets_of_a_page_are_read_together(shop):
    shop.viewed(3, 8)
    alone = {
        facet: recommend_facets(facet, shopper=shop.shopper) for facet in ("brand", "category")
    }
    with CaptureQueriesContext(connection) as one:
        recommend_facets("brand", shopper=shop.shopper)
    with CaptureQueriesContext(connection) as both:
        found = plan_facets({"brand": None, "category": None}, shopper=shop.shopper)
    assert found == alone
    assert len(both.captured_queries) == len(one.captured_queries)
    few = plan_facets({"brand": 1, "category": 0}, shopper=shop.shopper)
    assert few == {"brand": alone["brand"][:1], "category": []}


def test_switched_off_nothing_is_read(shop, settings, django_assert_num_queries):
    settings.RECO_ENABLED = False
    with django_assert_num_queries(0):
        assert recommend_facets("brand") == []


def test_an_empty_shop(db):
    assert recommend_facets("brand") == []


def test_every_reason_has_a_sentence(shop):
    shop.viewed(3)
    Interest.objects.create(shopper=shop.shopper.id, facet="brand", value="Acme")
    assert all(of_facet(one) for one in recommend_facets("brand", shopper=shop.shopper))


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_from_an_async_view():
    def build() -> None:
        made = Shop(products=products(1))
        item(made.products[0], brand="Acme")
        rank(made, {"": [0], "brand:Acme": [0]})
        listed("brands", ["Acme"])

    await sync_to_async(build)()
    assert told(await arecommend_facets("brand", limit=1)) == [("Acme", "popular")]
    await sync_to_async(connections.close_all)()
