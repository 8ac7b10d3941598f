"""recommend(): kinds, rungs, exclusions, eligibility, budget."""

from __future__ import annotations

import uuid

import pytest
import servingshop as ss
from django.db import connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from testapp.models import Category, Product, StockRecord
from testapp.reco import TestCatalog

from reco_plugin.models import ActiveRun, RankedList
from reco_plugin.serving import arecommend, pointers, recommend
from reco_plugin.types import EventKind, Rung, Shopper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    yield
    pointers.forget()


@pytest.fixture
def shop() -> ss.Shop:
    made = ss.Shop(products=ss.products(60))
    ss.publish(made)
    ss.rank(made, {"": list(range(59, -1, -1)), "Women": [7, 8, 9], "Women > Shoes": [5, 6]})
    return made


def selects(connection) -> CaptureQueriesContext:
    return CaptureQueriesContext(connection)


def reading(captured) -> list[str]:
    return [query["sql"] for query in captured if " FROM " in query["sql"]]


# --- kinds and rungs -----------------------------------------------------------------------------


def test_personal_follows_what_was_viewed(shop):
    shop.viewed(20)
    slate = recommend("personal", shopper=shop.shopper, limit=5)
    assert set(shop.numbers(slate)) == {18, 19, 20, 21, 22}
    assert slate.rung is Rung.PERSONAL
    assert slate.run == shop.run.pk
    assert slate.shopper == shop.shopper.id
    assert not any(item.is_fallback for item in slate)
    assert [item.position for item in slate] == list(range(5))
    scores = [item.score for item in slate]
    assert scores == sorted(scores, reverse=True)


def test_the_next_page_follows_the_last_click(shop):
    shop.viewed(10)
    before = recommend("personal", shopper=shop.shopper, limit=3)
    shop.did(EventKind.ADD_TO_CART, shop.products[50], days=0)
    after = recommend("personal", shopper=shop.shopper, limit=3)
    assert max(shop.numbers(after)) > max(shop.numbers(before)) + 10


def test_a_new_visitor_gets_what_is_popular_and_is_told_why(shop):
    slate = recommend("personal", shopper=Shopper(id=uuid.uuid4(), is_new=True), limit=4)
    assert shop.numbers(slate) == [59, 58, 57, 56]
    assert slate.rung is Rung.POPULAR
    assert slate.run == shop.popular.pk
    assert all(item.is_fallback for item in slate)
    assert "personal: a new visitor" in slate.notes


def test_a_visitor_without_history_on_a_product_page_gets_similar_products(shop):
    slate = recommend("personal", shopper=shop.shopper, product=shop.products[30], limit=4)
    assert set(shop.numbers(slate)) == {28, 29, 31, 32}
    assert slate.rung is Rung.CONTEXTUAL
    assert slate.items[0].reason == f"similar_to:{shop.products[30].pk}"


def test_nobody_recognised_falls_to_the_category(shop):
    slate = recommend("personal", category="Women > Shoes", limit=4)
    assert shop.numbers(slate)[:2] == [5, 6]
    assert shop.numbers(slate)[2:] == [7, 8]
    assert slate.rung is Rung.POPULAR_IN_CATEGORY


def test_similar_leaves_the_product_itself_out(shop):
    slate = recommend("similar", product=str(shop.products[10].pk), limit=4)
    assert set(shop.numbers(slate)) == {8, 9, 11, 12}
    assert not any(item.is_fallback for item in slate)


def test_similar_to_a_product_the_run_does_not_know_falls_to_its_category(shop):
    stranger = Product.objects.create(label="New", cents=1)
    ss.item(stranger, categories=["Women > Shoes"])
    slate = recommend("similar", product=stranger, limit=2)
    assert shop.numbers(slate) == [5, 6]
    assert all(item.is_fallback for item in slate)


