"""What products look like, in slates: its own run, its own store, nothing where there is none."""

from __future__ import annotations

import looksshop as looks
import numpy as np
import pytest
import servingshop as ss
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reco_plugin.models import ActiveRun, Placement
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
