from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from jobs_shop import event, products
from testapp.models import Category, Product

from reco_plugin.jobs import popular as job
from reco_plugin.jobs import window
from reco_plugin.jobs.popular import popular
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.ranked import with_ancestors
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import Interaction, Item, RankedList, RunStatus
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db


def ranked(run: object, segment: str = "") -> list[str]:
    return list(RankedList.objects.get(run=run, segment=segment).keys)


def views(product: Product, people: int, *, days_ago: float = 1, first: int = 0) -> None:
    at = timezone.now() - dt.timedelta(days=days_ago)
    Interaction.objects.bulk_create(
        event(product, uuid.UUID(int=first + number + 1), occurred_at=at)
        for number in range(people)
    )


@pytest.fixture
def catalogue() -> list[Product]:
    made = products(2)
    sync_items()
    return made


def test_counts_distinct_shoppers_not_events(catalogue):
    views(catalogue[0], 60)
    views(catalogue[1], 70)
    Interaction.objects.bulk_create(event(catalogue[2], uuid.UUID(int=1)) for _ in range(300))
    run = popular()
    assert run.status == RunStatus.PUBLISHED
    assert ranked(run) == [str(catalogue[at].pk) for at in (1, 0, 2)]
    assert RankedList.objects.get(run=run, segment="").scores == [70, 60, 1]


def test_a_million_events_of_one_visitor_make_one_shopper(catalogue):
    """Scaled down to 5,000."""
    robot = uuid.UUID(int=999)
    start = timezone.now() - dt.timedelta(days=3)
    Interaction.objects.bulk_create(
        event(catalogue[9], robot, occurred_at=start + dt.timedelta(seconds=turn))
        for turn in range(5_000)
    )
    views(catalogue[0], 2)
    assert ranked(popular())[0] == str(catalogue[0].pk)


def test_every_category_and_its_ancestors_have_a_list(catalogue):
    views(catalogue[0], 60)
    views(catalogue[2], 50)
    run = popular()
    assert ranked(run, "All > Boots") == [str(catalogue[0].pk)]
    assert ranked(run, "All > Lamps") == [str(catalogue[2].pk)]
    assert ranked(run, "All") == [str(catalogue[0].pk), str(catalogue[2].pk)]
    assert not RankedList.objects.filter(run=run, segment="All > Pens").exists()


def test_every_brand_has_a_list(catalogue):
    views(catalogue[0], 5)
    views(catalogue[1], 3)
    Item.objects.filter(pk__in=[catalogue[0].pk, catalogue[1].pk]).update(brand="Acme")
    Item.objects.exclude(pk__in=[catalogue[0].pk, catalogue[1].pk]).update(brand="")
    run = popular()
    assert ranked(run, "brand:Acme") == [str(catalogue[at].pk) for at in (0, 1)]
    assert RankedList.objects.filter(run=run, segment__startswith="brand:").count() == 1


def test_only_the_window_counts(catalogue, settings):
    settings.RECO_POPULAR_DAYS = 30
    views(catalogue[0], 200, days_ago=40)
    views(catalogue[1], 120, days_ago=2)
    run = popular()
    assert ranked(run) == [str(catalogue[1].pk)]
    assert run.dataset["days"] == 30
    assert run.dataset["notes"] == []


def test_a_quiet_window_is_widened_and_says_so(catalogue, settings):
    settings.RECO_POPULAR_DAYS = 30
    views(catalogue[0], 200, days_ago=100)
    views(catalogue[1], 5, days_ago=2)
    run = popular()
    assert ranked(run) == [str(catalogue[0].pk), str(catalogue[1].pk)]
    assert run.dataset["days"] == 120
    assert run.dataset["notes"] == ["Only 5 events in 30 days, so the window was widened."]


def test_without_any_event_the_newest_products_stand_in(catalogue):
    Product.objects.filter(pk=catalogue[7].pk).update(born=dt.date(2099, 1, 1))
    sync_items()
    run = popular()
    assert run.status == RunStatus.PUBLISHED
    assert ranked(run)[0] == str(catalogue[7].pk)
    assert len(ranked(run)) == 10
    assert run.dataset["notes"] == ["No event was recorded yet: the newest products stand in."]


def test_an_empty_shop_publishes_an_empty_list():
    run = popular()
    assert run.status == RunStatus.PUBLISHED
    assert ranked(run) == []


def test_events_that_show_no_interest_do_not_count(catalogue):
    views(catalogue[0], 120)
    for kind in (EventKind.REFUND, EventKind.DISMISS_ITEM, EventKind.REMOVE_FROM_CART):
        Interaction.objects.create(**_fields(catalogue[1], kind))
    assert ranked(popular()) == [str(catalogue[0].pk)]


def _fields(product: Product, kind: EventKind) -> dict[str, object]:
    made = event(product, uuid.UUID(int=7), kind=kind)
    return {name: getattr(made, name) for name in ("event_id", "kind", "shopper", "product_id",
                                                    "source", "occurred_at")}  # fmt: skip


def test_an_unknown_product_in_an_event_is_left_out(catalogue):
    views(catalogue[0], 120)
    views(Product(label="never saved"), 150)
    assert ranked(popular()) == [str(catalogue[0].pk)]


def test_a_product_without_category_is_in_the_overall_list():
    bare = Product.objects.create(label="Bare")
    sync_items()
    views(bare, 120)
    run = popular()
    assert ranked(run) == [str(bare.pk)]
    assert RankedList.objects.filter(run=run).count() == 1


def test_lists_are_bounded(catalogue, monkeypatch):
    monkeypatch.setattr(job, "LENGTH", 3)
    for at, product in enumerate(catalogue):
        views(product, 20 + at)
    assert len(ranked(popular())) == 3


def test_a_run_is_live_at_once_unless_asked_not_to(catalogue):
    views(catalogue[0], 120)
    first = popular()
    assert active_run(1, "popular") == first
    popular(activate=False)
    assert active_run(1, "popular") == first


def test_overlong_category_paths_do_not_break_the_run():
    shelf = None
    for depth in range(8):
        shelf = Category.objects.create(label=f"{depth}" * 100, parent=shelf)
    product = Product.objects.create(label="Deep")
    product.shelves.add(shelf)
    sync_items()
    views(product, 120)
    run = popular()
    assert run.status == RunStatus.PUBLISHED
    assert max(len(row.segment) for row in RankedList.objects.filter(run=run)) == 500


def test_a_broken_count_leaves_the_live_run_and_says_why(catalogue, monkeypatch):
    views(catalogue[0], 120)
    live = popular()

    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(window, "read_log", broken)
    run = popular()
    assert run.status == RunStatus.FAILED
    assert "Out of memory" in run.error
    assert active_run(1, "popular") == live


def test_ancestors():
    assert with_ancestors(["A > B > C", "A > D"]) == {"A", "A > B", "A > B > C", "A > D"}
