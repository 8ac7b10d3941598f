"""A product the shop has just saved: known within a tick, near what is like it, and new."""

from __future__ import annotations

import datetime as dt
import uuid

import numpy as np
import pytest
import servingshop
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from servingshop import Shop
from testapp.models import Product

from reco_plugin import backends, recommend
from reco_plugin.exceptions import StoreError
from reco_plugin.jobs import newborn, newcomers
from reco_plugin.jobs.artefacts import Artefact
from reco_plugin.jobs.publish import handle
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.schedule import standing
from reco_plugin.jobs.running.tick import tick
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Item, Job, JobLog, Neighbours, Outcome
from reco_plugin.serving import pointers
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Rung, id_map

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(settings, monkeypatch) -> Shop:
    """Thirty products on a half circle; the brand 'North' lies where number 10 is."""
    settings.RECO_NEIGHBOURS = 5
    made = Shop(products=servingshop.products(30))
    sync_items()
    made.run = servingshop.publish(made)
    angle = np.pi * 10 / 30
    learnt = Artefact(
        items=id_map([product.pk for product in made.products]),
        feature_names=("brand:North",),
        feature_vectors=np.asarray([[np.cos(angle), np.sin(angle)]], np.float32),
        feature_biases=np.zeros(1, np.float32),
    )
    monkeypatch.setattr(newborn, "learnt_by", lambda run: learnt)
    return made


def done(name: str = "arrivals") -> dict[str, object]:
    found = execute(name, 1)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    return dict(found.report)


def born(**values: object) -> Product:
    product = Product.objects.create(**{"label": "Born", "maker": "North", "cents": 5, **values})
    servingshop.stock(product)
    return product


def near(shop: Shop, product: Product) -> list[str]:
    return list(Neighbours.objects.get(run=shop.run, product_id=product.pk).keys)


def hexed(*products: Product) -> list[str]:
    return list(shop_keys.to_json(id_map([product.pk for product in products])))


def test_it_has_an_item_a_vector_a_list_and_a_place_in_the_lists_of_others(shop):
    done("score")
    product = born()
    assert done() == {"added": 1, "vectors": 1, "lists": 1}
    assert Item.objects.get(pk=product.pk).brand == "North"
    assert set(near(shop, product)) == set(hexed(*shop.products[8:13]))
    assert near(shop, product)[0] == hexed(shop.products[10])[0]
    assert near(shop, shop.products[10])[0] == hexed(product)[0]
    assert len(near(shop, shop.products[10])) == 5
    assert hexed(product)[0] not in near(shop, shop.products[25])


def test_lists_are_what_scoring_all_anew_would_make_of_them(shop):
    done("score")
    made = [born(), born(maker="South")]
    done()
    before = {row.product_id: set(row.scores) for row in Neighbours.objects.filter(run=shop.run)}
    done("score")
    after = {row.product_id: set(row.scores) for row in Neighbours.objects.filter(run=shop.run)}
    assert made[1].pk not in before
    for key, scores in after.items():
        assert sorted(before[key]) == pytest.approx(sorted(scores), abs=1e-4)


