"""What products look like, in slates: its own run, its own store, nothing where there is none."""

from __future__ import annotations

import looksshop as looks
import numpy as np
import pytest
import servingshop as ss
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from reco_plugin import backends
from reco_plugin.models import ActiveRun, Placement, Related, Run, RunStatus
from reco_plugin.retrieval import Nearest, Neighbours
from reco_plugin.serving import plan, pointers, recommend, spots
from reco_plugin.serving.asking import circumstances
from reco_plugin.serving.shared import shared_of
from reco_plugin.types import Rung

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    spots.forget()
    yield
    pointers.forget()
    spots.forget()


@pytest.fixture
def shop() -> ss.Shop:
    """Near numbers behave alike; those of equal remainder look alike."""
    made = ss.Shop(products=ss.products(24))
    ss.publish(made)
    ss.rank(made, {"": list(range(23, -1, -1))})
    return made


def by_remainder(shop: ss.Shop, numbers=range(24)) -> dict[int, float]:
    return {number: 0.6 * (number % 3) + 0.001 * number for number in numbers}


def reader():
    return shared_of(circumstances(request=None)).reader()


def reading(captured) -> list[str]:
    return [query["sql"] for query in captured if " FROM " in query["sql"]]


# --- two runs of vectors -------------------------------------------------------------------------


@pytest.mark.parametrize("lists", [0, 10])
def test_each_kind_of_run_answers_for_itself(shop, lists):
    looks.publish(shop, by_remainder(shop), lists=lists)
    own, seen = (Neighbours(key=shop.products[9].pk, k=4, of=of) for of in ("personal", "visual"))
    found = reader().answer([own, seen])
    places = {product.pk: place for place, product in enumerate(shop.products)}
    assert {places[one.key] for one in found[own]} == {7, 8, 10, 11}
    assert {places[one.key] for one in found[seen]} == {3, 6, 12, 15}


def test_a_vector_is_asked_of_the_run_it_belongs_to(shop):
    looks.publish(shop, by_remainder(shop))
    asked = Nearest(vector=looks.unit(0.6), k=8, of="visual")
    found = reader().answer([asked])[asked]
    places = {product.pk: place for place, product in enumerate(shop.products)}
    assert {places[one.key] % 3 for one in found} == {1}
    assert Nearest(vector=asked.vector, k=8) != asked
    assert len({asked, Nearest(vector=asked.vector, k=8, of="visual")}) == 1


def test_no_other_kind_of_run_answers_for_vectors(shop):
    found = reader()
    assert not found.can(Neighbours(key=shop.products[0].pk, k=3, of="visual"))
    assert not found.can(Neighbours(key=shop.products[0].pk, k=3, of="popular"))
    assert not found.can(Nearest(vector=np.ones(2, np.float32), k=3, of="visual"))
    assert found.answer([Neighbours(key=shop.products[0].pk, k=3, of="visual")]) == {
        Neighbours(key=shop.products[0].pk, k=3, of="visual"): ()
    }


def test_the_lists_of_both_runs_are_one_statement(shop):
    looks.publish(shop, by_remainder(shop), lists=10)
    shop.run.config = {**shop.run.config, "neighbours": {"depth": 10}}
    shop.run.save()
    key = shop.products[9].pk
    page = reader()
    with CaptureQueriesContext(connection) as captured:
        page.read_lists([Neighbours(key=key, k=5, of=of) for of in ("personal", "visual")])
    assert len(reading(captured)) == 1


# --- visually similar ----------------------------------------------------------------------------


@pytest.mark.parametrize("lists", [0, 15])
def test_what_looks_like_it_needs_no_behaviour(shop, lists):
    ActiveRun.objects.all().delete()
    run = looks.publish(shop, by_remainder(shop), lists=lists)
    slate = recommend("visually_similar", product=shop.products[9], limit=4)
    assert set(shop.numbers(slate)) == {3, 6, 12, 15}
    assert {item.reason for item in slate} == {f"looks_like:{shop.products[9].pk}"}
    assert {item.run for item in slate} == {run.pk}
    assert slate.rung is Rung.CONTEXTUAL
    assert not any(item.is_fallback for item in slate)


