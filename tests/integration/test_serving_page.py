"""plan(): a whole page in one pass. Nothing twice, little read, and what fails costs little."""

from __future__ import annotations

import uuid

import pytest
import servingshop as ss
from django.db import OperationalError, connection
from django.template import Context, Template, TemplateSyntaxError
from django.test.utils import CaptureQueriesContext
from testapp.models import Product, StockRecord

from reco_plugin.models import (
    Impression,
    ManualLink,
    Neighbours,
    Placement,
    Related,
    Run,
    RunStatus,
)
from reco_plugin.serving import plan, pointers, recommend, spots
from reco_plugin.types import EventKind, Rung

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
    made = ss.Shop(products=ss.products(60))
    ss.publish(made)
    made.run.config = {**made.run.config, "neighbours": {"depth": 50}}
    made.run.save()
    ss.rank(made, {"": list(range(59, -1, -1)), "Women": [7, 8, 9]})
    for number, product in enumerate(made.products):
        near = sorted(range(60), key=lambda other: abs(other - number))[1:51]
        Neighbours.objects.create(
            run=made.run,
            product=product,
            keys=[str(made.products[other].pk) for other in near],
            scores=[1 - 0.01 * place for place in range(50)],
        )
        ss.item(product, categories=["Women"], brand=f"Brand {number % 5}")
    return made


@pytest.fixture
def behaviour(shop) -> Run:
    run = Run.objects.create(kind="behaviour", trainer="together", status=RunStatus.PUBLISHED)
    relate(shop, run, "bought_together", 10, [40, 41, 11])
    relate(shop, run, "viewed_viewed", 10, [42, 43, 11])
    ss.activate(run)
    return run


def relate(shop, run, relation: str, number: int, others: list[int]) -> None:
    Related.objects.create(
        run=run,
        relation=relation,
        product=shop.products[number],
        keys=[str(shop.products[other].pk) for other in others],
        scores=[1.0 - 0.1 * place for place in range(len(others))],
        facts={"support": [9 - place for place in range(len(others))]},
    )


def place(slug: str, *kinds: str, **values) -> Placement:
    values.setdefault("fallback", [])
    return Placement.objects.create(slug=slug, kinds=[{"kind": kind} for kind in kinds], **values)


def reading(captured) -> list[str]:
    return [query["sql"] for query in captured if " FROM " in query["sql"]]


def numbers(shop, page) -> dict[str, list[int]]:
    return {name: shop.numbers(slate) for name, slate in page.items()}


def test_no_product_is_twice_on_a_page(shop, behaviour):
    page = plan(
        ss.request(),
        ["bought_together", "viewed_viewed", "similar", "popular"],
        product=shop.products[10],
    )
    found = numbers(shop, page)
    assert found["bought_together"] == [40, 41, 11]
    assert found["viewed_viewed"] == [42, 43]
    assert 11 not in found["similar"]
    shown = [number for listed in found.values() for number in listed]
    assert len(shown) == len(set(shown)) == 3 + 2 + 8 + 8


def test_tags_of_one_request_share_too(shop):
    request = ss.request()
    first = recommend("popular", request=request, limit=4)
    second = recommend("popular", request=request, limit=4)
    assert shop.numbers(first) == [59, 58, 57, 56]
    assert shop.numbers(second) == [55, 54, 53, 52]
    assert shop.numbers(recommend("popular", limit=4)) == [59, 58, 57, 56]


def test_a_taste_is_known_to_whoever_asks_after_a_page_that_needed_none(shop):
    shop.viewed(20, 30)
    place("seen", "recently_viewed")
    request = ss.request()
    with CaptureQueriesContext(connection) as captured:
        page = plan(request, ["seen"], shopper=shop.shopper)
    assert sorted(shop.numbers(page["seen"])) == [20, 30]
    assert not [sql for sql in reading(captured) if "vector_send" in sql]
    own = recommend("personal", request=request, shopper=shop.shopper, limit=4)
    alone = recommend(
        "personal", shopper=shop.shopper, limit=4, exclude=page["seen"].products, request=None
    )
    assert own.rung is Rung.PERSONAL
    assert len(own) == 4
    assert shop.numbers(own) == shop.numbers(alone)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="counts what pgvector reads")