def test_popular_in_a_category_then_its_parents_then_the_shop(shop):
    slate = recommend("popular", category="Women > Shoes", limit=7)
    assert shop.numbers(slate) == [5, 6, 7, 8, 9, 59, 58]
    assert [item.is_fallback for item in slate] == [False] * 5 + [True] * 2


def test_popular_of_a_category_instance(shop):
    women = Category.objects.create(label="Women")
    slate = recommend(
        "popular", category=Category.objects.create(label="Shoes", parent=women), limit=2
    )
    assert shop.numbers(slate) == [5, 6]


def test_no_runs_at_all_is_an_empty_slate():
    slate = recommend("personal", shopper=Shopper(id=uuid.uuid4()))
    assert not slate
    assert slate.rung is Rung.NOTHING
    assert "popular: no run is live" in slate.notes


@pytest.mark.parametrize("rung", ["personal", "contextual", "popular_in_category", "popular"])
def test_each_rung_can_be_forced(shop, rung, settings):
    shop.viewed(20)
    settings.RECO_FORCE_RUNG = rung
    slate = recommend(
        "personal", shopper=shop.shopper, product=shop.products[40], category="Women", limit=3
    )
    assert slate.rung == rung
    assert {item.rung for item in slate} == {Rung(rung)}


def test_nothing_can_be_forced(shop, settings):
    settings.RECO_FORCE_RUNG = "nothing"
    assert recommend("popular").rung is Rung.NOTHING


def test_off_switch_reads_nothing(shop, settings, django_assert_num_queries):
    settings.RECO_ENABLED = False
    with django_assert_num_queries(0):
        slate = recommend("personal", shopper=shop.shopper, request=ss.request())
    assert not slate


def test_a_trained_vector_is_served_and_news_counts():
    shopper = Shopper(id=uuid.uuid4())
    shop = ss.Shop(products=ss.products(60), shopper=shopper)
    ss.publish(shop, way="trained", trained=[(shopper.id, (1.0, 0.0))])
    before = recommend("personal", shopper=shopper, limit=3)
    assert shop.numbers(before) == [0, 1, 2]
    shop.did(EventKind.ADD_TO_CART, shop.products[40], days=-0.0001)
    assert shop.numbers(recommend("personal", shopper=shopper, limit=3))[0] > 10


# --- what is left out ----------------------------------------------------------------------------


def test_r24_only_what_is_live_now(shop):
    shop.viewed(20)
    StockRecord.objects.filter(product=shop.products[20]).update(count=0)
    Product.objects.filter(pk=shop.products[21].pk).update(hidden=True)
    shop.products[19].delete()
    slate = recommend("personal", shopper=shop.shopper, limit=4)
    assert {item.key for item in slate}.isdisjoint({shop.products[n].pk for n in (20, 21)})
    assert len(slate) == 4


def test_r24_cart_exclude_and_purchases_stay_out(shop, settings):
    settings.RECO_CART = "servingcart.keys"
    shop.viewed(20)
    shop.did(EventKind.PURCHASE, shop.products[21], days=3)
    shop.did(EventKind.PURCHASE, shop.products[19], days=300)
    request = ss.request()
    request.cart = [str(shop.products[22].pk), "no key"]
    slate = recommend(
        "personal", shopper=shop.shopper, request=request, exclude=[shop.products[18]], limit=5
    )
    assert set(shop.numbers(slate)).isdisjoint({21, 22, 18})
    assert 19 in shop.numbers(slate)


@pytest.mark.parametrize("hook", ["raises", "fails"])
def test_a_cart_that_cannot_be_read_costs_neither_the_slate_nor_the_transaction(
    shop, settings, caplog, hook
):
    settings.RECO_CART = f"servingcart.{hook}"
    slate = recommend("personal", shopper=shop.shopper, request=ss.request(), limit=5)
    assert len(slate) == 5
    assert Product.objects.exists()
    assert "RECO_CART raised" in caplog.text


