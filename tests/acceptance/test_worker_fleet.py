"""Real Celery workers on a real broker: from events to recommendations, whatever dies on the way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count
from jobs_shop import history, products
from testapp.models import Product, StockRecord

from reco_plugin import clock, recommend
from reco_plugin.jobs.running.execute import request
from reco_plugin.models import (
    ActiveRun,
    Item,
    Job,
    JobLog,
    Neighbours,
    Outcome,
    Run,
    RunStatus,
    Shard,
)
from reco_plugin.serving import pointers
from reco_plugin.types import Rung, Shopper

pytest.importorskip("celery")
pytest.importorskip("redis")
fleets = pytest.importorskip("workershop.fleet")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="workers share a PostgreSQL"),
    pytest.mark.skipif(
        shutil.which("redis-server") is None and not os.environ.get("CI"),
        reason="redis-server is not installed",
    ),
]


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[fleets.Redis]:
    """A Redis, or what the test names."""
    folder = tmp_path / "broker"
    folder.mkdir()
    server = getattr(request, "param", fleets.Redis)(folder)
    yield server
    server.stop()


@pytest.fixture
def fleet(transactional_db: None, tmp_path: Path, broker: fleets.Redis) -> Iterator[fleets.Fleet]:
    with fleets.fleet(tmp_path, broker.url) as made:
        yield made
    remove_vectors()


with_either_broker = pytest.mark.parametrize(
    "broker",
    [
        fleets.Redis,
        pytest.param(
            fleets.RabbitMQ,
            marks=pytest.mark.skipif(
                not fleets.RabbitMQ.SERVER.exists(), reason="rabbitmq-server is not installed"
            ),
        ),
    ],
    indirect=True,
)


def remove_vectors() -> None:
    """Tables of runs, which no flush knows."""
    from reco_plugin import backends
    from reco_plugin.jobs.publish import handle

    for run in Run.objects.exclude(store=""):
        backends.store(run.store).drop(handle(run))


@pytest.fixture
def shoppers(transactional_db: None) -> list[Shopper]:
    """A shop with a past, and nothing else: no item, no run, no job."""
    made = products(8)
    StockRecord.objects.bulk_create([StockRecord(product=each, count=5) for each in made])
    return [Shopper(id=shopper) for shopper in history(made)]


def succeeded(*names: str) -> bool:
    done = Job.objects.filter(name__in=names, token=None, succeeded_at__isnull=False)
    return done.count() == len(names)


def executions(name: str) -> Counter[str]:
    return Counter(JobLog.objects.filter(name=name).values_list("outcome", flat=True))


def assert_whole(fleet: fleets.Fleet, shoppers: list[Shopper]) -> None:
    """One live run that is published whole, nothing half done, and a page that shows it."""
    ends = ("published", "pruned", "failed", "rejected")
    fleet.wait(
        lambda: not Run.objects.exclude(status__in=ends).exists() and not Shard.objects.exists(),
        "what other jobs have begun to end",
    )
    pointers.forget()
    assert Item.objects.count() == Product.objects.count()
    live = ActiveRun.objects.get(kind="personal").run
    assert live.status == RunStatus.PUBLISHED
    slate = recommend("personal", shopper=shoppers[0], limit=5)
    assert (slate.rung, slate.run, len(slate)) == (Rung.PERSONAL, live.pk, 5)


@with_either_broker
def test_from_events_to_recommendations_without_a_hand_on_it(fleet, shoppers):
    fleet.worker("one")
    fleet.beat()
    jobs = ("sync_items", "sync_orders", "popular", "train", "score", "rollup", "sweep", "prune")
    fleet.wait(lambda: succeeded(*jobs), "every job to succeed")
    assert_whole(fleet, shoppers)
    run = ActiveRun.objects.get(kind="personal").run
    assert Neighbours.objects.filter(run=run).count() == Product.objects.count()
    assert ActiveRun.objects.filter(kind="popular").exists()
    assert not JobLog.objects.exclude(outcome=Outcome.DONE).exists()
    once = JobLog.objects.values("name").annotate(times=Count("pk")).filter(times__gt=1)
    assert not once.exists()


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_do_as_well(fleet, shoppers, pool):
    fleet.worker("one", "-P", pool)
    fleet.beat()
    fleet.wait(lambda: succeeded("sync_items", "popular", "train", "score"), "every job to succeed")
    assert not JobLog.objects.exclude(outcome=Outcome.DONE).exists()
    assert_whole(fleet, shoppers)


def stages(*jobs: str) -> list[str]:
    """'job:stage' of every stage that the jobs went through."""
    timings = JobLog.objects.filter(name__in=jobs, outcome="done").values_list("name", "timings")
    return [f"{name}:{stage}" for name, spent in timings for stage in spent]


def test_r07_worker_killed_at_every_named_stage_and_another_one_finishes(fleet, shoppers, tmp_path):
    deaths = tmp_path / "deaths"
    deaths.write_text("")
    jobs = ("sync_items", "popular", "train", "score")
    fleet.worker("one", WORKERSHOP_DEATHS=str(deaths))
    fleet.worker("two", WORKERSHOP_DEATHS=str(deaths))
    fleet.beat()
    fleet.wait(lambda: succeeded(*jobs), "the first time, undisturbed")
    ways = stages(*jobs)
    assert len(ways) > 12
    before = JobLog.objects.filter(outcome=Outcome.DONE, name__in=jobs).count()
    deaths.write_text("\n".join(ways))
    Job.objects.update(succeeded_at=None)
    for name in jobs:
        request(name, 1)
    fleet.wait(lambda: not deaths.read_text() and succeeded(*jobs), "all deaths and all ends", 300)
    assert JobLog.objects.filter(outcome=Outcome.DONE, name__in=jobs).count() >= before + len(jobs)
    assert JobLog.objects.filter(outcome=Outcome.TAKEN_OVER).count() >= len(ways)
    assert not JobLog.objects.filter(outcome=Outcome.FAILED).exists()
    assert_whole(fleet, shoppers)


def test_r07_a_whole_worker_is_killed_and_another_machine_finishes(fleet, shoppers):
    first = fleet.worker("first")
    fleet.beat()
    fleet.wait(
        lambda: Job.objects.filter(name="train", stage__in=["evaluate", "fit"]).exists(),
        "the training to be at it",
    )
    fleets.kill(first)
    fleet.worker("second")
    fleet.wait(lambda: succeeded("train", "score"), "another worker to finish")
    assert executions("train") == {"taken_over": 1, "done": 1}
    assert_whole(fleet, shoppers)


@with_either_broker
def test_r03_the_broker_is_restarted_in_between(fleet, broker, shoppers):
    """Its memory is lost. The job that runs does not notice, and the rest is asked for again."""
    fleet.supervise("one", WORKERSHOP_SLOW="0.1")
    fleet.beat()
    fleet.wait(lambda: Job.objects.filter(name="sync_items", stage="catalogue"), "a job to run")
    broker.stop()
    fleet.wait(lambda: succeeded("sync_items"), "the job to end without a broker")
    broker.start()
    fleet.wait(lambda: succeeded("sync_items", "train", "score"), "the rest")
    assert executions("sync_items") == {"done": 1}
    assert_whole(fleet, shoppers)


def ends(fleet: fleets.Fleet, worker: str) -> int:
    """How many messages of these two jobs it has worked on."""
    return len(re.findall(r"Task reco\.(?:sync_items|train)\S+ succeeded in", fleet.said(worker)))


@with_either_broker
def test_r08_the_same_task_delivered_five_times_runs_once(fleet, shoppers):
    """Once at the same time, to five processes; and the very same message again and again."""
    send = (
        "import django; django.setup()\n"
        "from workershop.celery import app\n"
        "from reco_plugin.tasks import sync_items, train\n"
        "def five(task, *args):\n"
        "    headers = {'reco_sent_at': '{now}'}\n"
        "    for _ in range(5):\n"
        "        task.apply_async(args=args, task_id='same-' + task.name, headers=headers)\n"
        "five(sync_items, 1, True)\n"
        "five(train, 1)\n"
    )
    code = send.replace("{now}", clock.now().isoformat())
    subprocess.run([sys.executable, "-c", code], env=fleet.environ, check=True)
    fleet.worker("many", "-c", "5", WORKERSHOP_SLOW="0.05")
    fleet.wait(lambda: ends(fleet, "many") == 10, "ten messages to be worked on")
    fleet.wait(lambda: succeeded("sync_items", "train"), "both jobs")
    assert executions("sync_items") == {"done": 1}
    assert executions("train") == {"done": 1}


def test_r09_two_beats_and_two_workers_do_everything_once(fleet, shoppers):
    for name in ("one", "two"):
        fleet.worker(name)
        fleet.beat(f"beat-{name}")
    fleet.wait(lambda: succeeded("sync_items", "popular", "train", "score"), "every job")
    assert not JobLog.objects.exclude(outcome=Outcome.DONE).exists()
    assert (
        max(JobLog.objects.values_list("name").annotate(n=Count("pk")).values_list("n", flat=True))
        == 1
    )
    assert_whole(fleet, shoppers)


def test_two_workers_share_the_shards_of_one_job(fleet, shoppers):
    fleet.worker("one", WORKERSHOP_SLOW="0.1")
    fleet.worker("two", WORKERSHOP_SLOW="0.1")
    fleet.beat()
    fleet.wait(lambda: succeeded("sync_items"), "the sync")
    said = fleet.said("one") + fleet.said("two")
    helped = [line for line in said.splitlines() if "reco.help_out" in line and "succeeded" in line]
    fleet.wait(lambda: succeeded("train", "score"), "the rest")
    assert helped
    assert any(int(line.rsplit(": ", 1)[1]) > 0 for line in helped)
    assert_whole(fleet, shoppers)


def test_r08_a_message_delivered_again_by_redis_is_harmless(fleet, shoppers):
    """A visibility timeout shorter than the job: Redis hands out again what waits unacknowledged."""
    fleet.environ["WORKERSHOP_VISIBILITY"] = "2"
    fleet.worker("one", WORKERSHOP_SLOW="0.1")
    fleet.worker("two", WORKERSHOP_SLOW="0.1")
    fleet.beat()
    fleet.wait(lambda: succeeded("sync_items", "train", "score"), "every job")
    assert executions("sync_items") == {"done": 1}
    assert executions("train") == {"done": 1}
    assert_whole(fleet, shoppers)
