from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import QuerySet
from jobs_shop import products
from testapp.models import Category, Product
from testapp.reco import TestCatalog

from reco_plugin import backends
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Item

pytestmark = pytest.mark.django_db


def use(monkeypatch: pytest.MonkeyPatch, catalog: type[TestCatalog]) -> None:
    monkeypatch.setattr(backends, "catalog", catalog)


def test_every_product_becomes_an_item():
    made = products(2)
    report = sync_items()
    assert (report.seen, report.added, report.failed) == (10, 10, 0)
    item = Item.objects.get(pk=made[0].pk)
    assert item.title == "Boots 0"
    assert item.categories == ["All > Boots"]
    assert item.price == 5.0
    assert item.available_since is not None


def test_a_second_sync_writes_nothing(django_assert_max_num_queries):
    products(2)
    sync_items()
    before = list(Item.objects.order_by("pk").values_list("pk", "synced_at"))
    with django_assert_max_num_queries(15):
        report = sync_items()
    assert (report.added, report.changed, report.unchanged, report.removed) == (0, 0, 10, 0)
    assert list(Item.objects.order_by("pk").values_list("pk", "synced_at")) == before


def test_only_what_changed_is_written():
    first, second = products(1)[:2]
    sync_items()
    stamp = Item.objects.get(pk=second.pk).synced_at
    Product.objects.filter(pk=first.pk).update(label="Renamed")
    report = sync_items()
    assert (report.changed, report.unchanged) == (1, 4)
    assert Item.objects.get(pk=first.pk).title == "Renamed"
    assert Item.objects.get(pk=second.pk).synced_at == stamp


def test_vanished_products_are_removed():
    made = products(1)
    sync_items()
    made[0].delete()
    assert sync_items().removed == 1
    assert not Item.objects.filter(title=made[0].label).exists()


def test_items_of_another_site_stay():
    products(1)
    sync_items(2)
    Item.objects.create(product_id=Product(label="x").pk, site=1, content_hash="x")
    sync_items(2)
    assert Item.objects.filter(site=1).count() == 1


def test_a_catalogue_that_says_nothing_removes_nothing(monkeypatch):
    products(1)
    sync_items()

    class Empty(TestCatalog):
        def products(self) -> QuerySet[Any]:
            return Product.objects.none()

    use(monkeypatch, Empty)
    report = sync_items()
    assert report.removed == 0
    assert Item.objects.count() == 5
    assert "returned nothing" in report.notes[0]


def test_a_product_that_raises_is_skipped_named_and_keeps_its_row(monkeypatch):
    made = products(1)
    sync_items()

    class Raising(TestCatalog):
        def get_price(self, product: Any) -> float | None:
            if product.pk == made[2].pk:
                raise KeyError("no price list")
            return 1.0

    use(monkeypatch, Raising)
    report = sync_items()
    assert (report.failed, report.changed, report.removed) == (1, 4, 0)
    assert report.failures[0].key == str(made[2].pk)
    assert "no price list" in report.failures[0].reason
    assert Item.objects.filter(pk=made[2].pk).exists()
    assert any(str(made[2].pk) in line for line in report.lines())


def test_many_failures_are_counted_and_some_named(monkeypatch):
    products(12)

    class Broken(TestCatalog):
        def get_price(self, product: Any) -> float | None:
            raise ValueError("broken")

    use(monkeypatch, Broken)
    report = sync_items()
    assert report.failed == 60
    assert len(report.failures) == 50
    assert "… and 10 more were skipped." in report.lines()


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
def test_a_price_that_is_no_number_is_no_price(monkeypatch, price):
    products(1)

    class Odd(TestCatalog):
        def get_price(self, product: Any) -> float | None:
            return price

    use(monkeypatch, Odd)
    assert sync_items().failed == 0
    assert set(Item.objects.values_list("price", flat=True)) == {None}


def test_a_product_without_category_is_an_item():
    Product.objects.create(label="Bare", cents=None)
    assert sync_items().added == 1
    item = Item.objects.get()
    assert (item.categories, item.price) == ([], None)


