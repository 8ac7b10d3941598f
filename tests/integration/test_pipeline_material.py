"""What ordering a slate reads beside the candidates: facts of products, and what was shown before."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from servingshop import products

from reco_plugin.models import Click, Impression, Item
from reco_plugin.pipeline.exposure import MOST_IMPRESSIONS, fresh, shown
from reco_plugin.pipeline.facts import read_facts
from reco_plugin.stores.base import Scored
from reco_plugin.types import ItemFacts

pytestmark = pytest.mark.django_db

ANNE, BERT = uuid.UUID(int=1), uuid.UUID(int=2)


def was_shown(product, *, shopper=ANNE, days=0.0, slate=None):
    made = Impression.objects.create(
        slate=slate or uuid.uuid4(),
        placement="home",
        product=product,
        position=0,
        source="personal",
        rung="personal",
        shopper=shopper,
    )
    Impression.objects.filter(pk=made.pk).update(shown_at=timezone.now() - dt.timedelta(days=days))
    return made


def clicked(product, *, shopper=ANNE, days=0.0):
    made = Click.objects.create(
        slate=uuid.uuid4(), placement="home", product=product, position=0, shopper=shopper
    )
    Click.objects.filter(pk=made.pk).update(clicked_at=timezone.now() - dt.timedelta(days=days))


# --- facts ---------------------------------------------------------------------------------------


def test_facts_are_those_of_the_last_sync_in_one_statement(django_assert_num_queries):
    first, second, third = products(3)
    since = timezone.now().replace(microsecond=0)
    Item.objects.create(
        product=first,
        brand="Acme",
        categories=["Women > Shoes"],
        price=9.5,
        tags=["new"],
        attributes={"gender": "female"},
        available_since=since,
    )
    Item.objects.create(product=second)
    with django_assert_num_queries(1):
        found = read_facts([first.pk, second.pk, third.pk, first.pk], "default")
    assert found == {
        first.pk: ItemFacts(
            key=first.pk,
            brand="Acme",
            categories=("Women > Shoes",),
            price=9.5,
            tags=("new",),
            attributes={"gender": "female"},
        ),
        second.pk: ItemFacts(key=second.pk),
    }


def test_nothing_is_asked_about_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert read_facts([], "default") == {}
        assert shown(ANNE, [], "default") == {}


# --- what was shown ------------------------------------------------------------------------------


def test_showings_are_counted_per_shopper_and_product(django_assert_num_queries):
    first, second, third = products(3)
    for _ in range(3):
        was_shown(first)
    was_shown(second)
    was_shown(second, shopper=BERT)
    was_shown(third)
    with django_assert_num_queries(1):
        found = shown(ANNE, [first.pk, second.pk], "default")
    assert found == {first.pk: 3, second.pk: 1}


def test_what_was_clicked_starts_again():
    first, second = products(2)
    was_shown(first, days=3)
    was_shown(first, days=2)
    clicked(first, days=1)
    was_shown(first, days=0.5)
    was_shown(second, days=2)
    clicked(second, shopper=BERT, days=1)
    clicked(second, days=3)
    assert shown(ANNE, [first.pk, second.pk], "default") == {first.pk: 1, second.pk: 1}


def test_what_was_shown_long_ago_is_forgotten(settings):
    (first,) = products(1)
    settings.RECO_ROTATION_DAYS = 7
    was_shown(first, days=8)
    was_shown(first, days=6)
    assert shown(ANNE, [first.pk], "default") == {first.pk: 1}


def test_a_shopper_who_never_stops_is_looked_at_so_far_back():
    first, second = products(2)
    was_shown(first, days=1)
    Impression.objects.bulk_create(
        Impression(
            slate=uuid.UUID(int=at),
            placement="home",
            product=second,
            position=0,
            source="personal",
            rung="personal",
            shopper=ANNE,
        )
        for at in range(MOST_IMPRESSIONS)
    )
    assert shown(ANNE, [first.pk, second.pk], "default") == {second.pk: MOST_IMPRESSIONS}


def test_new_products_become_candidates():
    found = fresh([Scored(key=3, score=2.0), Scored(key=4, score=1.0)])
    assert [(one.key, one.reason) for one in found] == [(3, "explore"), (4, "explore")]
