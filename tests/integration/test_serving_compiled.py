"""Eligibility that is the same for every request: the SQL is kept for a moment, the answer never."""

from __future__ import annotations

import uuid

import pytest
import servingshop as ss
from django.db import connection
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin import backends
from reco_plugin.serving import compiled, eligibility, pointers, recommend

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="elsewhere eligibility is asked each time"
    ),
]


class Open(TestCatalog):
    eligible_for_all = True
    asked = 0

    def eligible(self, queryset, request):
        type(self).asked += 1
        return super().eligible(queryset, request)


class Shut(Open):
    def eligible(self, queryset, request):
        return queryset.none()


@pytest.fixture(autouse=True)
def fresh():
    compiled._kept.clear()
    pointers.forget()
    Open.asked = 0
    yield
    compiled._kept.clear()
    pointers.forget()


@pytest.fixture
def shop(settings, monkeypatch) -> ss.Shop:
    monkeypatch.setattr(eligibility, "group_of_variant", lambda catalog: None)
    settings.RECO_CATALOG = f"{__name__}.Open"
    made = ss.Shop(products=ss.products(30))
    ss.publish(made)
    made.viewed(3, 4)
    return made


def test_the_catalogue_is_asked_once_and_live_rows_each_time(shop):
    first = recommend("personal", shopper=shop.shopper, limit=4)
    assert len(first) == 4
    gone, dear = first.items[0].key, first.items[1].key
    Product.objects.filter(pk=gone).update(hidden=True)
    Product.objects.filter(pk=dear).update(cents=0)
    second = recommend("personal", shopper=shop.shopper, limit=4)
    assert len(second) == 4
    assert not {gone, dear} & {item.key for item in second}
    assert Open.asked == 1


def test_the_same_slate_as_without(shop, settings):
    kept = [recommend("personal", shopper=shop.shopper, limit=n).products for n in (3, 8, 25)]
    settings.RECO_CATALOG = "testapp.reco.TestCatalog"
    plain = [recommend("personal", shopper=shop.shopper, limit=n).products for n in (3, 8, 25)]
    assert kept == plain
    assert [product.label for product in kept[2]] == [product.label for product in plain[2]]


def test_asked_again_after_a_moment(shop, monkeypatch):
    recommend("personal", shopper=shop.shopper, limit=4)
    monkeypatch.setattr(compiled, "SECONDS", 0.0)
    recommend("personal", shopper=shop.shopper, limit=4)
    assert Open.asked == 2


def test_nothing_is_eligible(shop, settings):
    settings.RECO_CATALOG = f"{__name__}.Shut"
    for _ in range(2):
        assert not recommend("personal", shopper=shop.shopper)


def test_rows_of_unknown_keys(shop):
    catalog = backends.catalog()
    made = compiled.Compiled(catalog.products(), "default")
    own = shop.products[5]
    assert made.rows([uuid.uuid4(), own.pk]) == [own]
    assert made.rows([uuid.uuid4()]) == []
    assert connection.vendor == "postgresql"
