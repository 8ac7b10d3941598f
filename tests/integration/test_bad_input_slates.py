"""What pages throw at serving: a slate or an honest empty one, in time, and never an exception."""

from __future__ import annotations

import time
import uuid
from typing import Any

import alwaysshop as al
import pytest
import servingshop as ss
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from testapp.models import Category, Product

from reco_plugin.models import Interaction, Placement
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.serving import recommend
from reco_plugin.serving.page import plan
from reco_plugin.types import EventKind, EventSource, Rung

pytestmark = pytest.mark.django_db
SLOW = 3.0
"""Seconds no slate here may take, on a machine that does other things, too."""
MOST_READS = 16
"""Reading statements of one slate or page, however bad the question."""


@pytest.fixture
def shop(db: None, settings: Any) -> al.Always:
    settings.RECO_CART = "servingcart.keys"
    settings.RECO_DEBUG_RAISE = True
    settings.RECO_STATEMENT_TIMEOUT_MS = 5_000
    return al.build()


def person(shop: al.Always, **cart: Any) -> Any:
    made = ss.request()
    made.COOKIES["reco_visitor"] = str(shop.shopper.id)
    made.cart = cart.get("cart", ())
    return made


def reads(captured: CaptureQueriesContext) -> int:
    return sum(" FROM " in one["sql"] and "SELECT" in one["sql"] for one in captured)


def in_time(ask: Any) -> Any:
    """What `ask` gives: soon, and with few statements."""
    with CaptureQueriesContext(connection) as captured:
        began = time.monotonic()
        found = ask()
        took = time.monotonic() - began
    assert took < SLOW
    assert reads(captured) <= MOST_READS, [one["sql"][:150] for one in captured]
    return found


# --- the cart ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bought_together", "bought_bought", "manual", "personal"])
def test_a_cart_of_500_lines(shop, kind):
    strangers = [uuid.UUID(int=1_000 + number) for number in range(497)]
    mine = [shop.key(number) for number in (0, 1, 2)]
    slate = in_time(
        lambda: recommend(kind, request=person(shop, cart=[*mine, *strangers]), limit=6)
    )
    assert slate
    assert not {0, 1, 2} & set(shop.numbers(slate))


def test_a_cart_of_500_lines_on_a_whole_page(shop):
    strangers = [uuid.UUID(int=1_000 + number) for number in range(500)]
    cart = [shop.key(3), *strangers]
    page = in_time(lambda: plan(person(shop, cart=cart), page="cart"))
    assert any(page[slug] for slug in page)
    assert all(3 not in shop.numbers(page[slug]) for slug in page)


def test_a_cart_that_holds_everything_leaves_an_honest_nothing(shop):
    everything = [product.pk for product in shop.products]
    slate = in_time(lambda: recommend("personal", request=person(shop, cart=everything)))
    assert not slate
    assert slate.rung is Rung.NOTHING
    assert slate.notes


@pytest.mark.parametrize("junk", [None, "", "no key", 17, b"\x00", object(), "x" * 10_000, -1])
def test_junk_in_the_cart_is_passed_over(shop, junk):
    slate = recommend("bought_together", request=person(shop, cart=[junk, shop.key(0)]), limit=3)
    assert slate
    assert 0 not in shop.numbers(slate)


# --- the anchor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["instance", "key", "never was", "junk"])
def test_an_anchor_that_was_deleted(shop, how):
    gone = shop.products[4]
    key = gone.pk
    if how in ("instance", "key"):
        Product.objects.filter(pk=key).delete()
        gone.pk = key
    asked = {"instance": gone, "key": key, "never was": uuid.uuid4(), "junk": "no key"}[how]
    for kind in sorted(KINDS):
        slate = in_time(
            lambda kind=kind: recommend(kind, request=person(shop), product=asked, limit=5)
        )
        assert slate or slate.notes, kind
        if how in ("instance", "key"):
            assert 4 not in shop.numbers(slate)


def test_a_page_of_a_deleted_product(shop):
    key = shop.key(4)
    Product.objects.filter(pk=key).delete()
    page = in_time(lambda: plan(person(shop), page="product", product=key))
    assert page
    assert all(page[slug] or page[slug].notes for slug in page)


# --- the category --------------------------------------------------------------------------------


def test_a_category_with_one_product(shop):
    lonely = Category.objects.create(label="Lonely")
    product = shop.products[0]
    product.shelves.set([lonely])
    slate = recommend("popular", request=person(shop), category=lonely, limit=5)
    assert len(slate) == 5
    beside = recommend("similar", request=person(shop), product=product, limit=5)
    assert len(beside) == 5
    assert 0 not in shop.numbers(beside)


@pytest.mark.parametrize("category", ["No > Such", " > ", "x" * 3_000, "\x00", 0, object()])
def test_a_category_there_is_not(shop, settings, category):
    settings.RECO_DEBUG_RAISE = False
    slate = recommend("popular", request=person(shop), category=category, limit=5)
    assert len(slate) == 5


# --- placements ----------------------------------------------------------------------------------


def spot(**values: Any) -> str:
    named = {"slug": "spot", "page": "product", "kinds": [{"kind": "similar"}]}
    return str(Placement.objects.create(**{**named, **values}).slug)


@pytest.mark.parametrize(
    "filters",
    [
        [{"field": "brand", "op": "is", "value": "Nobody"}],
        [{"field": "price", "op": "at_most", "value": 0}],
        [{"field": "material", "op": "is", "value": "silk"}],
        [{"field": "category", "op": "in", "value": ["Garden"]}],
    ],
)
def test_filters_that_exclude_everything_leave_nothing_and_say_so(shop, filters):
    name = spot(filters=filters)
    slate = in_time(lambda: recommend(name, request=person(shop), product=shop.products[0]))
    assert not slate
    assert any(filters[0]["field"] in note for note in slate.notes), slate.notes