def test_in_other_colours_and_in_the_same(shop):
    looks.publish(shop, by_remainder(shop), lists=20)
    for number, product in enumerate(shop.products):
        colour = "red" if number < 12 else "blue"
        ss.item(product, attributes={"colour": colour})
    for slug, guards in (
        ("other", {"must_differ": ["colour"]}),
        ("same", {"must_match": ["colour"]}),
    ):
        Placement.objects.create(
            slug=slug, kinds=[{"kind": "visually_similar"}], fallback=[], max_items=3, **guards
        )
    page = shop.products[9]
    assert set(shop.numbers(recommend("other", product=page))) == {12, 15, 18}
    assert set(shop.numbers(recommend("same", product=page))) == {0, 3, 6}


def test_without_a_run_it_is_nothing_and_reads_nothing(shop):
    plan(ss.request(), ["popular"])
    with CaptureQueriesContext(connection) as captured:
        page = plan(ss.request(), ["visually_similar"], product=shop.products[9], record=False)
    assert not page["visually_similar"]
    assert page["visually_similar"].notes == ("visually_similar: no run is live",)
    assert not reading(captured)


@pytest.mark.parametrize("is_known", [True, False])
def test_what_is_missing_is_said_whether_or_not_it_was_known_before(shop, is_known):
    Placement.objects.create(slug="alike", kinds=[{"kind": "visually_similar"}], fallback=[])
    if is_known:
        recommend("popular")
    page = plan(ss.request(), ["alike", "popular"], product=shop.products[9])
    assert page["alike"].notes == ("visually_similar: no run is live",)
    assert (page["alike"].placement, page["alike"].kind) == ("alike", "visually_similar")
    assert len(page["popular"]) == 8


def test_a_share_that_cannot_be_seen_is_left_to_the_rest(shop):
    Placement.objects.create(
        slug="mixed", kinds=[{"kind": "visually_similar"}, {"kind": "similar"}], fallback=[]
    )
    slate = recommend("mixed", product=shop.products[9], limit=4)
    assert set(shop.numbers(slate)) == {7, 8, 10, 11}
    assert slate.notes == ("visually_similar: no run is live",)
    looks.publish(shop, by_remainder(shop), lists=10)
    pointers.forget()
    slate = recommend("mixed", product=shop.products[9], limit=4)
    assert {item.source for item in slate} == {"visually_similar", "similar"}


# --- more like this ------------------------------------------------------------------------------


def test_a_product_that_only_has_a_picture_leads_to_what_looks_like_it(shop):
    known = [product for number, product in enumerate(shop.products) if number != 9]
    ActiveRun.objects.filter(kind="personal").delete()
    ss.publish(shop, members=known)
    slate = recommend("similar", product=shop.products[9], limit=4)
    assert {item.source for item in slate} == {"popular"}
    looks.publish(shop, by_remainder(shop), lists=10)
    pointers.forget()
    slate = recommend("similar", product=shop.products[9], limit=4)
    assert set(shop.numbers(slate)) == {3, 6, 12, 15}
    assert slate.items[0].reason == f"looks_like:{shop.products[9].pk}"


def test_what_is_known_to_behave_alike_comes_first(shop):
    looks.publish(shop, by_remainder(shop), lists=10)
    slate = recommend("similar", product=shop.products[9], limit=4)
    assert set(shop.numbers(slate)) == {7, 8, 10, 11}


def test_what_looks_like_the_last_seen_is_recommended_without_any_behaviour(shop):
    ActiveRun.objects.exclude(kind="popular").delete()
    looks.publish(shop, by_remainder(shop), lists=10)
    shop.viewed(9)
    slate = recommend("personal", shopper=shop.shopper, limit=4)
    assert set(shop.numbers(slate)) == {3, 6, 12, 15}
    assert slate.rung is Rung.PERSONAL
    assert {item.reason for item in slate} == {f"looks_like:{shop.products[9].pk}"}


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="counts what pgvector reads")
def test_what_looks_alike_costs_a_personal_slate_no_read(shop):
    shop.viewed(9, 4)

    def asked() -> list[str]:
        pointers.forget()
        with CaptureQueriesContext(connection) as captured:
            assert plan(ss.request(), ["personal"], shopper=shop.shopper, record=False)["personal"]
        return reading(captured)

    before = asked()
    looks.publish(shop, by_remainder(shop), lists=10)
    assert len(asked()) == len(before)


