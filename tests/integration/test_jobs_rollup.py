"""Daily totals: the same however events come in, and never less for what was let go of."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs_shop import event
from testapp.models import Product

from reco_plugin.capture import drops
from reco_plugin.jobs.rollup import roll_up
from reco_plugin.jobs.totals import EVENTS, count_day, mark_pruned
from reco_plugin.models import (
    Click,
    DailyTotal,
    Dropped,
    Impression,
    Interaction,
    JobLog,
    Outcome,
)
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db

NOW = dt.datetime.now(dt.UTC)
NOON = NOW.replace(hour=12, minute=0, second=0, microsecond=0) - dt.timedelta(days=1)
SHOPPERS = [uuid.UUID(int=n + 1) for n in range(4)]


@pytest.fixture
def product() -> Product:
    return Product.objects.create(label="Boot")


def told() -> dict[tuple[str, str, str, str], tuple[int, int, Decimal | None]]:
    return {
        (row.day.isoformat(), row.name, row.placement, row.detail): (
            row.count,
            row.shoppers,
            row.value,
        )
        for row in DailyTotal.objects.filter(site=1)
    }


def shown(product: Product, at: dt.datetime, **changes: Any) -> None:
    values = {"placement": "home", "rung": "personal", "shopper": SHOPPERS[0], **changes}
    row = Impression.objects.create(
        slate=uuid.uuid4(), product=product, position=0, source="personal", **values
    )
    Impression.objects.filter(pk=row.pk).update(shown_at=at)


def clicked(product: Product, at: dt.datetime, **changes: Any) -> None:
    values = {"placement": "home", "shopper": SHOPPERS[0], **changes}
    row = Click.objects.create(slate=uuid.uuid4(), product=product, position=0, **values)
    Click.objects.filter(pk=row.pk).update(clicked_at=at)


def test_what_a_day_comes_to(product):
    day = NOON.date().isoformat()
    for shopper in (0, 0, 1):
        shown(product, NOON, shopper=SHOPPERS[shopper])
    shown(product, NOON, rung="popular", placement="cart", shopper=None)
    clicked(product, NOON)
    Dropped.objects.bulk_create([Dropped(reason="bot", count=n) for n in (3, 4)])
    Dropped.objects.update(flushed_at=NOON)
    Interaction.objects.bulk_create(
        [
            event(product, SHOPPERS[0], occurred_at=NOON),
            event(product, SHOPPERS[0], occurred_at=NOON),
            event(product, SHOPPERS[1], occurred_at=NOON),
            *(
                event(
                    product,
                    SHOPPERS[1],
                    kind=EventKind.PURCHASE,
                    occurred_at=NOON,
                    price=Decimal("9.95"),
                    quantity=2,
                    currency=currency,
                )
                for currency in ("EUR", "EUR", "USD")
            ),
        ]
    )
    roll_up(1)
    assert told() == {
        (day, "impression", "home", "personal"): (3, 2, None),
        (day, "impression", "cart", "popular"): (1, 0, None),
        (day, "click", "home", ""): (1, 1, None),
        (day, "dropped", "", "bot"): (7, 0, None),
        (day, "view_item", "", ""): (3, 2, None),
        (day, "purchase", "", "EUR"): (2, 1, Decimal("39.8")),
        (day, "purchase", "", "USD"): (1, 1, Decimal("19.9")),
    }


def test_days_are_those_of_utc(product):
    midnight = NOON.replace(hour=0)
    Interaction.objects.bulk_create(
        [
            event(product, SHOPPERS[0], occurred_at=midnight - dt.timedelta(microseconds=1)),
            event(product, SHOPPERS[0], occurred_at=midnight),
        ]
    )
    roll_up(1)
    days = sorted(day for day, *_ in told())
    assert days == [
        (midnight - dt.timedelta(days=1)).date().isoformat(),
        midnight.date().isoformat(),
    ]


def test_other_sites_are_left_alone(product):
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=NOON, site=2)])
    roll_up(1)
    assert not DailyTotal.objects.exists()
    roll_up(2)
    assert DailyTotal.objects.get().site == 2


def test_counting_again_changes_nothing(product, django_assert_num_queries):
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=NOON)])
    first = roll_up(1, since={})
    before, rows = told(), set(DailyTotal.objects.values_list("pk", flat=True))
    again = roll_up(1, since=first.as_json())
    whole = roll_up(1, since={})
    assert (again.changed, whole.changed) == (0, 0)
    assert told() == before
    assert set(DailyTotal.objects.values_list("pk", flat=True)) == rows


def test_late_events_have_their_day_counted_again(product):
    old = NOON - dt.timedelta(days=40)
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=NOON)])
    report = roll_up(1)
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=old)])
    later = roll_up(1, since=report.as_json())
    assert later.late == 1
    assert told()[old.date().isoformat(), "view_item", "", ""] == (1, 1, None)


def test_it_goes_on_from_the_last_success(product):
    old = NOON - dt.timedelta(days=40)
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=old)])
    report = roll_up(1)
    assert report.days == 1
    JobLog.objects.create(
        name="rollup",
        attempt=1,
        outcome=Outcome.DONE,
        started_at=NOW,
        finished_at=NOW,
        report=report.as_json(),
    )
    DailyTotal.objects.update(count=7)
    assert roll_up(1).days == 4
    assert DailyTotal.objects.get(name="view_item").count in (1, 7)


def test_r07_a_first_counting_that_was_broken_off_is_gone_on_with(product, monkeypatch):
    from reco_plugin.jobs import rollup
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import Job

    monkeypatch.setattr(rollup, "KEPT_EVERY", 3)
    monkeypatch.setattr(rollup, "OVERLAP", 0)
    days = [NOON - dt.timedelta(days=n) for n in range(30)]
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=at) for at in days])

    def die(stage: str, done: int, total: int) -> None:
        if done == 10:
            raise RuntimeError("broken off")

    assert execute("rollup", 1, progress=die).outcome == Outcome.FAILED
    assert Job.objects.get(name="rollup").checkpoint["day"] == days[-9].date().isoformat()
    done = execute("rollup", 1)
    assert done.outcome == Outcome.DONE
    assert done.report["days"] < 30
    assert DailyTotal.objects.filter(name="view_item").count() == 30
    assert Job.objects.get(name="rollup").checkpoint == {}


def test_what_is_gone_from_a_day_that_was_not_pruned_is_gone_from_its_total(product):
    Interaction.objects.bulk_create([event(product, SHOPPERS[0], occurred_at=NOON)])
    roll_up(1, since={})
    Interaction.objects.all().delete()
    count_day(1, NOON.date(), EVENTS)
    assert not DailyTotal.objects.exists()


def test_a_pruned_day_never_counts_down(product):
    Interaction.objects.bulk_create(
        [event(product, SHOPPERS[n], occurred_at=NOON) for n in range(3)]
    )
    roll_up(1)
    mark_pruned(1, NOON.date(), ("events",))
    Interaction.objects.filter(shopper=SHOPPERS[0]).delete()
    roll_up(1, since={})
    assert DailyTotal.objects.get(name="view_item").count == 3


def test_an_absurd_price_keeps_no_day_from_being_counted(product):
    huge = event(
        product,
        SHOPPERS[0],
        kind=EventKind.PURCHASE,
        occurred_at=NOON,
        price=Decimal("9999999999.9999"),
        quantity=2_000_000_000,
    )
    Interaction.objects.bulk_create([huge])
    roll_up(1)
    assert DailyTotal.objects.get().count == 1


def test_counts_still_in_this_process_are_counted_too(product):
    drops.count("bot", 1, 5)
    roll_up(1)
    assert DailyTotal.objects.get(name="dropped").count == 5


def oracle(events: list[Interaction]) -> dict[Any, Any]:
    counts: Counter[Any] = Counter()
    people: defaultdict[Any, set[uuid.UUID]] = defaultdict(set)
    for each in {one.event_id: one for one in events}.values():
        key = (each.occurred_at.date().isoformat(), EventKind(each.kind).ga4, "", "")
        counts[key] += 1
        people[key].add(each.shopper)
    return {key: (n, len(people[key])) for key, n in counts.items()}


@given(
    moments=st.lists(
        st.tuples(st.integers(0, 20 * 24), st.integers(0, 3), st.sampled_from([1, 2, 3])),
        max_size=15,
    ),
    seed=st.integers(0, 2**16),
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_r15_any_split_duplication_or_replay_gives_the_same_totals(product, moments, seed):
    """Events in any order, twice, in any number of deliveries with a counting after each."""
    shuffle = random.Random(seed)
    events = [
        event(
            product, SHOPPERS[who], kind=EventKind(kind), occurred_at=NOW - dt.timedelta(hours=ago)
        )
        for ago, who, kind in moments
    ]
    stream = [one for one in events for _ in range(shuffle.choice((1, 1, 2)))]
    shuffle.shuffle(stream)
    with transaction.atomic():
        since: dict[str, Any] = {}
        while stream:
            size = shuffle.randint(1, len(stream))
            part, stream = stream[:size], stream[size:]
            for one in part:
                one.pk = None
            Interaction.objects.bulk_create(part, ignore_conflicts=True)
            since = roll_up(1, since=since).as_json()
        assert {place: figures[:2] for place, figures in told().items()} == oracle(events)
        transaction.set_rollback(True)
