"""What a merchandiser accepts is written into the shop's own product, where there is a plain place for it."""

from __future__ import annotations

import pytest
from testapp.models import Category, Product

from reco_plugin.catalog import Catalog
from reco_plugin.exceptions import NotApplied

pytestmark = pytest.mark.django_db


class Shop(Catalog):
    title = "label"
    brand = "maker"
    category = "shelves"
    attributes = {
        "text": "blurb",
        "kind": "facts.kind",
        "whole": "facts",
        "like": "canonical",
        "like_name": "canonical.label",
        "wrong": "canonical.nothing",
        "price": "cents",
    }


@pytest.fixture
def boots() -> Product:
    return Product.objects.create(label="Boots")


def saved(product: Product) -> Product:
    return Product.objects.get(pk=product.pk)


def test_a_column_is_filled_and_nothing_else_is_saved(boots: Product) -> None:
    boots.label = "changed here only"
    Shop().apply_suggestion(boots, "brand", "Acme")
    assert (saved(boots).maker, saved(boots).label) == ("Acme", "Boots")


def test_a_column_takes_its_own_type(boots: Product) -> None:
    Shop().apply_suggestion(boots, "price", "1250")
    assert saved(boots).cents == 1_250


@pytest.mark.parametrize(("field", "value"), [("price", "cheap"), ("brand", "x" * 101)])
def test_a_value_that_does_not_fit_is_refused(boots: Product, field: str, value: str) -> None:
    with pytest.raises(NotApplied, match="cannot be"):
        Shop().apply_suggestion(boots, field, value)
    assert (saved(boots).cents, saved(boots).maker) == (None, "")


def test_what_is_filled_stays(boots: Product) -> None:
    Shop().apply_suggestion(boots, "brand", "Acme")
    with pytest.raises(NotApplied, match="'Acme' already"):
        Shop().apply_suggestion(boots, "brand", "Other")
    assert saved(boots).maker == "Acme"


def test_a_category_is_found_by_its_path(boots: Product) -> None:
    women, men = (Category.objects.create(label=label) for label in ("Women", "Men"))
    Category.objects.create(label="Boots", parent=men)
    wanted = Category.objects.create(label="Boots", parent=women)
    Shop().apply_suggestion(boots, "category", "Women > Boots")
    assert [*saved(boots).shelves.all()] == [wanted]
    with pytest.raises(NotApplied, match="'Boots' already"):
        Shop().apply_suggestion(boots, "category", "Men > Boots")


def test_there_is_none_or_more_than_one_of_that_name(boots: Product) -> None:
    with pytest.raises(NotApplied, match="no category called 'Women > Boots'"):
        Shop().apply_suggestion(boots, "category", "Women > Boots")
    for _ in range(2):
        Category.objects.create(label="Boots")
    with pytest.raises(NotApplied, match="more than one category"):
        Shop().apply_suggestion(boots, "category", "Boots")


@pytest.mark.parametrize("field", ["like", "like_name"])
def test_a_foreign_key_is_set_to_the_row_of_that_name(boots: Product, field: str) -> None:
    wanted = Product.objects.create(label="Tall boots")
    Shop().apply_suggestion(boots, field, "Tall boots")
    assert saved(boots).canonical == wanted


@pytest.mark.parametrize("field", ["kind", "whole", "wrong", "nowhere"])
def test_where_there_is_no_place_it_says_what_to_do(boots: Product, field: str) -> None:
    with pytest.raises(NotApplied, match=r"override Catalog\.apply_suggestion"):
        Shop().apply_suggestion(boots, field, "Boots")
    assert saved(boots).facts == {}