# --- shop the look -------------------------------------------------------------------------------

SHIRTS, TROUSERS, SHOES = range(8), range(8, 16), range(16, 24)


@pytest.fixture
def dressed(shop) -> ss.Shop:
    """Shirts, trousers and shoes. Of each, the first is of the first style, and so on, all the way round."""
    for number, product in enumerate(shop.products):
        shelf = ("Shirts", "Trousers", "Shoes")[number // 8]
        gender = "male" if number in (12, 20) else "female"
        ss.item(product, categories=[shelf], attributes={"gender": gender})
    looks.publish(shop, {number: 0.2 * (number % 8) for number in range(24)}, lists=20)
    return shop


def bought_with(shop: ss.Shop, *pairs: tuple[int, list[int]]) -> Run:
    run = Run.objects.create(kind="behaviour", trainer="together", status=RunStatus.PUBLISHED)
    for number, others in pairs:
        Related.objects.create(
            run=run,
            relation="bought_together",
            product=shop.products[number],
            keys=[str(shop.products[other].pk) for other in others],
            scores=[1.0 - 0.05 * place for place in range(len(others))],
        )
    ss.activate(run)
    pointers.forget()
    return run


def test_a_look_is_of_other_categories_and_matches(dressed):
    """3 is a shirt itself, 20 is for men, and of all the trousers 15 suit the shirt least."""
    bought_with(dressed, (0, [15, 3, 9, 14, 8, 20, 17, 16]))
    slate = recommend("shop_the_look", product=dressed.products[0], limit=8)
    assert dressed.numbers(slate) == [9, 8, 14, 16, 17]
    assert {item.reason for item in slate} == {f"goes_with_look:{dressed.products[0].pk}"}
    assert [item.score for item in slate] == sorted((item.score for item in slate), reverse=True)


def test_where_nobody_bought_anything_with_it_its_twins_speak(dressed):
    bought_with(dressed, (1, [9, 17, 2]))
    slate = recommend("shop_the_look", product=dressed.products[0], limit=4)
    assert set(dressed.numbers(slate)) == {9, 17}
    assert {item.reason for item in slate} == {f"goes_with_look:{dressed.products[0].pk}"}


def test_in_a_cart_no_category_comes_again(dressed):
    bought_with(dressed, (0, [8, 9, 16, 17, 1]), (16, [0, 1, 9, 10]))
    cart = [dressed.products[0], dressed.products[16]]
    slate = recommend("shop_the_look", cart=cart, limit=8)
    assert set(dressed.numbers(slate)) <= {*TROUSERS}
    assert {8, 9} <= set(dressed.numbers(slate))


@pytest.mark.parametrize("missing", ["the picture of the page's product", "all others' pictures"])
def test_nothing_is_said_to_match_unseen(shop, missing):
    for number, product in enumerate(shop.products):
        ss.item(product, categories=["Shirts" if number < 8 else "Trousers"])
    seen = range(1, 24) if missing.startswith("the") else range(8)
    looks.publish(shop, {number: 0.2 * (number % 8) for number in seen}, lists=5)
    bought_with(shop, (0, [8, 9, 10]))
    assert not recommend("shop_the_look", product=shop.products[0])


def test_the_guards_of_a_placement_hold_for_a_look_too(dressed):
    bought_with(dressed, (0, [8, 9, 16, 17]))
    Placement.objects.create(
        slug="shoes",
        kinds=[{"kind": "shop_the_look"}],
        filters=[{"field": "category", "op": "is", "value": "Shoes"}],
        fallback=[],
    )
    slate = recommend("shoes", product=dressed.products[0])
    assert set(dressed.numbers(slate)) == {16, 17}


# --- what fails ----------------------------------------------------------------------------------


def test_vectors_of_pictures_that_cannot_be_read_cost_only_what_is_by_sight(shop, monkeypatch):
    visual = looks.publish(shop, by_remainder(shop))
    store = type(backends.store())
    real = store.neighbours

    def down(self, handle, key, k, *, within=None):
        if handle.run == visual.pk:
            raise OperationalError("the disk is gone")
        return real(self, handle, key, k, within=within)

    monkeypatch.setattr(store, "neighbours", down)
    names = ["visually_similar", "similar", "popular"]
    page = plan(ss.request(), names, product=shop.products[9])
    assert not page["visually_similar"]
    assert page["visually_similar"].notes == ("visually_similar: OperationalError",)
    assert {item.source for item in page["similar"]} == {"similar"}
    assert len(page["similar"]) == len(page["popular"]) == 8


def test_a_look_that_cannot_be_seen_is_not_shown_and_hurts_nobody(dressed, monkeypatch):
    bought_with(dressed, (0, [8, 9, 16, 17]))

    def down(self, handle, keys):
        raise OperationalError("the disk is gone")

    monkeypatch.setattr(type(backends.store()), "vectors_of", down)
    page = plan(ss.request(), ["shop_the_look", "bought_together"], product=dressed.products[0])
    assert not page["shop_the_look"]
    assert "looks: could not be read" in page["shop_the_look"].notes
    assert set(dressed.numbers(page["bought_together"])) == {8, 9, 16, 17}


# --- what it costs -------------------------------------------------------------------------------

counted = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="counts what pgvector reads"
)
FOUR = ("product_together", "product_similar", "product_also_viewed", "product_recent")