def test_a_page_of_four_reads_little(shop, behaviour):
    shop.viewed(20, 30)
    Product.objects.filter(pk=shop.products[33].pk).update(canonical=shop.products[34])
    place("goes", "manual", "bought_together", fallback=["popular"])
    place("like", "similar", diversity=0.2, must_match=["category"], rotate_after=3)
    place("seen", "recently_viewed")
    place("you", "personal", explore=0.1, caps={"brand": 3}, diversity=0.2)
    names = ["goes", "like", "seen", "you"]
    plan(ss.request(), names, shopper=shop.shopper, product=shop.products[10])
    with CaptureQueriesContext(connection) as captured:
        page = plan(
            ss.request(), names, shopper=shop.shopper, product=shop.products[11], record=False
        )
    assert all(page.values()), {name: slate.notes for name, slate in page.items()}
    assert len(reading(captured)) <= 10, "\n".join(reading(captured))


def test_the_page_of_a_type_in_its_order(shop, behaviour):
    place("second", "popular", page="other", order=2, max_items=3)
    place("first", "similar", page="other", order=1, max_items=3)
    place("draft", "popular", page="other", is_active=False)
    page = plan(ss.request(), page="other", product=shop.products[10])
    assert list(page) == ["first", "second"]
    assert [len(slate) for slate in page.slates] == [3, 3]
    assert plan(ss.request(), page="nowhere") == {}


def test_every_page_type_of_a_bare_shop_has_something(shop):
    for kind in ("home", "product", "category", "cart", "thanks", "no_results", "account", "email"):
        page = plan(None, page=kind, product=shop.products[3], shopper=shop.shopper)
        assert page.slates, kind


def test_drafts_and_switched_off_spots_render_nothing(shop, settings):
    settings.RECO_DISABLED_PLACEMENTS = ["off"]
    place("off", "popular")
    place("draft", "popular", is_active=False)
    page = plan(ss.request(), ["off", "draft", "unheard of", "popular"])
    assert page["off"].notes == ("RECO_DISABLED_PLACEMENTS",)
    assert page["draft"].notes == ("a draft",)
    assert page["unheard of"].notes == ("error: ValueError",)
    assert len(page["popular"]) == 8
    assert recommend("draft").notes == ("a draft",)
    assert recommend("off").notes == ("RECO_DISABLED_PLACEMENTS",)
    settings.RECO_ENABLED = False
    assert plan(ss.request(), ["popular"])["popular"].notes == ("RECO_ENABLED is off",)


def test_too_few_is_nothing_and_leaves_them_to_others(shop, behaviour):
    place("goes", "bought_together", min_items=4)
    page = plan(ss.request(), ["goes", "similar"], product=shop.products[10])
    assert not page["goes"]
    assert page["goes"].notes[-1] == "only 3 of at least 4 products"
    assert 11 in shop.numbers(page["similar"])


def test_kinds_are_mixed_and_the_rest_fills_up(shop, behaviour):
    ManualLink.objects.create(product=shop.products[10], target=shop.products[50], order=2)
    ManualLink.objects.create(product=shop.products[10], target=shop.products[51], order=1)
    place("goes", "manual", "bought_together", fallback=["popular"], title="Goes well")
    slate = recommend("goes", product=shop.products[10])
    assert slate.title == "Goes well"
    assert set(shop.numbers(slate)[:5]) == {50, 51, 40, 41, 11}
    assert [item.is_fallback for item in slate] == [False] * 5 + [True] * 3
    places = [shop.numbers(slate).index(number) for number in (51, 50)]
    assert places == sorted(places)
    assert {item.run for item in slate.items[:5]} == {None, behaviour.pk}
    (best,) = [item for item in slate if item.key == shop.products[40].pk]
    assert best.facts["support"] == 9


def test_what_is_popular_keeps_its_share_of_a_mix_where_there_is_no_category(shop):
    shop.viewed(1, 2, 3, 4, 5, 6, 7)
    place("mixed", "recently_viewed", "popular", max_items=6)
    slate = recommend("mixed", shopper=shop.shopper)
    assert [item.source for item in slate] == ["recently_viewed", "popular"] * 3
    assert not any(item.is_fallback for item in slate)


@pytest.mark.parametrize("broken", ["ranked", "related", "near", "linked"])
def test_what_cannot_be_read_costs_only_those_that_needed_it(shop, behaviour, monkeypatch, broken):
    from reco_plugin.pipeline import lists

    fetch = lists.fetch

    def down(parts, using):
        if any(part.kind == broken for part in parts):
            raise OperationalError("it is locked")
        return fetch(parts, using)

    monkeypatch.setattr(lists, "fetch", down)
    ManualLink.objects.create(product=shop.products[10], target=shop.products[50])
    needs = {
        "ranked": "popular",
        "related": "bought_together",
        "near": "similar",
        "linked": "manual",
    }
    for kind in needs.values():
        place(f"only_{kind}", kind)
    names = [f"only_{kind}" for kind in needs.values()]
    page = plan(ss.request(), names, product=shop.products[10])
    empty = {name for name in names if not page[name]}
    assert empty == {f"only_{needs[broken]}"}
    assert "OperationalError" in page[empty.pop()].notes[0]


