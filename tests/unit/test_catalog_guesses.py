"""A shop with usual names needs no Catalog of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from reco_plugin.catalog import Catalog, OrderMapping


@pytest.fixture
def shop():
    """Models as a beginner writes them: usual names, no `__str__`."""
    with isolate_apps("testapp"):

        class Category(models.Model):
            name = models.CharField(max_length=100)
            parent = models.ForeignKey("self", models.CASCADE, null=True)

            class Meta:
                app_label = "testapp"

        class Maker(models.Model):
            title = models.CharField(max_length=100)

            class Meta:
                app_label = "testapp"

        class Thing(models.Model):
            name = models.CharField(max_length=100)
            price = models.DecimalField(max_digits=9, decimal_places=2)
            brand = models.ForeignKey(Maker, models.CASCADE, null=True)
            category = models.ForeignKey(Category, models.CASCADE)
            categories = models.ManyToManyField(Category, related_name="+")
            parent = models.ForeignKey(Category, models.CASCADE, null=True, related_name="+")
            variant_of = models.ForeignKey("self", models.CASCADE, null=True)
            is_active = models.BooleanField(default=True)
            published = models.DateTimeField(null=True)
            is_deleted = models.BooleanField(default=False)
            inventory = models.ForeignKey(Maker, models.CASCADE, null=True, related_name="+")
            quantity = models.IntegerField()

            class Meta:
                app_label = "testapp"

        class Many(models.Model):
            title = models.CharField(max_length=100)
            categories = models.ManyToManyField(Category)
            stock = models.OneToOneField(Thing, models.CASCADE)

            class Meta:
                app_label = "testapp"

        yield SimpleNamespace(Category=Category, Maker=Maker, Thing=Thing, Many=Many)


def catalog_of(product_model: type[models.Model]) -> Catalog:
    class Guessing(Catalog):
        model = product_model  # type: ignore[assignment]

    return Guessing()


def test_names_come_from_a_name_where_there_is_no_str(shop):
    garden = shop.Category(pk=1, name="Garden")
    tools = shop.Category(pk=2, name="Tools", parent=garden)
    thing = shop.Thing(pk=7, name="Rake", price="9.50", category=tools, brand=shop.Maker(title="A"))
    item = catalog_of(shop.Thing).item(thing)
    assert item.categories == ("Garden > Tools",)
    assert (item.title, item.brand, item.price) == ("Rake", "A", 9.5)


def test_its_own_str_goes_before_its_name(shop, monkeypatch):
    monkeypatch.setattr(shop.Category, "__str__", lambda category: category.name.upper())
    assert catalog_of(shop.Thing).category_path(shop.Category(pk=1, name="Garden")) == "GARDEN"


def test_a_parent_that_is_no_product_makes_no_variant(shop):
    thing = shop.Thing(pk=7, parent_id=3, variant_of_id=5)
    assert catalog_of(shop.Thing).get_group(thing) == 5


def test_many_to_many_categories_are_found(shop):
    assert catalog_of(shop.Many)._path("category") == "categories"


def test_only_what_is_live_is_eligible(shop):
    catalog = catalog_of(shop.Thing)
    where = str(catalog.eligible(shop.Thing._default_manager.all(), None).query)
    where = where.partition("WHERE")[2].replace('"', "")
    for part in ("is_active", "NOT testapp_thing.is_deleted", "quantity > 0"):
        assert part in where
    assert "published" not in where
    assert "inventory" not in where


def test_a_stock_that_is_a_table_is_left_alone(shop):
    everything: Any = shop.Many._default_manager.all()
    assert "WHERE" not in str(catalog_of(shop.Many).eligible(everything, None).query)


def test_relations_are_read_in_bulk_unless_the_shop_says_how(shop):
    looked_up = catalog_of(shop.Thing).products()._prefetch_related_lookups
    assert looked_up == ("brand", "category", "category__parent__parent__parent")

    class Said(Catalog):
        model = shop.Thing
        select_related = ("category",)

    assert Said().products()._prefetch_related_lookups == ()


@pytest.mark.parametrize(
    ("path", "reference"),
    [("order__number", "A1"), ("order_id", 3), ("order", 3), ("order__category__name", "B")],
)
def test_an_order_handed_over_is_found_by_the_path_of_its_lines(shop, path, reference):
    order = shop.Thing(pk=3, category=shop.Category(name="B"))
    order.number = "A1"

    class Orders(OrderMapping):
        pass

    Orders.order = path
    assert Orders().order_reference(order) == reference


def test_a_list_price_of_a_usual_name_is_found_and_columns_tell_what_may_be_on_sale():
    with isolate_apps("testapp"):

        class Reduced(models.Model):
            price = models.DecimalField(max_digits=9, decimal_places=2)
            compare_at_price = models.DecimalField(max_digits=9, decimal_places=2, null=True)

            class Meta:
                app_label = "testapp"

        class OwnWord(Catalog):
            def on_sale(self, product: Any) -> bool:
                return bool(product.price < 5)

        catalog = Catalog()
        catalog.model = Reduced
        product = Reduced(price="7.50", compare_at_price="10")
        assert catalog.get_list_price(product) == 10.0
        assert catalog.on_sale(product)
        sql = str(catalog.perhaps_on_sale(Reduced._base_manager.all()).query)
        assert '"compare_at_price" > ("testapp_reduced"."price")' in sql
        own = OwnWord()
        own.model = Reduced
        assert "WHERE" not in str(own.perhaps_on_sale(Reduced._base_manager.all()).query)


def test_one_price_is_no_list_price(shop):
    with isolate_apps("testapp"):

        class Regular(models.Model):
            regular_price = models.DecimalField(max_digits=9, decimal_places=2)

            class Meta:
                app_label = "testapp"

        catalog = Catalog()
        catalog.model = Regular
        assert not catalog.on_sale(Regular(regular_price="3"))


def test_a_price_in_another_coin_is_not_beside_a_guessed_list_price():
    """A price worked out of cents, beside a column of cents: nothing would cost as much as its list price."""
    with isolate_apps("testapp"):

        class Coins(models.Model):
            price = models.IntegerField()
            list_price = models.IntegerField(null=True)

            class Meta:
                app_label = "testapp"

        class Shop(Catalog):
            def get_price(self, product: Any) -> float:
                return float(product.price / 100)

        class Told(Shop):
            list_price = "list_price"

        product = Coins(price=500, list_price=500)
        for catalog, before in ((Shop(), None), (Told(), 500.0), (Catalog(), 500.0)):
            catalog.model = Coins
            assert catalog.get_list_price(product) == before