@pytest.fixture
def page_of():
    """The statements that a page of a larger shop reads with, the second time it is asked for, and what
    it shows."""
    count, shelf = 120, 40
    made = ss.Shop(products=ss.products(count))
    ss.publish(made)
    made.run.config = {**made.run.config, "neighbours": {"depth": 50}}
    made.run.save()
    looks.work_out(made, made.run, range(count), ss.vectors(made.products).item_vectors, 50)
    ss.rank(made, {"": list(range(count))})
    for number, product in enumerate(made.products):
        ss.item(product, categories=[("Shirts", "Trousers", "Shoes")[number // shelf]])
    looks.publish(made, {number: 0.04 * (number % shelf) for number in range(count)}, lists=50)
    run = bought_with(made, (20, [45, 46, 60, 61, 90, 91, 92, 95]))
    Related.objects.create(
        run=run,
        relation="viewed_viewed",
        product=made.products[20],
        keys=[str(made.products[other].pk) for other in range(1, 12)],
        scores=[1.0] * 11,
    )
    made.viewed(38, 39)

    def read(*names: str, number: int = 20) -> tuple[list[str], dict[str, list[int]]]:
        of = {"names": names} if names else {"page": "product"}
        for _ in range(2):
            with CaptureQueriesContext(connection) as captured:
                page = plan(
                    ss.request(),
                    **of,
                    shopper=made.shopper,
                    product=made.products[number],
                    record=False,
                )
        return reading(captured), {name: made.numbers(slate) for name, slate in page.items()}

    return read


@counted
def test_a_page_without_pictures_reads_no_more_than_before(page_of):
    ActiveRun.objects.filter(kind="visual").delete()
    pointers.forget()
    before, _ = page_of(*FOUR)
    whole, found = page_of()
    assert len(whole) == len(before) <= 8, "\n".join(before)
    assert not found["product_look"]
    assert not found["product_looks_alike"]


@counted
def test_a_page_with_pictures_reads_once_more_for_the_look(page_of):
    before, _ = page_of(*FOUR)
    alike, found = page_of(*FOUR, "product_looks_alike")
    assert found["product_looks_alike"]
    assert len(alike) == len(before), alike
    whole, found = page_of()
    assert all(found.values()), found
    assert len(whole) == len(before) + 1, whole


@counted
def test_the_second_go_is_one_statement_for_products_nobody_bought_anything_with(page_of):
    first, _ = page_of("product_look", number=20)
    second, found = page_of("product_look", number=21)
    assert found["product_look"]
    assert len(second) == len(first) + 1
