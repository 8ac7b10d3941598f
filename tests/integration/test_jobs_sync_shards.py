"""The item sync as a job: ranges of product keys, by as many workers as there are."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db.models import QuerySet
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jobs_shop import products
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin import backends
from reco_plugin.jobs import sync_items
from reco_plugin.jobs.running import shards
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_items import ItemSync, ShardSync
from reco_plugin.models import Item, Job, Outcome, Shard

pytestmark = pytest.mark.django_db


def rows() -> list[Any]:
    return list(Item.objects.order_by("pk").values_list("pk", "title", "content_hash", "site"))


def silent(stage: str, done: int, total: int) -> None:
    pass


@pytest.mark.parametrize("size", [1, 3, 7, 10, 5_000])
def test_the_job_does_what_sync_items_does(settings, size):
    products(2)
    expected = sync_items.sync_items(dry_run=True)
    settings.RECO_SHARD_ITEMS = size
    found = execute("sync_items", 1)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    assert {name: found.report[name] for name in sync_items.COUNTS} == {
        name: getattr(expected, name) for name in sync_items.COUNTS
    }
    assert Item.objects.count() == 10
    again = execute("sync_items", 1).report
    assert (again["unchanged"], again["added"], again["changed"]) == (10, 0, 0)
    assert not Shard.objects.exists()


def test_the_job_removes_what_is_gone(settings):
    settings.RECO_SHARD_ITEMS = 3
    made = products(1)
    execute("sync_items", 1)
    made[2].delete()
    assert execute("sync_items", 1).report["removed"] == 1
    assert Item.objects.count() == 4


def test_a_product_that_cannot_be_read_is_named_whoever_read_it(settings, monkeypatch):
    class Cursed(TestCatalog):
        def get_price(self, product: Any) -> float | None:
            if product.label == "Pens 1":
                raise RuntimeError("no price tag")
            return super().get_price(product)

    settings.RECO_SHARD_ITEMS = 4
    monkeypatch.setattr(backends, "catalog", Cursed)
    cursed = next(product for product in products(2) if product.label == "Pens 1")
    report = execute("sync_items", 1).report
    assert (report["added"], report["failed"]) == (9, 1)
    assert report["failures"] == [{"key": str(cursed.pk), "reason": "RuntimeError: no price tag"}]


def test_a_catalogue_that_says_nothing_removes_nothing(settings, monkeypatch):
    class Empty(TestCatalog):
        def products(self) -> QuerySet[Any]:
            return Product.objects.none()

    settings.RECO_SHARD_ITEMS = 2
    products(1)
    execute("sync_items", 1)
    monkeypatch.setattr(backends, "catalog", Empty)
    report = execute("sync_items", 1).report
    assert report["removed"] == 0
    assert "Catalog.products() returned nothing" in report["notes"][0]
    assert Item.objects.count() == 5


def test_an_empty_shop():
    assert execute("sync_items", 1).outcome == Outcome.DONE


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=st.sets(st.uuids(), max_size=20),
    size=st.integers(1, 7),
    later=st.sets(st.uuids(), max_size=5),
)
def test_ranges_hold_every_product_exactly_once_also_those_that_come_later(keys, size, later):
    Product.objects.all().delete()
    Product.objects.bulk_create(Product(pk=key, label="x") for key in keys)
    edges = sync_items._edges(size)
    assert edges == sorted(edges, key=uuid.UUID)
    Product.objects.bulk_create(Product(pk=key, label="x") for key in later - keys)
    held: list[Any] = []
    for after, upto in zip([None, *edges], [*edges, None], strict=True):
        inside = sync_items._between(Product.objects.all(), after, upto)
        held += inside.values_list("pk", flat=True)
    assert sorted(held) == sorted(keys | later)


def test_edges_are_one_statement(django_assert_num_queries):
    products(2)
    with django_assert_num_queries(1):
        assert len(sync_items._edges(3)) == 3


def test_a_shard_done_twice_is_harmless(settings):
    products(2)
    payload = {"site": 1, "after": None, "upto": None, "rows": 10}
    first, second = (ShardSync()(payload, silent) for _ in range(2))
    assert (first["added"], second["added"], second["unchanged"]) == (10, 0, 10)
    assert len(rows()) == 10


@pytest.mark.parametrize("dies_at", [0, 1, 3])
def test_r07_worker_killed_mid_sync_another_one_goes_on_where_it_was(
    settings, monkeypatch, dies_at
):
    settings.RECO_SHARD_ITEMS = 3
    products(2)
    done = []

    class Killed(BaseException):
        pass

    class Dying(ShardSync):
        def __call__(self, payload: dict[str, Any], progress: Any) -> dict[str, Any]:
            if len(done) == dies_at:
                raise Killed
            done.append(payload["after"])
            return super().__call__(payload, progress)

    monkeypatch.setattr(sync_items, "ShardSync", Dying)
    with pytest.raises(Killed):
        execute("sync_items", 1)
    Product.objects.create(label="born in between")
    monkeypatch.setattr(sync_items, "ShardSync", ShardSync)
    found = execute("sync_items", 1)
    assert found.outcome == Outcome.DONE
    assert len(done) == dies_at
    assert found.report["seen"] in (10, 11)  # it may be born into a range that was done already
    assert Job.objects.get(name="sync_items").checkpoint == {}
    execute("sync_items", 1)
    assert len(rows()) == 11


def test_every_job_that_splits_names_who_does_its_shards():
    from django.utils.module_loading import import_string

    assert {name: callable(import_string(path)()) for name, path in shards.DOERS.items()} == {
        "sync_items": True,
        "score": True,
        "encode": True,
    }


def test_reports_add_up():
    whole = ItemSync()
    for number in range(3):
        part = ItemSync(seen=2, failed=30, notes=["same"])
        for at in range(30):
            part.fail(30 * number + at, ValueError("x"))
        whole.add(part.as_json())
    assert (whole.seen, whole.failed, whole.notes) == (6, 180, ["same"])
    assert [failure.key for failure in whole.failures] == [str(key) for key in range(50)]


def test_words_of_a_product_that_no_json_column_takes_fail_it_alone(monkeypatch):
    products(1)
    broken = Product.objects.first()

    def item(self: TestCatalog, product: Product) -> Any:
        if product == broken:
            raise ValueError("a file of \x00 bytes, \ud800")
        return real(self, product)

    real = TestCatalog.item
    monkeypatch.setattr(TestCatalog, "item", item)
    found = execute("sync_items", 1)
    assert (found.outcome, found.report["failed"], found.report["added"]) == (Outcome.DONE, 1, 4)
    assert found.report["failures"][0]["reason"] == "ValueError: a file of  bytes,"