@pytest.mark.parametrize("kind", ["personal", "similar", "popular"])
def test_a_purchase_older_than_the_recent_events_stays_out(shop, kind, settings):
    settings.RECO_HISTORY = 3
    shop.did(EventKind.PURCHASE, shop.products[59], days=20)
    shop.did(EventKind.DISMISS_ITEM, shop.products[58], days=200)
    shop.viewed(57, 57, 57, 57)
    slate = recommend(kind, shopper=shop.shopper, product=shop.products[56], limit=10)
    assert set(shop.numbers(slate)).isdisjoint({58, 59})
    assert len(slate) == 10


def test_purchases_show_at_once_when_asked_for(shop, settings):
    settings.RECO_EXCLUDE_PURCHASED_DAYS = 0
    shop.did(EventKind.PURCHASE, shop.products[20])
    assert 20 in shop.numbers(recommend("personal", shopper=shop.shopper, limit=3))


def test_variants_make_one_tile(shop):
    canonical = shop.products[20]
    Product.objects.filter(pk__in=[shop.products[n].pk for n in (21, 22)]).update(
        canonical=canonical
    )
    shop.viewed(20)
    slate = recommend("personal", shopper=shop.shopper, limit=5)
    assert len(set(shop.numbers(slate)) & {20, 21, 22}) == 1
    assert len(slate) == 5


@pytest.mark.parametrize("left_out", [20, 21])
def test_an_excluded_variant_takes_its_siblings_along(shop, left_out):
    canonical = shop.products[20]
    Product.objects.filter(pk__in=[shop.products[n].pk for n in (21, 22)]).update(
        canonical=canonical
    )
    shop.viewed(19)
    slate = recommend("personal", shopper=shop.shopper, exclude=[shop.products[left_out]], limit=20)
    assert set(shop.numbers(slate)).isdisjoint({20, 21, 22})
    assert len(slate) == 20


def test_similar_to_a_variant_is_similar_to_its_canonical_product(shop):
    variant = Product.objects.create(label="Variant", cents=1, canonical=shop.products[30])
    slate = recommend("similar", product=variant, limit=4)
    assert set(shop.numbers(slate)) == {28, 29, 31, 32}


def test_a_purchased_variant_keeps_its_siblings_out_beyond_the_recent_events(shop, settings):
    settings.RECO_HISTORY = 2
    Product.objects.filter(pk=shop.products[21].pk).update(canonical=shop.products[20])
    shop.did(EventKind.PURCHASE, shop.products[21], days=10)
    shop.viewed(19, 19, 19)
    assert 20 not in shop.numbers(recommend("personal", shopper=shop.shopper, limit=5))


@pytest.mark.parametrize("sold_out", [(), (20, 21, 22), range(10, 30)])
def test_a_shop_without_variants(shop, settings, sold_out):
    settings.RECO_CATALOG = "servingcart.NoGroups"
    gone = [shop.products[number] for number in sold_out]
    StockRecord.objects.filter(product__in=gone).update(count=0)
    shop.viewed(20)
    shop.did(EventKind.PURCHASE, shop.products[9])
    slate = recommend("personal", shopper=shop.shopper, limit=6)
    left = [number for number in range(60) if number not in {*sold_out, 9}]
    scores = [item.score for item in slate]
    assert len(slate) == 6
    assert set(shop.numbers(slate)) <= set(left)
    assert scores == sorted(scores, reverse=True)
    assert {item.rung for item in slate} == {Rung.PERSONAL}


def test_rows_repeated_by_a_join_of_the_shops_cost_no_product_its_place(shop, settings):
    settings.RECO_CATALOG = "servingcart.RepeatingRows"
    for product in shop.products:
        for warehouse in ("south", "west"):
            StockRecord.objects.create(product=product, warehouse=warehouse, count=1)
    ss.rank(shop, {"": list(range(60))})
    slate = recommend("popular", limit=8)
    assert shop.numbers(slate) == list(range(8))
    assert len(recommend("similar", product=shop.products[30], limit=8)) == 8


