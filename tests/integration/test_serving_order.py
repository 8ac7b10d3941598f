"""order_by_relevance(): the same rows, the best for this shopper first, and never an exception."""

from __future__ import annotations

import pickle
import uuid

import pytest
import servingshop as ss
from django.core.paginator import Paginator
from django.db import connection, transaction
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testapp.models import Category, Product, StockRecord

from reco_plugin import backends, order_by_relevance, recommend
from reco_plugin.capture import identify
from reco_plugin.serving import pointers
from reco_plugin.stores.base import Handle
from reco_plugin.types import EventKind, Shopper

SIZE = 40


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    yield
    pointers.forget()


@pytest.fixture
def shop(db) -> ss.Shop:
    made = ss.Shop(products=ss.products(SIZE))
    ss.publish(made)
    ss.rank(made, {"": list(range(SIZE - 1, -1, -1)), "Women": [7, 8], "Women > Shoes": [5, 6]})
    return made


def numbers(shop, queryset) -> list[int]:
    places = {product.pk: place for place, product in enumerate(shop.products)}
    return [places[product.pk] for product in queryset]


def everything():
    return Product.objects.order_by("cents")


def test_what_the_shopper_likes_comes_first(shop):
    shop.viewed(20)
    found = numbers(shop, order_by_relevance(everything(), None, shopper=shop.shopper))
    assert set(found[:5]) == {18, 19, 20, 21, 22}
    assert sorted(found) == list(range(SIZE))
    assert found[-1] in (0, SIZE - 1)


def test_filters_of_the_shop_hold(shop):
    shop.viewed(20)
    some = everything().filter(cents__gte=130)
    found = numbers(shop, order_by_relevance(some, None, shopper=shop.shopper))
    assert found == list(range(30, SIZE))


def test_products_the_run_does_not_know_come_last_in_the_own_order(shop):
    shop.viewed(3)
    strangers = [Product.objects.create(label="New", cents=cents) for cents in (9, 8)]
    found = list(order_by_relevance(everything(), None, shopper=shop.shopper))
    assert found[-2:] == strangers[::-1]
    assert len(found) == SIZE + 2


def test_a_stranger_sees_what_is_popular_in_that_category_first(shop):
    new = Shopper(id=uuid.uuid4(), is_new=True)
    found = numbers(shop, order_by_relevance(everything(), None, shopper=new))
    assert found == list(range(SIZE - 1, -1, -1))
    found = numbers(
        shop, order_by_relevance(everything(), None, category="Women > Shoes", shopper=new)
    )
    assert found[:5] == [5, 6, 7, 8, SIZE - 1]


def test_the_category_may_be_the_shop_s_own(shop):
    women = Category.objects.create(label="Women")
    found = numbers(shop, order_by_relevance(everything(), None, category=women))
    assert found[:3] == [7, 8, SIZE - 1]


def test_without_runs_the_own_order_stays(db):
    ss.products(5)
    ordered = order_by_relevance(Product.objects.order_by("-cents"), None)
    assert [product.cents for product in ordered] == [104, 103, 102, 101, 100]


def test_a_reversed_queryset_is_reversed_only_in_its_own_order(shop):
    shop.viewed(20)
    found = numbers(shop, order_by_relevance(everything().reverse(), None, shopper=shop.shopper))
    assert set(found[:3]) == {19, 20, 21}
    strangers = [Product.objects.create(label="New", cents=cents) for cents in (8, 9)]
    turned = order_by_relevance(everything().reverse(), None, shopper=shop.shopper)
    assert list(turned)[-2:] == strangers[::-1]


def test_nothing_is_read_before_rows_are_asked_for_and_then_one_statement_more(shop):
    shop.viewed(20)
    list(order_by_relevance(everything(), None, shopper=shop.shopper)[:3])
    with CaptureQueriesContext(connection) as captured:
        ordered = order_by_relevance(everything(), None, shopper=shop.shopper)
        page = Paginator(ordered, 10).get_page(2)
        assert page.paginator.count == SIZE
    assert len(captured) == 1
    with CaptureQueriesContext(connection) as captured:
        list(page)
    extra = 2 if backends.store().name == "numpy" else 1  # which products there are to rank
    reading = [query["sql"] for query in captured if " FROM " in query["sql"]]
    assert len(reading) == 1 + extra


