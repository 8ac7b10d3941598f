"""Pictures that are there twice: the same file, or two that are all but the same; variants are no such thing."""

from __future__ import annotations

import numpy as np
import pytest
import visualshop
from adminshop import MARKUP, Rights
from django.test import Client
from testapp.models import Product

from reco_plugin.admin import duplicates
from reco_plugin.jobs import neighbours
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.models import Item, Run
from reco_plugin.types import Floats

pytestmark = pytest.mark.django_db
PAGE = "/admin/reco/picture/duplicates/"


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def operator(rights: Rights) -> Client:
    return rights.operator("reco.view_picture")


def told(client: Client, path: str = PAGE) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def listed(shown: list[Product], rows: Floats) -> Run:
    """A live run with its lists of neighbours."""
    run = visualshop.publish(shown, rows)
    space = Directions.of(run)
    assert space is not None
    whole = slice(0, len(space))
    neighbours.write(run, space, whole, *space.nearest(whole, 3))
    return run


def angles(*degrees: float) -> Floats:
    found = np.radians(np.array(degrees))
    return np.stack([np.cos(found), np.sin(found)], axis=1).astype(np.float32)


def variant(of: Product, product: Product) -> None:
    Item.objects.filter(pk=product.pk).update(group=of)


def test_products_with_the_same_file_stand_together() -> None:
    one, two, three, four = visualshop.products(4)
    for product in (one, two, three):
        visualshop.picture(product, "aa")
    visualshop.picture(four, "bb")
    found = duplicates.same_file(1)
    assert [set(keys) for keys in found.values()] == [{one.pk, two.pk, three.pk}]
    assert duplicates.same_file(2) == {}


def test_the_most_shared_comes_first_and_what_was_not_read_is_nothing() -> None:
    made = visualshop.products(7)
    for number, product in enumerate(made):
        visualshop.picture(product, "aa" if number < 2 else "bb")
    for product in made:
        visualshop.picture(product, name="unread.png", content="").__class__.objects.filter(
            name="unread.png"
        ).update(content_hash="")
    assert [len(keys) for keys in duplicates.same_file(1).values()] == [5, 2]


def test_a_product_and_its_variants_are_one() -> None:
    parent, small, large, other = visualshop.products(4)
    for product in (parent, small, large):
        visualshop.picture(product, "aa")
    variant(parent, small)
    variant(parent, large)
    assert duplicates.same_file(1) == {}
    visualshop.picture(other, "aa")
    (keys,) = duplicates.same_file(1).values()
    assert len(keys) == 2
    assert other.pk in keys


def test_pairs_that_look_alike_are_told_once_the_nearest_first() -> None:
    one, two, three, four = visualshop.products(4)
    listed([one, two, three, four], angles(0, 1, 8, 90))
    found = duplicates.near(1, 0.98)
    assert [{pair.one, pair.two} for pair in found] == [
        {one.pk, two.pk},
        {two.pk, three.pk},
        {one.pk, three.pk},
    ]
    assert found[0].cosine == pytest.approx(np.cos(np.radians(1)), abs=1e-4)
    assert [{pair.one, pair.two} for pair in duplicates.near(1, 0.999)] == [{one.pk, two.pk}]
    assert duplicates.near(2, 0.5) == []


def test_variants_that_look_alike_are_no_pair() -> None:
    one, two, three = visualshop.products(3)
    listed([one, two, three], angles(0, 1, 2))
    variant(one, two)
    variant(one, three)
    assert duplicates.near(1, 0.98) == []


def test_the_page_shows_both(operator: Client) -> None:
    one, two, three = visualshop.products(3)
    for product in (one, two):
        visualshop.picture(product, "aa")
    listed([one, two, three], angles(0, 40, 41))
    text = told(operator)
    assert "2 products show it" in text
    assert "1.000" in text
    assert text.count("Thing 2") == 1
    assert "No two products look so much alike." in told(operator, f"{PAGE}?least=1")


def test_the_same_file_is_told_once(operator: Client) -> None:
    one, two = visualshop.products(2)
    for product in (one, two):
        visualshop.picture(product, "aa")
    listed([one, two], angles(0, 0))
    text = told(operator)
    assert "2 products show it" in text
    assert "No two products look so much alike." in text


@pytest.mark.parametrize("asked", ["x", "nan", "inf", "-1", "7", "0.98"])
def test_nonsense_asks_for_the_usual(operator: Client, asked: str) -> None:
    assert 'least=0.98" aria-current="true"' in told(operator, f"{PAGE}?least={asked}")


def test_an_empty_shop_and_titles_with_markup(operator: Client) -> None:
    text = told(operator)
    assert "No two products show the same file." in text
    assert "No run that knows pictures is live yet." in text
    made = visualshop.products(2)
    Item.objects.update(title=MARKUP)
    for product in made:
        visualshop.picture(product, "aa")
    assert MARKUP not in told(operator)


def test_it_is_for_whom_may_see_pictures(rights: Rights) -> None:
    assert rights.operator("reco.view_item").get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
