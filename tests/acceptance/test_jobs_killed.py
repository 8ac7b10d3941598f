"""Every job, killed (SIGKILL) as it enters each of its stages, and taken over by whoever polls.

`python -m benchmarks crash` does the same two hundred times, also at moments between the stages.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from django.db.models import F
from jobs_shop import event, history, products
from testapp.models import Line, Order, Product

from reco_plugin import backends, clock
from reco_plugin.jobs.lists import MAKERS
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.lease import rows
from reco_plugin.jobs.running.specs import specs
from reco_plugin.models import (
    ActiveRun,
    DailyTotal,
    Interaction,
    Item,
    Job,
    JobLog,
    Neighbours,
    Outcome,
    Related,
    Run,
)
from reco_plugin.testing.killing import Point, killed_at, points_of
from reco_plugin.testing.wholeness import half_published, left_undone
from reco_plugin.types import EventKind

HEARTBEAT = 0.5
WEEK, AT_ONCE = dt.timedelta(days=8), dt.timedelta()
"""Between two executions: some jobs do only part of their work when the last one is a short while ago."""
SIGHT = {"pictures", "fine_tune", "encode", "catalogue_map", "suggest"}
"""Idle in this shop, which has no pictures: see test_jobs_killed_looking.py."""
RECORDS = {"compare"}
"""Publish nothing and begin anew: see there, too."""
EXECUTIONS = [
    *((name, WEEK) for name in specs() if name not in SIGHT | RECORDS),
    ("behaviour", AT_ONCE),
    ("lists", AT_ONCE),
]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="processes share a PostgreSQL"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process"),
]


class Shop:
    """A shop that knows what must be in our tables."""

    def __init__(self) -> None:
        self.products = products(6)
        history(self.products, shoppers=40, events=10)
        self.turn = 0
        self.lines = 0
        self.old: Counter[dt.date] = Counter()

    def stir(self, name: str, since: dt.timedelta) -> None:
        """Something for the job to do, `since` its last execution."""
        Run.objects.update(created_at=F("created_at") - since)
        if "train" in specs()[name].needs:
            assert execute("train").outcome == Outcome.DONE
        self.turn += 1
        self.newest = Product.objects.create(label=f"New {self.turn}", maker="Maker 1", cents=500)
        order = Order.objects.create(number=f"R{self.turn}", state="paid")
        for product in self.products[:2]:
            Line.objects.create(order=order, product=product, unit_cents=500)
        self.lines += 2
        Product.objects.filter(pk=self.products[0].pk).update(label=f"Renamed {self.turn}")
        at = clock.now() - dt.timedelta(days=500 + self.turn)
        for person in range(3):
            event(self.products[0], uuid.UUID(int=person + 1), occurred_at=at).save()
            self.old[at.date()] += 1
        for person, product in itertools.product(range(4), self.pair()):
            bought = uuid.UUID(int=1_000 + 10 * self.turn + person)
            event(product, bought, kind=EventKind.PURCHASE).save()

    def pair(self) -> tuple[Product, Product]:
        """Of two categories, another one each turn: what was bought together since the last execution."""
        half = len(self.products) // 2
        at = self.turn % half
        return self.products[at], self.products[half + at]

    def check(self) -> None:
        """At any moment: nothing half-published, no event lost, none there twice."""
        assert list(half_published()) == []
        sold = Interaction.objects.filter(order__startswith="R")
        assert sold.count() == sold.values("order", "product").distinct().count() <= self.lines
        for day, count in self.old.items():
            events = Interaction.objects.filter(occurred_at__date=day, kind=EventKind.VIEW_ITEM)
            total = DailyTotal.objects.filter(day=day, name=EventKind.VIEW_ITEM.ga4).first()
            assert events.count() == count or (total is not None and total.count == count)


@pytest.fixture
def shop(settings, tmp_path: Path) -> Iterator[Shop]:
    settings.RECO_HEARTBEAT_SECONDS = HEARTBEAT
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_SHARD_ITEMS = 10
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    made = Shop()
    yield made
    for run in Run.objects.exclude(store=""):
        backends.store(run.store).drop(handle(run))


@pytest.mark.parametrize(("name", "since"), EXECUTIONS)
def test_r07_a_job_killed_at_any_stage_is_taken_over_and_completes(shop, name, since):
    for before in ("sync_items", *(("train", "score") if name == "arrivals" else ())):
        assert execute(before).outcome == Outcome.DONE
    shop.stir(name, since)
    assert execute(name).outcome == Outcome.DONE
    shop.stir(name, since)
    points = [point for point in points_of(lambda: execute(name)) if point.edge == "entered"]
    assert points, "a job has stages"
    assert JobLog.objects.latest("pk").outcome == Outcome.DONE
    for point in points:
        shop.stir(name, since)
        kill_and_take_over(name, point, shop)


def kill_and_take_over(name: str, point: Point, shop: Shop) -> None:
    assert killed_at(point, lambda: execute(name))
    killed = time.monotonic()
    assert rows().get(name=name).stage == point.stage
    shop.check()
    while (found := execute(name, only_if_due=True)).skipped == "busy":
        assert time.monotonic() - killed < 2 * HEARTBEAT
        time.sleep(HEARTBEAT / 4)
    assert (found.outcome, found.error) == (Outcome.DONE, "")
    shop.check()
    assert list(left_undone()) == []
    assert (Job.objects.get(name=name).token, Job.objects.get(name=name).checkpoint) == (None, {})
    assert_is_told(name, shop)


def assert_is_told(name: str, shop: Shop) -> None:
    """Nothing that was new before the kill is missing after the takeover."""
    if name == "sync_orders":
        assert Interaction.objects.filter(order__startswith="R").count() == shop.lines
    if name == "sync_items":
        assert Item.objects.get(pk=shop.products[0].pk).title == f"Renamed {shop.turn}"
    if name == "arrivals":
        run = active_run(1, "personal")
        assert run is not None
        items, _ = backends.store(run.store).item_vectors(handle(run))
        assert items.row(shop.newest.pk) is not None
        assert Neighbours.objects.filter(run=run, product_id=shop.newest.pk).exists()
    if name == "behaviour":
        one, other = shop.pair()
        together = Related.objects.get(
            run=active_run(1, name), product_id=one.pk, relation="bought_together"
        )
        assert other.pk.hex in together.keys
    if name == "lists":
        made = ActiveRun.objects.filter(run__created_at__gte=clock.now() - dt.timedelta(hours=1))
        assert set(MAKERS) <= set(made.values_list("kind", flat=True))


def test_r11_a_reader_in_a_loop_only_ever_sees_whole_runs(shop):
    """While runs are published, killed half-way, taken over and pruned beside it."""
    execute("sync_items")
    execute("train")
    done, read, failed = threading.Event(), [], []

    def look() -> None:
        run = active_run(1, "personal")
        assert run is not None
        query = np.ones(run.store_state["dimension"], np.float32)
        found = backends.store(run.store).nearest(handle(run), query, 20)
        assert len(found) == 20

    def loop() -> None:
        try:
            while not done.is_set():
                read.append(1)
                look()
                time.sleep(0.005)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)
        finally:
            connection.close()

    for stage in ("publish", "activate", "tidy"):
        assert killed_at(Point(stage=stage, edge="entered"), lambda: execute("train"))
        reader = threading.Thread(target=loop)
        done.clear()
        reader.start()  # after the fork, which copies no thread
        while execute("train", only_if_due=True).skipped == "busy":
            time.sleep(HEARTBEAT / 4)
        execute("train")
        done.set()
        reader.join()
    assert failed == []
    assert len(read) > 100