@pytest.mark.parametrize("step", ["give_vectors", "newcomers.join"])
def test_what_an_execution_that_failed_had_begun_is_completed(shop, monkeypatch, step):
    done("score")
    product = born()

    def broken(*_: object) -> None:
        raise StoreError("The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(f"reco_plugin.jobs.arrivals.{step}", broken)
        assert execute("arrivals", 1).outcome == Outcome.FAILED
    later = born()
    assert done() == {"added": 1, "vectors": 2, "lists": 2}
    assert near(shop, product)[0] in hexed(shop.products[10], later)
    assert done() == {}


def test_where_no_lists_were_made_vectors_do(shop):
    product = born()
    assert done() == {"added": 1, "vectors": 1, "lists": 0}
    store = backends.store(shop.run.store)
    assert len(store.neighbours(handle(shop.run), product.pk, 3)) == 3


def test_it_is_new_also_where_the_shop_keeps_no_date(shop, monkeypatch):
    from testapp.reco import TestCatalog

    monkeypatch.setattr(TestCatalog, "available_since", "")
    monkeypatch.setattr(TestCatalog, "_GUESSES", {**TestCatalog._GUESSES, "available_since": ()})
    product = born()
    done()
    first = Item.objects.get(pk=product.pk).available_since
    assert first is not None
    assert timezone.now() - first < dt.timedelta(minutes=5)
    Product.objects.filter(pk=product.pk).update(label="Renamed")
    sync_items()
    item = Item.objects.get(pk=product.pk)
    assert (item.title, item.available_since) == ("Renamed", first)
    assert sync_items().changed == 0


def test_nothing_is_new_when_the_catalogue_is_read_for_the_first_time(monkeypatch):
    from testapp.reco import TestCatalog

    monkeypatch.setattr(TestCatalog, "available_since", "")
    monkeypatch.setattr(TestCatalog, "_GUESSES", {**TestCatalog._GUESSES, "available_since": ()})
    servingshop.products(3)
    sync_items()
    assert not Item.objects.filter(available_since__isnull=False).exists()
    execute("sync_items", 1)
    assert not Item.objects.filter(available_since__isnull=False).exists()


def test_looking_and_finding_nothing_is_cheap_and_leaves_no_log(shop):
    logged = JobLog.objects.count()
    with CaptureQueriesContext(connection) as asked:
        assert done() == {}
    assert JobLog.objects.count() == logged
    assert sum("testapp_product" in query["sql"] for query in asked) == 1
    born()
    done()
    assert JobLog.objects.count() == logged + 1


def test_the_tick_looks_once_a_minute_after_the_catalogue_was_read(shop):
    done("sync_items")
    assert "arrivals" in {started.name for started in tick(start=lambda name, site: None)}
    done()
    assert Job.objects.get(name="arrivals").succeeded_at is not None
    assert "arrivals" not in {started.name for started in tick(start=lambda name, site: None)}


def test_vectors_are_not_written_anew_while_nothing_changed(shop, monkeypatch):
    product = born()
    assert sync_items().vectors == 1
    with monkeypatch.context() as patched:
        patched.setattr(newborn, "_give", _refuse)
        assert sync_items().vectors == 0
    Product.objects.filter(pk=product.pk).update(label="Changed")
    assert sync_items().vectors == 1
    shop.run.refresh_from_db()
    assert shop.run.config["shopper_vector"] == "fold_in"


def _refuse(*_: object) -> None:
    raise AssertionError("nothing changed")


def test_what_a_list_knows_already_is_put_in_its_place(shop):
    done("score")
    product = born()
    done()
    lists = {row.product_id: row.keys for row in Neighbours.objects.all()}
    newcomers.join(1, [product.pk])
    assert {row.product_id: row.keys for row in Neighbours.objects.all()} == lists


def test_of_very_many_each_has_a_list_and_others_wait(shop, monkeypatch):
    done("score")
    monkeypatch.setattr(newcomers, "MOST_JOINING", 1)
    before = near(shop, shop.products[10])
    products = [born(pk=uuid.uuid4()) for _ in range(3)]
    assert done()["lists"] == 3
    assert all(near(shop, product) for product in products)
    assert near(shop, shop.products[10]) == before


def test_a_product_that_cannot_be_read_is_left_for_the_sync_to_tell_of(shop, monkeypatch):
    from testapp.reco import TestCatalog

    def broken(catalog: object, product: Product) -> dict[str, str]:
        raise RuntimeError(product.label)

    monkeypatch.setattr(TestCatalog, "get_attributes", broken)
    born()
    assert done() == {}
    assert sync_items(dry_run=True).failed == 31


def test_a_product_saved_is_recommended_after_one_tick(shop):
    """In new arrivals, beside what is like it, and with products like it on its own page."""
    done("sync_items")
    done("score")
    Item.objects.update(available_since=timezone.now() - dt.timedelta(days=400))
    product = born(born=timezone.now().date())
    tick()
    pointers.forget()
    assert [item.key for item in recommend("new_arrivals", limit=4)] == [product.pk]
    beside = recommend("similar", product=shop.products[10], limit=3)
    assert product.pk in [item.key for item in beside]
    own = recommend("similar", product=product, limit=3)
    assert own.rung is Rung.CONTEXTUAL
    assert len(own) == 3


def test_how_often_it_runs_is_told_in_minutes(shop):
    done()
    done("sync_items")
    told = {job.spec.name: job.why for job in standing(1)}
    assert told["arrivals"] == "It runs every 0.5 min."
    assert told["sync_items"] == "It runs every 1 h."