CONTRADICTORY: list[dict[str, Any]] = [
    {"must_match": ["brand"], "must_differ": ["brand"]},
    {"min_items": 9, "max_items": 3},
    {"kinds": [{"kind": "nonsense"}]},
    {"kinds": []},
    {"kinds": "similar"},
    {"kinds": [{"kind": "similar", "weight": -1}]},
    {"kinds": [{"kind": "similar", "colour": "red"}]},
    {"fallback": ["nonsense"]},
    {"filters": [{"field": "price", "op": "near"}]},
    {"filters": {"price": 3}},
    {"filters": [{"field": "price", "op": "cheaper"}, {"field": "price", "op": "dearer"}]},
    {"caps": {"brand": 0}},
    {"caps": ["brand"]},
    {"caps": {"brand": "two"}},
    {"diversity": 9.0},
    {"explore": -1.0},
    {"max_items": 0},
]


def test_a_contradictory_placement_shows_nothing_and_says_why(shop, settings):
    settings.RECO_DEBUG_RAISE = False
    for values in CONTRADICTORY:
        name = spot(**values)
        slate = recommend(name, request=person(shop), product=shop.products[0])
        assert not slate, values
        assert slate.notes
        assert not any(note.startswith("error") for note in slate.notes), (values, slate.notes)
        page = plan(person(shop), page="product", product=shop.products[0])
        assert any(page[slug] for slug in page), "one bad spot must not empty the others"
        Placement.objects.get(slug=name).delete()


def test_the_tag_renders_nothing_for_a_contradictory_placement(shop, settings):
    settings.RECO_DEBUG_RAISE = False
    spot(kinds=[{"kind": "nonsense"}])
    html = Template('{% load reco %}[{% recommend "spot" %}]').render(
        Context({"request": person(shop)})
    )
    assert html == "[]"


# --- the shopper ---------------------------------------------------------------------------------


@pytest.fixture
def busy(shop: al.Always) -> al.Always:
    """The shopper has done 100,000 things."""
    if connection.vendor == "postgresql":
        keys = [str(product.pk) for product in shop.products]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO reco_interaction (site, event_id, kind, shopper, product_id, quantity, "
                'currency, "order", query, source, occurred_at, received_at) '
                "SELECT 1, gen_random_uuid(), CASE WHEN n %% 50 = 0 THEN 6 ELSE 1 END, %s, "
                "(%s::uuid[])[1 + n %% %s], 1, '', '', '', 1, "
                "now() - interval '40 days' - n * interval '1 minute', now() "
                "FROM generate_series(1, 100000) n",
                [shop.shopper.id, keys, len(keys)],
            )
            cursor.execute("ANALYZE reco_interaction")
        return shop
    now = timezone.now()
    Interaction.objects.bulk_create(
        (
            Interaction(
                event_id=uuid.uuid4(),
                kind=EventKind.VIEW_ITEM if number % 50 else EventKind.PURCHASE,
                shopper=shop.shopper.id,
                product_id=shop.key(number % al.SIZE),
                source=EventSource.TRACK,
                occurred_at=now - timezone.timedelta(days=40, minutes=number),
            )
            for number in range(10_000)
        ),
        batch_size=2_000,
    )
    return shop


def test_a_shopper_with_100_000_events(busy):
    for kind in sorted(KINDS):
        slate = in_time(
            lambda kind=kind: recommend(
                kind, request=person(busy), product=busy.products[0], limit=8
            )
        )
        assert slate or slate.notes, kind
    assert len(recommend("personal", request=person(busy), limit=8)) == 8
    for page in ("home", "account"):
        found = in_time(lambda page=page: plan(person(busy), page=page))
        assert any(found[slug] for slug in found)


# --- the catalogue -------------------------------------------------------------------------------


def test_a_catalogue_with_one_brand(shop):
    from reco_plugin.models import Item

    Product.objects.update(maker="Only")
    Item.objects.update(brand="Only")
    page = in_time(lambda: plan(person(shop), page="home"))
    assert any(page[slug] for slug in page)
    name = spot(kinds=[{"kind": "popular"}], must_differ=["brand"], fallback=[])
    slate = recommend(name, request=person(shop), product=shop.products[0])
    assert not slate
    assert slate.notes


def test_a_shop_without_any_product(db, settings):
    settings.RECO_DEBUG_RAISE = True
    for kind in sorted(KINDS):
        slate = recommend(kind, request=ss.request(), product=uuid.uuid4())
        assert not slate
        assert slate.notes, kind
    for page in ("home", "category", "product", "cart", "thanks", "search", "account", "email"):
        planned = plan(ss.request(), page=page)
        assert not any(planned[slug] for slug in planned)


@pytest.mark.parametrize("limit", [0, -3, 1_000_000, "7", "", None, 2.9])
def test_any_limit(shop, limit):
    slate = recommend("popular", request=person(shop), limit=limit)
    assert len(slate) <= al.SIZE
    assert bool(slate) is (limit not in (0, -3))


@pytest.mark.parametrize("limit", ["many", object(), [3]])
def test_a_limit_that_is_no_number_is_an_empty_slate_in_production(shop, settings, limit):
    settings.RECO_DEBUG_RAISE = False
    slate = recommend("popular", request=person(shop), limit=limit)
    assert not slate
    assert slate.notes


@pytest.mark.parametrize("name", ["nonsense", "", None, 3, object(), "x" * 5_000])
def test_a_name_there_is_not(shop, settings, name):
    settings.RECO_DEBUG_RAISE = False
    slate = recommend(name, request=person(shop))
    assert not slate
    assert slate.notes
