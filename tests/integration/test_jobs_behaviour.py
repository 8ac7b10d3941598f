from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from jobs_shop import event, products
from testapp.models import Product

from reco_plugin.jobs.behaviour import behaviour
from reco_plugin.jobs.prune import prune
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Interaction, Item, Related, RunStatus
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalogue() -> list[Product]:
    made = products(2)
    sync_items()
    return made


def buy(shopper: int, *wanted: Product, days_ago: float = 1, kind: EventKind = EventKind.PURCHASE):
    at = timezone.now() - dt.timedelta(days=days_ago)
    who = uuid.UUID(int=shopper + 1)
    Interaction.objects.bulk_create(
        event(product, who, kind=kind, occurred_at=at) for product in wanted
    )


def keys(run: object, product: Product, relation: str = "bought_together") -> list[str]:
    row = Related.objects.filter(run=run, product_id=product.pk, relation=relation).first()
    return row.keys if row else []


def test_what_three_people_bought_together_is_told_with_its_figures(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    buy(3, catalogue[0])
    run = behaviour()
    assert run.status == RunStatus.PUBLISHED, run.error
    assert active_run(1, "behaviour") == run
    row = Related.objects.get(run=run, product_id=catalogue[0].pk, relation="bought_together")
    assert row.keys == [catalogue[1].pk.hex]
    assert row.facts == {
        "support": [3],
        "confidence": [0.75],
        "lift": [1.0],
        "shoppers": [3],
    }
    assert keys(run, catalogue[1]) == [catalogue[0].pk.hex]


def test_fewer_people_than_the_floor_are_not_told_of(catalogue, settings):
    settings.RECO_MIN_PAIR_SHOPPERS = 4
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    buy(0, catalogue[0], catalogue[1], days_ago=9)
    assert not Related.objects.filter(run=behaviour()).exists()


def test_what_was_sent_back_was_not_bought(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    buy(0, catalogue[1], days_ago=0.5, kind=EventKind.REFUND)
    assert not Related.objects.filter(run=behaviour()).exists()


def test_a_refund_takes_back_the_newest_purchase_only(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1], days_ago=9)
    buy(0, catalogue[1], days_ago=2)
    buy(0, catalogue[1], days_ago=1, kind=EventKind.REFUND)
    assert keys(behaviour(), catalogue[0]) == [catalogue[1].pk.hex]


def test_sensitive_products_go_with_nothing(catalogue):
    Item.objects.filter(pk=catalogue[1].pk).update(sensitive=True)
    for shopper in range(5):
        buy(shopper, catalogue[0], catalogue[1])
    assert not Related.objects.filter(run=behaviour()).exists()


def test_only_the_window_counts(catalogue, settings):
    settings.RECO_BEHAVIOUR_DAYS = 30
    for shopper in range(5):
        buy(shopper, catalogue[0], catalogue[1], days_ago=31)
    assert not Related.objects.filter(run=behaviour()).exists()


def test_an_empty_shop_has_an_empty_run():
    run = behaviour()
    assert run.status == RunStatus.PUBLISHED, run.error
    assert not Related.objects.exists()


def test_rows_go_with_their_run(catalogue):
    for shopper in range(3):
        buy(shopper, catalogue[0], catalogue[1])
    runs = [behaviour() for _ in range(3)]
    prune(1, "behaviour", keep=1)
    assert set(Related.objects.values_list("run_id", flat=True)) == {run.pk for run in runs[1:]}