def test_one_insert_for_the_impressions_of_a_page(shop, behaviour):
    with CaptureQueriesContext(connection) as captured:
        page = plan(ss.request(), ["bought_together", "similar"], product=shop.products[10])
    inserts = [query["sql"] for query in captured if "INSERT" in query["sql"]]
    assert len(inserts) == 1
    assert Impression.objects.count() == sum(len(slate) for slate in page.values()) == 11
    assert set(Impression.objects.values_list("placement", flat=True)) == set(page)


@pytest.mark.parametrize(("record", "written"), [("", 3), (" record=False", 0)])
def test_a_planned_page_in_a_template(shop, behaviour, record, written):
    text = (
        "{% load reco %}{% recopage names product=product" + record + " as page %}"
        "{% recommend page.bought_together %}{% recommend page.bought_together %}"
        "{% for slate in page.slates %}[{{ slate.placement }}]{% endfor %}"
    )
    context = {
        "request": ss.request(),
        "product": shop.products[10],
        "names": ["bought_together", "similar"],
    }
    html = Template(text).render(Context(context))
    assert html.count("Often bought with Thing 10") == 6
    assert html.count("Often bought together") == 2
    assert html.endswith("[bought_together][similar]")
    assert Impression.objects.count() == written


@pytest.mark.parametrize("text", ["{% recopage %}", '{% recopage "home" %}'])
def test_a_page_wants_a_name_and_a_variable(text):
    with pytest.raises(TemplateSyntaxError, match="as page"):
        Template("{% load reco %}" + text)


def test_what_was_bought_lately_may_be_bought_again_but_not_what_is_in_the_cart(shop):
    run = Run.objects.create(kind="behaviour", trainer="t", status=RunStatus.PUBLISHED)
    for number in (5, 6, 7):
        Related.objects.create(
            run=run,
            relation="buy_again",
            product=shop.products[number],
            keys=[str(shop.products[number].pk)],
            scores=[2.0],
            facts={"shoppers": [9]},
        )
        shop.did(EventKind.PURCHASE, shop.products[number], days=3)
        shop.did(EventKind.VIEW_ITEM, shop.products[number], days=4)
    ss.activate(run)
    StockRecord.objects.filter(product=shop.products[7]).update(count=0)
    page = plan(
        None,
        ["buy_again", "recently_viewed", "popular"],
        shopper=shop.shopper,
        cart=[shop.products[6]],
    )
    assert shop.numbers(page["buy_again"]) == [5]
    assert not set(shop.numbers(page["recently_viewed"])) & {5, 6, 7}
    again = recommend("recently_viewed", shopper=shop.shopper)
    assert set(shop.numbers(again)) == {5, 6}
    assert not set(shop.numbers(page["popular"])) & {5, 6, 7}


def test_a_row_about_a_product_names_it(shop, behaviour):
    shop.viewed(10)
    slate = recommend("because_you_viewed", shopper=shop.shopper)
    assert slate.anchor == shop.products[10].pk
    assert slate.titles == {shop.products[10].pk: "Thing 10"}
    assert 10 not in shop.numbers(slate)
    assert slate.rung is Rung.PERSONAL


def test_a_cart_of_five_hundred_lines(shop, behaviour):
    page = plan(
        ss.request(), page="cart", cart=[uuid.uuid4() for _ in range(450)] + shop.products[:50]
    )
    assert not {number for listed in numbers(shop, page).values() for number in listed} & set(
        range(50)
    )
    assert page["cart_together"]


def test_a_product_that_is_gone(shop):
    gone = shop.products.pop()
    key = gone.pk
    gone.delete()
    page = plan(ss.request(), page="product", product=key)
    assert page["product_similar"]
    assert not page["product_recent"]


def test_filters_that_exclude_everything(shop):
    place(
        "none",
        "similar",
        "popular",
        filters=[{"field": "brand", "op": "is", "value": "No such brand"}],
        fallback=["popular"],
    )
    slate = recommend("none", product=shop.products[3])
    assert not slate
    assert any("left out" in note for note in slate.notes)


def test_a_shopper_with_very_many_events(shop, settings):
    settings.RECO_HISTORY = 5
    for number in range(12):
        shop.did(EventKind.PURCHASE, shop.products[number], days=number / 10)
    page = plan(None, ["personal", "popular"], shopper=shop.shopper)
    shown = {number for listed in numbers(shop, page).values() for number in listed}
    assert len(shown) == 16
    assert not shown & set(range(12))