def test_groups_worked_out_in_python_come_from_the_last_sync(shop, settings):
    settings.RECO_CATALOG = "servingcart.PythonGroups"
    ss.item(shop.products[21], group_id=shop.products[20].pk)
    ss.item(shop.products[20])
    shop.viewed(19)
    slate = recommend("personal", shopper=shop.shopper, limit=5)
    assert len(set(shop.numbers(slate)) & {20, 21}) == 1
    slate = recommend("personal", shopper=shop.shopper, limit=5, exclude=[shop.products[21]])
    assert set(shop.numbers(slate)).isdisjoint({20, 21})


def test_sensitive_products_are_popular_only_where_asked_for(shop, settings):
    settings.RECO_SENSITIVE_CATEGORIES = ["Women > Shoes"]
    for number in (5, 6, 20, 59):
        ss.item(shop.products[number], sensitive=True)
    shop.viewed(20)
    assert 20 not in shop.numbers(recommend("personal", shopper=shop.shopper, limit=5))
    assert 20 not in shop.numbers(recommend("similar", product=shop.products[19], limit=5))
    assert shop.numbers(recommend("popular", limit=2)) == [58, 57]
    assert shop.numbers(recommend("popular", category="Women > Shoes", limit=2)) == [5, 6]
    assert shop.numbers(recommend("personal", category="Women > Shoes", limit=1)) == [7]


# --- filling up ----------------------------------------------------------------------------------


def test_r20_an_exact_scan_tops_up_what_the_first_candidates_left_short(shop):
    shop.viewed(0)
    kept = [shop.products[n].pk for n in (1, 55, 57, 59)]
    StockRecord.objects.exclude(product__in=kept).update(count=0)
    slate = recommend("personal", shopper=shop.shopper, limit=4)
    assert sorted(shop.numbers(slate)) == [1, 55, 57, 59]
    assert slate.items[-1].rung is Rung.PERSONAL


def test_the_top_up_counts_groups_not_variants(shop):
    shop.viewed(0)
    far = [shop.products[n] for n in range(40, 60)]
    Product.objects.filter(pk__in=[each.pk for each in far[:10]]).update(canonical=far[0])
    StockRecord.objects.exclude(product__in=far).update(count=0)
    slate = recommend("personal", shopper=shop.shopper, limit=8)
    assert len(slate) == 8
    assert {item.rung for item in slate} == {Rung.PERSONAL}
    assert len({shop.numbers(slate)[at] for at in range(8)} & set(range(40, 50))) == 1


def test_fewer_eligible_products_than_wanted(shop):
    shop.viewed(0)
    StockRecord.objects.exclude(product__in=[shop.products[3], shop.products[50]]).update(count=0)
    slate = recommend("personal", shopper=shop.shopper, limit=8)
    assert sorted(shop.numbers(slate)) == [3, 50]


def test_a_lower_rung_fills_up(shop):
    ss.publish(shop, members=shop.products[:3])
    shop.viewed(1)
    slate = recommend("personal", shopper=shop.shopper, limit=5)
    assert [item.rung for item in slate] == [Rung.PERSONAL] * 3 + [Rung.POPULAR] * 2
    assert [item.is_fallback for item in slate] == [False] * 3 + [True] * 2
    assert {item.run for item in slate} == {shop.run.pk, shop.popular.pk}


@pytest.mark.parametrize(("limit", "length"), [(0, 0), (-3, 0), ("3", 3), (1000, 60), (None, 8)])
def test_limits(shop, limit, length):
    assert len(recommend("popular", limit=limit)) == length


# --- budget --------------------------------------------------------------------------------------

needs_pgvector = pytest.mark.skipif(
    "connections['default'].vendor != 'postgresql'", reason="counts what pgvector reads"
)