def test_pages_hold_every_row_once(shop):
    shop.viewed(20, 4)
    pages = Paginator(order_by_relevance(everything(), None, shopper=shop.shopper), 7)
    found = [product.pk for number in pages.page_range for product in pages.page(number)]
    assert len(found) == len(set(found)) == SIZE


def test_what_is_looked_at_on_the_way_moves_nothing_on_the_next_page(shop):
    shop.viewed(20)
    before = int(timezone.now().timestamp())
    as_of = str(before)
    first = numbers(shop, order_by_relevance(everything(), None, shopper=shop.shopper, as_of=as_of))
    shop.did(EventKind.ADD_TO_CART, shop.products[2], days=-0.001)
    again = numbers(shop, order_by_relevance(everything(), None, shopper=shop.shopper, as_of=as_of))
    now = numbers(shop, order_by_relevance(everything(), None, shopper=shop.shopper))
    assert again == first
    assert now != first


def test_the_order_of_an_earlier_moment_is_that_of_a_long_history_too(shop, settings):
    settings.RECO_HISTORY = 3
    for back, number in enumerate((20, 4, 31, 9, 15)):
        shop.did(EventKind.VIEW_ITEM, shop.products[number], days=1 + back)
    as_of = timezone.now()

    def order() -> list[int]:
        found = order_by_relevance(everything(), None, shopper=shop.shopper, as_of=as_of)
        return numbers(shop, found)

    first = order()
    for number in (38, 39):
        shop.did(EventKind.VIEW_ITEM, shop.products[number], days=-0.001)
    assert order() == first
    shop.did(EventKind.VIEW_ITEM, shop.products[0], days=5.5)
    assert order() == first  # three events were known then, and still are


@pytest.mark.parametrize("as_of", ["", "nonsense", "1e400", "nan", None, object(), -1e30])
def test_a_link_may_hold_nonsense(shop, as_of):
    shop.viewed(20)
    found = order_by_relevance(everything(), None, shopper=shop.shopper, as_of=as_of)
    assert numbers(shop, found)[0] in (19, 20, 21)


def test_a_request_tells_who_asks(shop):
    user = type("User", (), {"pk": "u", "is_authenticated": True})()
    request = ss.request()
    request.user = user
    shopper = identify(request)
    shop.did(EventKind.VIEW_ITEM, shop.products[11], shopper=shopper)
    assert numbers(shop, order_by_relevance(everything(), request))[0] in (10, 11, 12)


def test_a_page_that_knows_its_shopper_already_pays_nothing_more(shop):
    request = ss.request()
    request.user = type("User", (), {"pk": "u", "is_authenticated": True})()
    shop.did(EventKind.VIEW_ITEM, shop.products[11], shopper=identify(request))
    recommend("personal", request=request, limit=4)
    with CaptureQueriesContext(connection) as captured:
        assert numbers(shop, order_by_relevance(everything(), request))[0] in (10, 11, 12)
    reading = [query["sql"] for query in captured if " FROM " in query["sql"]]
    assert len(reading) == (2 if backends.store().name == "numpy" else 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Product.objects.order_by("cents")[:3],
        Product.objects.none,
        lambda: Product.objects.filter(cents=100).union(Product.objects.filter(cents=101)),
        lambda: Product.objects.values("maker").annotate(n=Count("pk")),
        lambda: Product.objects.values_list("maker", flat=True).distinct(),
        StockRecord.objects.all,
    ],
)
def test_what_cannot_be_ordered_so_comes_back_as_it_came(shop, make):
    queryset = make()
    assert order_by_relevance(queryset, None, shopper=shop.shopper) is queryset


