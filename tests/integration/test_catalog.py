from __future__ import annotations

import datetime as dt
import math

import pytest
from testapp.models import Category, Product, StockRecord
from testapp.reco import TestCatalog

from reco_plugin import checks
from reco_plugin.catalog import Catalog
from reco_plugin.exceptions import MappingError

pytestmark = pytest.mark.django_db


@pytest.fixture
def boots() -> Category:
    women = Category.objects.create(label="Women")
    shoes = Category.objects.create(label="Shoes", parent=women)
    return Category.objects.create(label="Boots", parent=shoes)


def make(**values: object) -> Product:
    return Product.objects.create(**{"label": "Boot", "cents": 9900, **values})


def test_an_item_in_schema_org_words(boots):
    parent = make()
    product = make(
        maker="Acme",
        blurb="Warm",
        canonical=parent,
        facts={"gender": "women"},
        born=dt.date(2026, 1, 2),
    )
    product.shelves.add(boots)
    item = TestCatalog().item(product)
    assert item.key == product.pk
    assert item.categories == ("Women > Shoes > Boots",)
    assert (item.title, item.brand, item.price) == ("Boot", "Acme", 99.0)
    assert item.attributes == {"gender": "women"}
    assert item.group == parent.pk
    assert item.available_since == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def test_a_product_with_nothing_is_still_an_item():
    item = TestCatalog().item(make(label="", cents=None))
    assert item.categories == ()
    assert item.price is None
    assert item.group is None


def test_a_price_that_is_no_number_is_none():
    class Odd(TestCatalog):
        def value(self, product, subject):
            return math.nan if subject == "price" else super().value(product, subject)

        get_price = Catalog.get_price

    assert Odd().item(make()).price is None


def test_a_category_cycle_is_cut(boots):
    root = boots.parent.parent
    root.parent = boots
    root.save()
    assert TestCatalog().category_path(Category.objects.get(pk=boots.pk)).count(">") == 2


def test_sensitive_categories_include_all_below(settings, boots):
    settings.RECO_SENSITIVE_CATEGORIES = ["Women > Shoes"]
    product = make()
    product.shelves.add(boots)
    assert TestCatalog().item(product).sensitive
    settings.RECO_SENSITIVE_CATEGORIES = ["Women > Sh"]
    assert not TestCatalog().item(product).sensitive


def test_a_path_that_does_not_exist_says_what_to_do():
    class Wrong(TestCatalog):
        title = "naem"

    with pytest.raises(MappingError, match="Product has no attribute 'naem'"):
        Wrong().item(make())


def test_eligible_is_live():
    product = make()
    record = StockRecord.objects.create(product=product, count=2)
    StockRecord.objects.create(product=product, warehouse="south", count=-1)
    catalog = TestCatalog()
    assert list(catalog.eligible(catalog.products(), None)) == [product]
    record.count = 1
    record.save()
    assert not catalog.eligible(catalog.products(), None).exists()


def test_the_default_catalogue_guesses_usual_names():
    item = Catalog().item(make(canonical=None))
    assert item.title == "Boot"
    assert item.description == ""  # testapp calls it `blurb`, which nobody would guess
    assert Catalog().url(make()).startswith("/p/")
    assert Catalog().image_url(make()) == ""


class AsksFirst(TestCatalog):
    labels: list[str] | None = None

    def eligible(self, queryset, request):
        type(self).labels = list(queryset.values_list("label", flat=True))
        return queryset.filter(label__in=self.labels)


def test_a_check_of_eligible_lets_no_sql_through(settings, monkeypatch):
    monkeypatch.setattr("testapp.reco.AsksFirst", AsksFirst, raising=False)
    settings.RECO_CATALOG = "testapp.reco.AsksFirst"
    make()
    assert checks.eligible() == []
    assert AsksFirst.labels is None


@pytest.mark.parametrize(
    ("facts", "cents", "is_reduced"),
    [
        ({"was": 99}, 4900, True),
        ({"was": "99"}, 4900, True),
        ({"was": 49}, 4900, False),
        ({"was": 1}, 4900, False),
        ({"was": "nan"}, 4900, False),
        ({}, 4900, False),
        ({"was": 99}, None, False),
    ],
)
def test_on_sale_is_a_price_below_the_list_price(facts, cents, is_reduced):
    class Shop(TestCatalog):
        def get_list_price(self, product):
            return float(product.facts["was"]) if "was" in product.facts else None

    product = make(facts=facts, cents=cents)
    assert Shop().on_sale(product) is is_reduced
    assert list(Shop().perhaps_on_sale(Product.objects.all())) == [product]


def test_without_a_list_price_nothing_is_on_sale():
    product = make()
    assert not Catalog().on_sale(product)
    assert not Catalog().perhaps_on_sale(Product.objects.all()).exists()