@needs_pgvector
def test_personal_reads_three_times(shop, django_assert_max_num_queries):
    from django.db import connection

    shop.viewed(20, 30)
    recommend("personal", shopper=shop.shopper)
    with selects(connection) as captured:
        slate = recommend("personal", shopper=shop.shopper)
    assert len(slate) == 8
    assert len(reading(captured)) == 3, reading(captured)


@needs_pgvector
def test_similar_and_popular_read_twice(shop):
    from django.db import connection

    recommend("popular")
    for options in ({"kind": "similar", "product": shop.products[5]}, {"kind": "popular"}):
        with selects(connection) as captured:
            assert len(recommend(**options)) == 8
        assert len(reading(captured)) == 2, reading(captured)


# --- live runs -----------------------------------------------------------------------------------


def test_activation_is_seen_at_once(shop):
    shop.viewed(1)
    first = recommend("personal", shopper=shop.shopper)
    second = ss.publish(shop)
    assert recommend("personal", shopper=shop.shopper).run == second.pk != first.run


def test_a_pointer_to_a_dropped_run_is_looked_up_again(shop):
    from reco_plugin import backends

    shop.viewed(1)
    old = recommend("personal", shopper=shop.shopper).run
    stale = pointers.recall("default", 1)
    new = ss.publish(shop)
    pointers._known["default", 1] = (pointers.time.monotonic(), stale)
    backends.store().drop(stale.personal.handle)
    slate = recommend("personal", shopper=shop.shopper)
    assert slate.run == new.pk != old
    assert slate.rung is Rung.PERSONAL
    assert slate.notes == ()


def test_a_run_that_is_gone_for_good_leaves_the_lower_rungs(shop):
    from reco_plugin import backends

    shop.viewed(1)
    recommend("personal", shopper=shop.shopper)
    backends.store().drop(pointers.recall("default", 1).personal.handle)
    slate = recommend("personal", shopper=shop.shopper, limit=3)
    assert slate.rung is Rung.POPULAR
    assert any(note.startswith("personal: ") for note in slate.notes)


def test_keys_that_are_no_keys_in_a_ranked_list_are_passed_over(shop):
    RankedList.objects.filter(segment="").update(keys=["?", None, str(shop.products[3].pk)])
    assert shop.numbers(recommend("popular")) == [3]


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "tastiest"},
        {"kind": "popular", "limit": "many"},
        {"kind": "similar", "product": object()},
        {"kind": "similar", "product": "not a key"},
        {"kind": "personal", "exclude": [None, object(), "x"]},
    ],
)
def test_bad_arguments_never_raise(shop, options):
    assert recommend(**options).placement == options["kind"]


def test_errors_show_in_development(settings):
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(ValueError, match="choose from personal, similar, visually_similar"):
        recommend("tastiest")


def test_a_catalogue_that_raises_is_an_empty_slate(shop, monkeypatch):
    def broken(self, queryset, request) -> QuerySet:
        raise RuntimeError("broken")

    monkeypatch.setattr(TestCatalog, "eligible", broken)
    slate = recommend("popular")
    assert not slate
    assert slate.notes == ("error: RuntimeError",)


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_from_an_async_view():
    from asgiref.sync import sync_to_async

    def build():
        made = ss.Shop(products=ss.products(3))
        ss.rank(made, {"": [2, 0]})
        return made

    shop = await sync_to_async(build)()
    slate = await arecommend("popular", limit=2)
    assert shop.numbers(slate) == [2, 0]
    await sync_to_async(connections.close_all)()


def test_the_numpy_store_serves_alike(settings):
    settings.RECO_STORE = "numpy"
    shop = ss.Shop(products=ss.products(60))
    ss.publish(shop)
    shop.viewed(20)
    slate = recommend("personal", shopper=shop.shopper, limit=5)
    assert set(shop.numbers(slate)) == {18, 19, 20, 21, 22}
    assert ActiveRun.objects.get(kind="personal").run.store == "numpy"