def test_no_queryset_at_all_comes_back_too(shop, settings):
    settings.RECO_DEBUG_RAISE = False
    assert order_by_relevance([1, 2], None) == [1, 2]


def test_distinct_and_counted_rows_stay_what_they_are(shop):
    shop.viewed(20)
    StockRecord.objects.create(product=shop.products[20], warehouse="south", count=1)
    joined = Product.objects.filter(stockrecords__count__gt=0).distinct()
    found = numbers(shop, order_by_relevance(joined, None, shopper=shop.shopper))
    assert sorted(found) == list(range(SIZE))
    assert found[0] in (19, 20, 21)
    counted = Product.objects.annotate(places=Count("stockrecords"))
    ordered = list(order_by_relevance(counted, None, shopper=shop.shopper))
    assert sorted(product.places for product in ordered) == [1] * (SIZE - 1) + [2]


def test_a_run_that_is_gone_costs_the_order_and_nothing_else(shop):
    shop.viewed(20)
    ordered = order_by_relevance(everything(), None, shopper=shop.shopper)
    str(ordered.query)  # worked out, and then …
    handle = Handle(run=shop.run.pk, state=shop.run.store_state)
    backends.store().drop(handle)
    found = numbers(shop, ordered)
    assert sorted(found) == list(range(SIZE))
    assert Product.objects.count() == SIZE


def test_a_pointer_to_a_run_that_is_gone_orders_nothing(shop):
    shop.viewed(20)
    backends.store().drop(Handle(run=shop.run.pk, state=shop.run.store_state))
    found = numbers(shop, order_by_relevance(everything(), None, shopper=shop.shopper))
    assert sorted(found) == list(range(SIZE))


def test_switched_off_it_asks_nothing(shop, settings):
    settings.RECO_ENABLED = False
    queryset = everything()
    assert order_by_relevance(queryset, None, shopper=shop.shopper) is queryset


def test_it_can_be_pickled_copied_and_narrowed_later(shop):
    shop.viewed(20)
    ordered = order_by_relevance(everything(), ss.request(), shopper=shop.shopper)
    again = pickle.loads(pickle.dumps(ordered))
    assert list(again) == list(ordered)
    best = next(iter(ordered))
    assert numbers(shop, ordered.filter(cents__lt=110))[0] == 9
    assert next(iter(ordered.values_list("cents", flat=True))) in (119, 120, 121)
    assert Product.objects.filter(pk__in=ordered).count() == SIZE
    assert ordered.first().pk == best.pk
    assert next(ordered.iterator(chunk_size=5)).pk == best.pk


def test_it_is_read_within_the_shop_s_transaction(shop):
    shop.viewed(20)
    with transaction.atomic():
        found = order_by_relevance(everything(), None, shopper=shop.shopper)
        assert numbers(shop, found)[0] in (19, 20, 21)
        assert Product.objects.count() == SIZE


@pytest.mark.django_db
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    viewed=st.lists(st.integers(0, 14), max_size=4),
    members=st.sets(st.integers(0, 14)),
    ranked=st.lists(st.integers(0, 14), max_size=15, unique=True),
    kept=st.sets(st.integers(0, 14)),
    size=st.integers(1, 6),
)
def test_exactly_the_same_rows_whatever_is_known(viewed, members, ranked, kept, size):
    with transaction.atomic():
        shop = ss.Shop(products=ss.products(15))
        chosen = [shop.products[n] for n in members]
        if len(chosen) > 1:
            ss.publish(shop, members=chosen)
        ss.rank(shop, {"": ranked})
        shop.viewed(*viewed)
        rows = Product.objects.filter(cents__in=[100 + n for n in kept])
        ordered = order_by_relevance(rows, None, shopper=shop.shopper)
        pages = Paginator(ordered, size)
        found = [shown for number in pages.page_range for shown in pages.page(number)]
        expected = list(rows)
        transaction.set_rollback(True)
    pointers.forget()
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert len(found) == len(expected)
