"""A placement's rules, from the row in the table to the products on the page."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections import Counter

import pytest
import servingshop as ss
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from testapp.models import Product, StockRecord

from reco_plugin import backends
from reco_plugin.exceptions import StoreError
from reco_plugin.models import Click, Impression, Item, Placement
from reco_plugin.serving import plan, pointers, recommend, spots

pytestmark = pytest.mark.django_db

COUNT = 40


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    spots.forget()
    yield
    pointers.forget()
    spots.forget()


@pytest.fixture
def shop() -> ss.Shop:
    """Popular in the order of their numbers; like one another by their numbers."""
    made = ss.Shop(products=ss.products(COUNT))
    ss.publish(made)
    ss.rank(made, {"": list(range(COUNT))})
    for number, product in enumerate(made.products):
        ss.item(
            product,
            brand=f"Brand {number // 10}",
            categories=["Women > Shoes" if number % 2 else "Men > Hats"],
            price=10.0 + number,
            attributes={"gender": "female" if number % 2 else "male"},
        )
    return made


def place(*kinds: str, **values) -> None:
    values.setdefault("fallback", [])
    Placement.objects.create(slug="spot", kinds=[{"kind": kind} for kind in kinds], **values)


def ask(shop, **given):
    return recommend("spot", shopper=shop.shopper, limit=given.pop("limit", 8), **given)


def was_shown(shop, *numbers, times=1) -> None:
    Impression.objects.bulk_create(
        Impression(
            slate=uuid.uuid4(),
            placement="elsewhere",
            product=shop.products[number],
            position=0,
            source="popular",
            rung="popular",
            shopper=shop.shopper.id,
        )
        for number in numbers
        for _ in range(times)
    )


def test_guards_hold_beside_the_pages_product(shop):
    place("similar", must_match=["gender"])
    slate = ask(shop, product=shop.products[11])
    assert len(slate) == 8
    assert all(number % 2 for number in shop.numbers(slate))
    assert any(note.startswith("gender: ") for note in slate.notes)


def test_what_goes_with_it_is_something_else(shop):
    place("similar", must_differ=["category"])
    slate = ask(shop, product=shop.products[11])
    assert len(slate) == 8
    assert not any(number % 2 for number in shop.numbers(slate))


def test_fallbacks_are_held_to_the_same_rules(shop):
    place("bought_together", must_match=["gender"], fallback=["popular"])
    slate = ask(shop, product=shop.products[11])
    assert len(slate) == 8
    assert all(number % 2 for number in shop.numbers(slate))
    assert all(item.is_fallback for item in slate)


def test_filters_hold(shop):
    place(
        "popular",
        filters=[
            {"field": "price", "op": "at_least", "value": 30},
            {"field": "brand", "op": "is_not", "value": "brand 2"},
        ],
    )
    assert shop.numbers(ask(shop)) == list(range(30, 38))


def test_filters_against_the_pages_product_hold(shop):
    place("popular", filters=[{"field": "price", "op": "within", "value": 0.2}])
    numbers = shop.numbers(ask(shop, product=shop.products[10]))
    assert sorted(numbers) == [6, 7, 8, 9, 11, 12, 13, 14]


def test_filters_that_leave_nothing_leave_a_note(shop):
    place("popular", filters=[{"field": "price", "op": "at_most", "value": 1}])
    slate = ask(shop)
    assert not slate
    assert f"price at_most 1: {COUNT} left out" in slate.notes


def test_caps_hold_also_when_what_was_chosen_first_is_sold_out(shop):
    StockRecord.objects.filter(product__in=shop.products[:8]).update(count=0)
    place("popular", caps={"brand": 2})
    assert shop.numbers(ask(shop)) == [8, 9, 10, 11, 20, 21, 30, 31]


def test_caps_leave_tiles_empty_rather_than_be_broken(shop):
    Item.objects.update(brand="The only one")
    place("popular", caps={"brand": 3}, fallback=["popular"])
    assert len(ask(shop)) == 3


def test_what_was_shown_and_not_clicked_steps_back(shop):
    place("popular", rotate_after=3)
    was_shown(shop, 0, 1, 2, times=3)
    was_shown(shop, 3, times=2)
    assert shop.numbers(ask(shop)) == list(range(3, 11))
    Click.objects.create(
        slate=uuid.uuid4(),
        placement="spot",
        product=shop.products[1],
        position=0,
        shopper=shop.shopper.id,
    )
    assert shop.numbers(ask(shop)) == [1, *range(3, 10)]


def test_other_shoppers_see_what_this_one_has_seen(shop):
    place("popular", rotate_after=3)
    was_shown(shop, 0, 1, 2, times=3)
    shop.shopper = type(shop.shopper)(id=uuid.uuid4())
    assert shop.numbers(ask(shop)) == list(range(8))


def test_everything_has_its_turn_again(shop):
    place("popular", rotate_after=2)
    was_shown(shop, *range(COUNT), times=2)
    was_shown(shop, 0, times=2)
    assert shop.numbers(ask(shop)) == list(range(1, 9))


def test_diversity_mixes_what_is_alike(shop):
    place("similar")
    plain = shop.numbers(ask(shop, product=shop.products[20]))
    Placement.objects.update(diversity=0.8)
    spots.forget()
    spread = shop.numbers(ask(shop, product=shop.products[20]))
    assert spread[0] == plain[0]
    assert max(spread) - min(spread) > max(plain) - min(plain)


def test_exploration_says_its_chances(shop, monkeypatch):
    """Over many slates, new products have the share they were given, each as often as it says."""
    now = timezone.now()
    born = shop.products[30:34]
    new = {product.pk for product in born}
    Item.objects.filter(pk__in=new).update(available_since=now - dt.timedelta(days=2))
    Item.objects.exclude(pk__in=new).update(available_since=now - dt.timedelta(days=900))
    place("popular", explore=0.25)
    drawn, tiles, first = 0, 0, Counter()
    for _ in range(60):
        slate = ask(shop, limit=4)
        assert len(slate) == 4
        assert all(0 < item.probability <= 1 for item in slate)
        explored = [item for item in slate if item.reason == "explore"]
        assert {item.key for item in explored} <= new
        assert not any(item.is_fallback for item in explored)
        drawn, tiles = drawn + len(explored), tiles + 4
        first[slate.items[0].key] += 1
        expected = 0.25 / 4 if slate.items[0].key in new else 0.75
        assert slate.items[0].probability == pytest.approx(expected)
    assert 0.12 < drawn / tiles < 0.4
    assert first[shop.products[0].pk] > 30


def test_the_chance_is_recorded_with_the_impression(shop):
    Item.objects.filter(pk=shop.products[30].pk).update(
        available_since=timezone.now() - dt.timedelta(days=2)
    )
    place("popular", explore=1.0)
    slate = recommend("spot", request=ss.request(), shopper=shop.shopper, limit=3)
    rows = dict(Impression.objects.values_list("product", "probability"))
    assert rows == {item.key: item.probability for item in slate}
    assert rows[shop.products[30].pk] == 1.0


def test_a_new_product_that_is_sold_out_is_not_explored(shop):
    Item.objects.filter(pk=shop.products[30].pk).update(
        available_since=timezone.now() - dt.timedelta(days=2)
    )
    StockRecord.objects.filter(product=shop.products[30]).update(count=0)
    place("popular", explore=1.0)
    assert shop.numbers(ask(shop)) == list(range(8))


def test_exploration_keeps_to_filters_and_guards(shop):
    Item.objects.filter(pk=shop.products[30].pk).update(
        available_since=timezone.now() - dt.timedelta(days=2)
    )
    place("popular", explore=1.0, must_match=["gender"])
    slate = ask(shop, product=shop.products[11])
    assert 30 not in shop.numbers(slate)


def test_circumstances_steer_where_they_may(shop, settings):
    place("popular")
    settings.RECO_LIFTS = {"device:desktop": {"brand:Brand 3": 4.0}}
    assert shop.numbers(ask(shop, request=ss.request())) == list(range(8))
    settings.RECO_STEERING = True
    assert max(shop.numbers(ask(shop, request=ss.request()))) >= 30
    settings.RECO_LIFTS = {"device:mobile": {"brand:Brand 3": 4.0}}
    assert shop.numbers(ask(shop, request=ss.request())) == list(range(8))


def test_the_pages_own_category_is_lifted(shop, settings):
    place("popular")
    settings.RECO_STEERING = True
    plain = shop.numbers(ask(shop))
    lifted = shop.numbers(ask(shop, category="Women"))
    assert sum(number % 2 for number in lifted) > sum(number % 2 for number in plain)


def test_kinds_are_mixed_by_weight(shop):
    shop.viewed(35)
    Placement.objects.create(
        slug="spot",
        kinds=[{"kind": "similar", "weight": 3}, {"kind": "personal", "weight": 1}],
        fallback=[],
    )
    slate = ask(shop, product=shop.products[5])
    near = [abs(number - 5) <= 6 for number in shop.numbers(slate)]
    assert near == [True, True, False, True, True, True, False, True]


def test_a_product_that_no_sync_has_seen_breaks_nothing(shop):
    Item.objects.all().delete()
    place(
        "popular",
        must_match=["gender", "adult"],
        must_differ=["category"],
        caps={"brand": 1},
        diversity=0.5,
        rotate_after=1,
        explore=0.5,
    )
    assert len(ask(shop, product=shop.products[3])) == 8
    assert Product.objects.count() == COUNT


# --- what makes a list better, and is nothing to lose it for -------------------------------------


def fails(error):
    def read(*_, **__):
        raise error

    return read


@pytest.mark.parametrize("inside", [True, False], ids=["in a transaction", "alone"])
@pytest.mark.parametrize("error", [StoreError("it is gone"), OperationalError("too slow")])
@pytest.mark.parametrize("what", ["vectors", "shown"])
def test_a_list_is_not_lost_for_what_would_make_it_better(shop, monkeypatch, what, error, inside):
    place("similar", diversity=0.5, rotate_after=3)
    place_of = {
        "vectors": f"{type(backends.store()).__module__}.{type(backends.store()).__name__}.vectors_of",
        "shown": "reco_plugin.serving.shared.shown",
    }
    monkeypatch.setattr(place_of[what], fails(error))
    with transaction.atomic() if inside else contextlib.nullcontext():
        slate = ask(shop, product=shop.products[20])
    assert len(slate) == 8
    assert {item.source for item in slate} == {"similar"}
    assert f"{what}: could not be read" in slate.notes


def test_a_page_is_not_lost_for_it_either(shop, monkeypatch):
    """It is tried once for the page."""
    tries = []

    def read(*_, **__):
        tries.append(1)
        raise OperationalError("canceling statement due to statement timeout")

    place("similar", rotate_after=3)
    Placement.objects.create(slug="more", kinds=[{"kind": "popular"}], rotate_after=2, fallback=[])
    monkeypatch.setattr("reco_plugin.serving.shared.shown", read)
    page = plan(ss.request(), ["spot", "more"], product=shop.products[20], shopper=shop.shopper)
    assert [len(slate) for slate in page.values()] == [8, 8]
    assert len(tries) == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite knows no time limit")
def test_a_real_time_out_leaves_the_list_too(shop, monkeypatch, settings):
    """The statement is cancelled by the server, inside the shop's transaction."""
    settings.RECO_STATEMENT_TIMEOUT_MS = 300

    def slow(*_, **__):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    place("similar", rotate_after=3)
    monkeypatch.setattr("reco_plugin.serving.shared.shown", slow)
    slate = ask(shop, product=shop.products[20])
    assert len(slate) == 8
    assert {item.source for item in slate} == {"similar"}
    assert Product.objects.count() == COUNT


def test_without_facts_nothing_unchecked_is_shown(shop, monkeypatch):
    place("similar", must_match=["gender"], fallback=["popular"])
    monkeypatch.setattr("reco_plugin.serving.shared.read_facts", fails(OperationalError("slow")))
    assert not ask(shop, product=shop.products[11])