def test_text_that_postgresql_cannot_hold_is_cleaned(monkeypatch):
    products(1)

    class Dirty(TestCatalog):
        def value(self, product: Any, subject: str) -> Any:
            if subject == "tags":
                return ["a\x00b", "c\ud800"]
            return "x\x00y" * 200 if subject == "brand" else super().value(product, subject)

        def get_attributes(self, product: Any) -> dict[str, str]:
            return {"colour\x00": "red\x00"}

    use(monkeypatch, Dirty)
    assert sync_items().failed == 0
    item = Item.objects.first()
    assert item is not None
    assert item.tags == ["ab", "c"]
    assert item.attributes == {"colour": "red"}
    assert len(item.brand) == 255


def test_one_row_that_cannot_be_written_does_not_take_its_batch_along(monkeypatch):
    made = products(2)

    class Absurd(TestCatalog):
        def get_group(self, product: Any) -> Any:
            return "not a uuid" if product.pk == made[4].pk else None

    use(monkeypatch, Absurd)
    report = sync_items()
    assert (report.added, report.failed) == (9, 1)
    assert report.failures[0].key == str(made[4].pk)


def test_a_dry_run_says_and_writes_nothing():
    made = products(1)
    assert sync_items(dry_run=True).added == 5
    assert Item.objects.count() == 0
    sync_items()
    made[0].delete()
    assert sync_items(dry_run=True).removed == 1
    assert Item.objects.count() == 5


def test_it_goes_on_where_it_was_broken_off(monkeypatch):
    made = products(2)
    monkeypatch.setattr("reco_plugin.jobs.sync_items.BATCH", 4)

    class Cut(TestCatalog):
        def products(self) -> Any:
            queryset = super().products().order_by("pk")

            class Stream:
                def iterator(self, chunk_size: int) -> Iterator[Product]:
                    yield from list(queryset)[:8]
                    raise RuntimeError("the connection is gone")

            return Stream()

    with monkeypatch.context() as broken:
        use(broken, Cut)
        with pytest.raises(RuntimeError):
            sync_items()
    assert Item.objects.count() == 8
    report = sync_items()
    assert (report.added, report.unchanged) == (2, 8)
    assert Item.objects.count() == len(made)


def test_progress_is_told():
    products(1)
    told: list[tuple[str, int, int]] = []
    sync_items(progress=lambda stage, done, total: told.append((stage, done, total)))
    assert told[-1] == ("catalogue", 5, 5)


def test_a_variant_points_at_its_canonical_product():
    parent = Product.objects.create(label="Shirt")
    child = Product.objects.create(label="Shirt, red", canonical=parent)
    shelf = Category.objects.create(label="Shirts")
    child.shelves.add(shelf)
    sync_items()
    assert Item.objects.get(pk=child.pk).group_id == parent.pk
    assert Item.objects.get(pk=parent.pk).group_id is None


def test_a_day_of_birth_becomes_a_moment():
    Product.objects.create(label="Old", born=dt.date(2020, 1, 2))
    sync_items()
    assert Item.objects.get().available_since == dt.datetime(2020, 1, 2, tzinfo=dt.UTC)


def test_products_of_another_site_are_left_alone():
    products(2)
    sync_items(1)
    report = sync_items(2)
    assert (report.added, report.changed, report.elsewhere) == (0, 0, report.seen)
    assert "another site's" in " ".join(report.lines())
    assert set(Item.objects.values_list("site", flat=True)) == {1}


def test_a_product_that_moved_to_another_site_follows(monkeypatch):
    moved = products(2)[0]
    sync_items(1)
    everything = TestCatalog.products
    monkeypatch.setattr(TestCatalog, "products", lambda self: everything(self).exclude(pk=moved.pk))
    sync_items(1)
    monkeypatch.setattr(TestCatalog, "products", lambda self: everything(self).filter(pk=moved.pk))
    assert sync_items(2).added == 1
    assert Item.objects.get(pk=moved.pk).site == 2
