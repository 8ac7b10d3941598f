"""What is old goes, counted first, a little at a time; what is still asked for stays."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import time
import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from jobs_shop import event
from testapp.models import Customer, Line, Order, Product

from reco_plugin import clock
from reco_plugin.capture import drops
from reco_plugin.jobs import aging, bloat, deleting, stray
from reco_plugin.jobs.aging import prune_events
from reco_plugin.jobs.backfill import backfill
from reco_plugin.jobs.retention import retain
from reco_plugin.jobs.rollup import roll_up
from reco_plugin.jobs.sync_orders import sync_orders
from reco_plugin.models import (
    Click,
    DailyTotal,
    Dropped,
    Impression,
    Interaction,
    JobLog,
    Neighbours,
    Outcome,
    Run,
    RunStatus,
    Shard,
)
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db

SHOPPER = uuid.UUID(int=1)


@pytest.fixture(autouse=True)
def place(settings, tmp_path) -> None:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_STORE = "numpy"


@pytest.fixture
def product() -> Product:
    return Product.objects.create(label="Boot")


def ago(days: float) -> dt.datetime:
    return clock.now() - dt.timedelta(days=days)


def views(product: Product, *days: float, **changes: Any) -> None:
    Interaction.objects.bulk_create(
        [event(product, SHOPPER, occurred_at=ago(each), **changes) for each in days]
    )


def exposures(product: Product, *days: float) -> None:
    for each in days:
        same = {"slate": uuid.uuid4(), "placement": "home", "product": product, "position": 0}
        shown = Impression.objects.create(**same, source="popular", rung="popular")
        clicked = Click.objects.create(**same)
        Impression.objects.filter(pk=shown.pk).update(shown_at=ago(each))
        Click.objects.filter(pk=clicked.pk).update(clicked_at=ago(each))


def left(model: Any, moment: str) -> list[int]:
    now = clock.now()
    return sorted(
        round((now - at) / dt.timedelta(days=1))
        for at in model.objects.values_list(moment, flat=True)
    )


# --- what goes -----------------------------------------------------------------------------------


def test_r25_what_is_too_old_goes(product, settings):
    settings.RECO_RETENTION_DAYS = settings.RECO_EXPOSURE_RETENTION_DAYS = 100
    views(product, 1, 99, 102, 300)
    exposures(product, 1, 99, 102, 300)
    Dropped.objects.bulk_create([Dropped(reason="bot", count=2) for _ in range(2)])
    Dropped.objects.filter(pk=Dropped.objects.first().pk).update(flushed_at=ago(200))
    report = retain(1)
    assert left(Interaction, "occurred_at") == [1, 99]
    assert left(Impression, "shown_at") == left(Click, "clicked_at") == [1, 99]
    assert Dropped.objects.count() == 1
    told = {old.name: old.rows for old in report.tables}
    assert told == {"events": 2, "impressions": 2, "clicks": 2, "dropped": 1}
    assert not any(old.unfinished for old in report.tables)


def test_nothing_goes_uncounted(product, settings):
    settings.RECO_RETENTION_DAYS = settings.RECO_EXPOSURE_RETENTION_DAYS = 100
    views(product, 200, 200, 300)
    exposures(product, 200)
    prune_events(1)
    totals = DailyTotal.objects.exclude(name="pruned").values_list("day", "name", "count")
    assert set(totals) == {
        (ago(200).date(), "view_item", 2),
        (ago(300).date(), "view_item", 1),
        (ago(200).date(), "impression", 1),
        (ago(200).date(), "click", 1),
    }
    before = set(totals)
    roll_up(1, since={})
    assert set(totals) == before


def test_zero_days_is_for_ever(product, settings):
    settings.RECO_RETENTION_DAYS = settings.RECO_EXPOSURE_RETENTION_DAYS = 0
    settings.RECO_LOG_RETENTION_DAYS = 0
    views(product, 5_000)
    exposures(product, 5_000)
    assert prune_events(1) == []
    assert Interaction.objects.count() == Impression.objects.count() == 1


def test_another_sites_rows_stay(product, settings):
    settings.RECO_RETENTION_DAYS = 100
    views(product, 200, site=2)
    prune_events(1)
    assert Interaction.objects.count() == 1


def test_a_dry_run_counts_and_dates_and_leaves_everything(product, settings, tmp_path):
    settings.RECO_RETENTION_DAYS = 100
    views(product, 1, 150, 300)
    (tmp_path / "train-abcd1234").mkdir()
    os.utime(tmp_path / "train-abcd1234", (0, 0))
    report = retain(1, dry_run=True)
    events = report.tables[0]
    assert (events.rows, events.oldest, events.newest) == (
        2,
        ago(300).date().isoformat(),
        ago(150).date().isoformat(),
    )
    assert report.files == ["train-abcd1234"]
    assert Interaction.objects.count() == 3
    assert (tmp_path / "train-abcd1234").is_dir()
    assert not DailyTotal.objects.exists()


def test_a_clock_that_runs_ahead_prunes_nothing_early(product, settings, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("there is one clock only")
    settings.RECO_RETENTION_DAYS = 100
    views(product, 1, 50)
    real = clock.now()
    monkeypatch.setattr(aging.clock, "now", lambda: real + dt.timedelta(days=365))
    prune_events(1)
    assert Interaction.objects.count() == 2


def test_time_that_is_up_ends_it_between_two_days(product, settings):
    settings.RECO_RETENTION_DAYS = 100
    views(product, 200, 300)
    found = prune_events(1, seconds=1e-9)
    assert found[0].unfinished
    assert Interaction.objects.count() == 2
    assert not any(old.unfinished for old in prune_events(1))
    assert not Interaction.objects.exists()


# --- a little at a time --------------------------------------------------------------------------


def test_batches_delete_exactly_what_was_asked_for(product):
    views(product, *([200] * 7), *([1] * 3))
    old = Interaction.objects.filter(occurred_at__lt=ago(100))
    counts: list[int] = []
    assert deleting.in_batches(old, "occurred_at", batch=3, done=counts.append) == 7
    assert counts == [3, 3, 1]
    assert Interaction.objects.count() == 3


def test_many_events_of_one_moment_are_still_small_batches(product):
    moment = ago(200)
    rows = [event(product, SHOPPER, occurred_at=moment) for _ in range(8)]
    Interaction.objects.bulk_create(rows)
    counts: list[int] = []
    deleting.in_batches(Interaction.objects.all(), "occurred_at", batch=3, done=counts.append)
    assert counts == [3, 3, 2]


def test_it_rests_as_long_as_it_worked(product, monkeypatch):
    rests: list[float] = []
    monkeypatch.setattr(deleting.time, "sleep", rests.append)
    views(product, *([200] * 4))
    began = time.monotonic()
    deleting.in_batches(Interaction.objects.all(), "occurred_at", batch=2, pause=1.0)
    assert len(rests) == 2
    assert 0 < sum(rests) <= time.monotonic() - began


def test_r25_the_plan_is_a_range_of_the_index_by_time(product):
    if connection.vendor != "postgresql":
        pytest.skip("plans are PostgreSQL's")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reco_interaction (site, event_id, kind, shopper, product_id, quantity, "
            'currency, "order", query, source, occurred_at, received_at) '
            "SELECT 1, gen_random_uuid(), 1, %s, %s, 1, '', '', '', 2, "
            "now() - n * interval '3 minutes', now() FROM generate_series(1, 40000) n",
            [SHOPPER, product.pk],
        )
        cursor.execute("ANALYZE reco_interaction")
    rule = aging.rules()[0]
    rows = rule.of(rule.source.day(1, ago(60).date())).order_by("occurred_at")
    plan = rows.values_list("pk", "occurred_at")[: deleting.BATCH].explain()
    assert "reco_interaction_time" in plan
    assert "Seq Scan" not in plan
    first = rule.old(1, ago(10).date()).order_by("occurred_at").values_list("occurred_at")[:1]
    assert "reco_interaction_time" in first.explain()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_stays_locked_ends_it_in_plain_view(product, settings, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks the whole database")
    monkeypatch.setattr(deleting, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(deleting.time, "sleep", lambda seconds: None)
    views(product, 200)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM reco_interaction FOR UPDATE")
        with pytest.raises(OperationalError):
            deleting.in_batches(Interaction.objects.all(), "occurred_at")
        other.rollback()
    finally:
        other.close()
    assert deleting.in_batches(Interaction.objects.all(), "occurred_at") == 1


@pytest.mark.django_db(transaction=True)
def test_killed_between_two_batches_it_goes_on_and_the_totals_hold(product, settings, monkeypatch):
    settings.RECO_RETENTION_DAYS = 100
    monkeypatch.setattr(deleting, "BATCH", 2)
    monkeypatch.setattr(
        deleting.in_batches, "__kwdefaults__", {**deleting.in_batches.__kwdefaults__, "batch": 2}
    )
    views(product, *([200] * 5))

    def die(stage: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune_events(1, progress=die)
    assert Interaction.objects.count() == 3  # the batch that was interrupted is whole again
    prune_events(1)
    assert not Interaction.objects.exists()
    totals = dict(DailyTotal.objects.values_list("name", "count").exclude(detail="orders"))
    assert totals == {"view_item": 5, "pruned": 5}


# --- what is still asked for ---------------------------------------------------------------------


def test_purchases_stay_while_they_keep_products_out_of_lists(product, settings):
    settings.RECO_RETENTION_DAYS = 7
    settings.RECO_EXCLUDE_PURCHASED_DAYS, settings.RECO_ORDER_RESCAN_DAYS = 60, 30
    for kind in (EventKind.VIEW_ITEM, EventKind.PURCHASE, EventKind.REFUND):
        views(product, 1, 20, 59, 62, kind=kind)
    found = {old.name: old.rows for old in prune_events(1)}
    assert (found["events"], found["orders"]) == (3, 2)
    assert left(Interaction.objects.filter(kind=EventKind.VIEW_ITEM).model, "occurred_at")
    kinds = Interaction.objects.order_by("kind").values_list("kind", flat=True)
    assert list(kinds) == [1, 6, 6, 6, 7, 7, 7]
    day = ago(62).date()
    assert DailyTotal.objects.get(day=day, name="purchase").count == 1


def order(product: Product, days: float, state: str = "paid") -> Order:
    made = Order.objects.create(
        number=uuid.uuid4().hex[:20],
        customer=Customer.objects.create_user(f"{uuid.uuid4().hex}@example.com"),
        state=state,
        placed=ago(days),
    )
    Line.objects.create(order=made, product=product, amount=1, unit_cents=100)
    return made


def test_the_order_sync_does_not_bring_back_what_was_pruned(product, settings):
    settings.RECO_RETENTION_DAYS = 100
    old, young = order(product, 200), order(product, 20)
    backfill()
    assert Interaction.objects.count() == 2
    prune_events(1)
    assert Interaction.objects.count() == 1
    old.state = "refunded"
    old.save()
    sync_orders()
    backfill()
    assert Interaction.objects.get().order == young.number
    assert DailyTotal.objects.get(name="purchase", day=ago(200).date()).count == 1
    assert drops.pending().get((1, "order_pruned"), 0) >= 0


def test_orders_of_a_day_whose_views_went_still_come(product, settings):
    settings.RECO_RETENTION_DAYS = 7
    settings.RECO_EXCLUDE_PURCHASED_DAYS = settings.RECO_ORDER_RESCAN_DAYS = 30
    views(product, 20)
    prune_events(1)
    order(product, 20)
    backfill()
    assert Interaction.objects.get().kind == EventKind.PURCHASE
    prune_events(1)
    assert Interaction.objects.count() == 1


# --- logs, runs, files ---------------------------------------------------------------------------


def test_logs_and_finished_shards_go_and_open_ones_stay(settings):
    settings.RECO_LOG_RETENTION_DAYS = 30
    for days in (100, 40, 1):
        JobLog.objects.create(
            name="prune",
            attempt=1,
            outcome=Outcome.DONE,
            started_at=ago(days),
            finished_at=ago(days),
        )
    done = [ago(100), ago(40), None, ago(1)]
    for number, at in enumerate(done):
        Shard.objects.create(job="score", number=number, batch=uuid.uuid4(), done_at=at)
    assert (retain(1, dry_run=True).logs, retain(1, dry_run=True).shards) == (2, 2)
    report = retain(1)
    assert (report.logs, report.shards) == (2, 2)
    assert JobLog.objects.count() == 1
    assert [shard.number for shard in Shard.objects.order_by("number")] == [2, 3]


def test_lists_of_similar_products_of_pruned_runs_go(product):
    gone = Run.objects.create(kind="personal", trainer="t", status=RunStatus.PRUNED)
    kept = Run.objects.create(kind="personal", trainer="t", status=RunStatus.PUBLISHED)
    for run in (gone, kept):
        Neighbours.objects.create(run=run, product=product, keys=[], scores=[])
    assert retain(1, dry_run=True).neighbours == 1
    assert retain(1).neighbours == 1
    assert Neighbours.objects.get().run == kept


def test_r07_files_of_dead_trainings_go_and_those_of_others_stay(settings, tmp_path):
    ended = Run.objects.create(kind="personal", trainer="t", status=RunStatus.FAILED)
    named = Run.objects.create(kind="personal", trainer="t", status=RunStatus.PUBLISHED)
    named.artefact = f"personal-{named.pk}.npz"
    named.save()
    busy = Run.objects.create(kind="personal", trainer="t", status=RunStatus.RUNNING)
    for run in (ended, named, busy):
        (tmp_path / f"personal-{run.pk}.npz").touch()
    for name in ("train-abcd1234", "train-youngone", "train-and-test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.npz").touch()
    (tmp_path / "personal-7.npz.abcd1234.part").touch()
    (tmp_path / "notes.txt").touch()
    for path in [*tmp_path.rglob("*")]:
        if "youngone" not in str(path):
            os.utime(path, (0, 0))
    removed = stray.remove()
    assert removed == sorted(
        [f"personal-{ended.pk}.npz", "train-abcd1234", "personal-7.npz.abcd1234.part"]
    )
    assert not any((tmp_path / name).exists() for name in removed)
    assert (tmp_path / "train-and-test").is_dir()
    assert stray.remove() == []


# --- by command ----------------------------------------------------------------------------------


def test_the_command_says_what_would_go_and_lets_it_go(product, settings):
    settings.RECO_RETENTION_DAYS = 100
    views(product, 1, 150, 300)
    out = StringIO()
    call_command("reco_prune", "--dry-run", "--no-progress", stdout=out)
    assert f"events: 2 would go ({ago(300).date()} to {ago(150).date()})" in out.getvalue()
    assert Interaction.objects.count() == 3
    out = StringIO()
    call_command("reco_prune", "--json", "--site", "1", stdout=out)
    told = json.loads(out.getvalue())
    assert told["tables"][0]["rows"] == 2
    assert Interaction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_delete_every_row_once_and_count_it_once(product, settings):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    settings.RECO_RETENTION_DAYS = 100
    views(product, *([200] * 40))
    counts: list[int] = []

    def delete() -> None:
        rows = Interaction.objects.all()
        deleting.in_batches(rows, "occurred_at", batch=3, pause=0.0, done=counts.append)
        connections.close_all()

    threads = [threading.Thread(target=delete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not Interaction.objects.exists()
    assert sum(counts) == 40


# --- what deleting leaves behind -----------------------------------------------------------------


def test_a_table_of_dead_rows_is_told_of_with_what_to_do():
    (told,) = bloat._words("reco_interaction", live=800, dead=200, is_vacuumed=True)
    assert told.startswith("reco_interaction: 200 dead rows beside 800.")
    assert "autovacuum does by itself" in told
    (told_off,) = bloat._words("reco_interaction", live=800, dead=200, is_vacuumed=False)
    assert "run VACUUM (ANALYZE) reco_interaction;" in told_off
    assert bloat._words("reco_interaction", live=1_000, dead=50, is_vacuumed=False) == []
    assert bloat._words("reco_interaction", live=0, dead=0, is_vacuumed=True) == []


@pytest.mark.django_db(transaction=True)
def test_the_database_is_asked_about_tables_that_were_pruned_only(product, monkeypatch):
    if connection.vendor != "postgresql":
        assert bloat.advice(["events"]) == []
        pytest.skip("only PostgreSQL keeps dead rows")
    views(product, *([200] * 5))
    Interaction.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
    connection.close()
    assert any("reco_interaction" in words for words in bloat.advice(["events"]))
    assert bloat.advice(["clicks"]) == []
