"""The Celery tasks without a broker: what they are, what they send, what they do twice."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
import time
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from jobs_shop import event, products
from testapp.models import Customer

from reco_plugin import beat
from reco_plugin.capture.identity import shopper_id
from reco_plugin.jobs.running import schedule, shards
from reco_plugin.jobs.running.execute import execute, request
from reco_plugin.models import Interaction, Item, Job, JobLog, Shard
from reco_plugin.signals import work_split

celery = pytest.importorskip("celery")
tasks = pytest.importorskip("reco_plugin.tasks")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """What would have gone to a broker: (task, args, kwargs)."""
    found: list[tuple[str, Any, Any]] = []

    def send(self, name, args=None, kwargs=None, **options):
        found.append((name, args, kwargs))
        options_sent.append(options)

    options_sent: list[dict[str, Any]] = []
    monkeypatch.setattr(celery.Celery, "send_task", send)
    found_options = options_sent
    send.options = found_options
    return found


def test_every_job_has_a_task_of_its_name():
    assert set(tasks.JOBS) == set(schedule.specs())
    for name, task in tasks.JOBS.items():
        assert task.name == f"reco.{name}"
        assert getattr(tasks, name) is task


def test_the_beat_schedule_is_plain_data_that_names_tasks_there_are():
    for name, entry in beat.BEAT_SCHEDULE.items():
        assert entry["task"] == tasks.tick.name == name
        assert entry["options"]["expires"] > entry["schedule"]
    code = "import sys, reco_plugin.beat; print(sorted({'django', 'celery'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize("name", ["tick", "train", "help_out", "erase"])
def test_no_result_is_kept_and_no_message_is_done_over(name):
    task = getattr(tasks, name)
    assert task.ignore_result
    assert not task.acks_late
    assert task.expires == (None if name == "erase" else beat.EXPIRES)


def test_limits_are_read_live(settings):
    settings.RECO_TIME_LIMITS = {"train": 100, "score": 0}
    assert (tasks.train.soft_time_limit, tasks.train.time_limit) == (160, 220)
    assert (tasks.score.soft_time_limit, tasks.score.time_limit) == (None, None)
    assert tasks.tick.time_limit == 240


def test_the_queue_is_the_shops_unless_a_setting_names_one(settings):
    assert tasks.train.queue is None
    settings.RECO_QUEUE = "slow"
    assert tasks.train.queue == tasks.tick.queue == "slow"


def test_a_job_runs_and_says_what_came_of_it():
    products(1)
    assert tasks.sync_items.apply().get() == "done"
    assert Item.objects.count() == 5
    assert tasks.sync_items.apply(kwargs={"only_if_due": True}).get() == "not due"


def test_r08_the_same_message_five_times_is_one_execution():
    products(1)
    now = dt.datetime.now(dt.UTC).isoformat()
    said = [tasks.sync_items.apply(headers={"reco_sent_at": now}).get() for _ in range(5)]
    assert said == ["done"] + ["done since"] * 4
    assert JobLog.objects.filter(name="sync_items").count() == 1
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)).isoformat()
    assert tasks.sync_items.apply(headers={"reco_sent_at": later}).get() == "done"


def test_r08_the_same_due_job_handed_over_five_times_is_one_execution():
    products(1)
    said = [tasks.sync_items.apply(args=[1, True]).get() for _ in range(5)]
    assert said == ["done"] + ["not due"] * 4


def test_the_tick_hands_over_what_is_due_and_does_nothing_itself(sent):
    started = tasks.tick.apply().get()
    assert "sync_items" in started
    assert sent == [(f"reco.{name}", [1], {"only_if_due": True}) for name in started]
    assert not JobLog.objects.exists()
    sent.clear()
    for name in started:
        execute(name, 1)
    handed = tasks.tick.apply(args=[1]).get()
    assert "sync_items" not in handed
    request("sync_items", 1)
    assert "sync_items" in tasks.tick.apply(args=[1]).get()


def test_messages_say_when_they_were_sent():
    tasks.train.apply_async(args=[1])
    headers = celery.Celery.send_task.options[-1]["headers"]
    sent_at = dt.datetime.fromisoformat(headers["reco_sent_at"])
    assert abs(dt.datetime.now(dt.UTC) - sent_at) < dt.timedelta(minutes=1)
    options = celery.Celery.send_task.options[-1]
    assert options["expires"] == beat.EXPIRES
    assert options["soft_time_limit"] < options["time_limit"]


def test_the_tick_asks_for_helpers_while_shards_are_open(sent, settings):
    for number in range(6):
        Shard.objects.create(job="sync_items", batch=uuid.UUID(int=1), number=number)
    settings.RECO_HELPERS = 3
    tasks.tick.apply()
    assert [name for name, *_ in sent].count("reco.help_out") == 3
    Shard.objects.filter(number__gt=0).delete()
    sent.clear()
    tasks.tick.apply()
    assert [name for name, *_ in sent].count("reco.help_out") == 1


def test_switched_off_the_tick_sends_nothing(sent, settings):
    Shard.objects.create(job="sync_items", number=0)
    settings.RECO_ENABLED = False
    assert tasks.tick.apply().get() == []
    assert sent == []


def test_a_helper_takes_shards():
    products(2)
    payload = {"site": 1, "after": None, "upto": None, "rows": 10}
    Shard.objects.create(job="sync_items", number=0, payload=payload)
    assert tasks.help_out.apply().get() == 1
    assert Item.objects.count() == 10
    assert shards.open_shards(1) == 0


def test_outside_a_worker_nobody_is_asked_for_help(sent):
    work_split.send(sender=Shard, name="sync_items", site=1, shards=5)
    assert sent == []


def test_r03_a_silent_broker_does_not_hold_up_the_job_that_asks_for_help(monkeypatch):
    """It takes the connection and never answers."""
    answers, asked = threading.Event(), threading.Event()

    def hang(self, name, args=None, kwargs=None, **options):
        asked.set()
        assert answers.wait(10)

    monkeypatch.setattr(celery.Celery, "send_task", hang)
    worker = SimpleNamespace(request=SimpleNamespace(is_eager=False))
    monkeypatch.setattr(tasks, "current_task", worker)
    began = time.monotonic()
    work_split.send(sender=Shard, name="sync_items", site=1, shards=2)
    took = time.monotonic() - began
    assert asked.wait(5)
    answers.set()
    assert took < 5


def test_a_worker_asks_for_one_helper_less_than_there_are_shards(monkeypatch, settings):
    counted = threading.Semaphore(0)

    def send(self, name, args=None, kwargs=None, **options):
        assert (name, args) == ("reco.help_out", [1])
        counted.release()

    monkeypatch.setattr(celery.Celery, "send_task", send)
    worker = SimpleNamespace(request=SimpleNamespace(is_eager=False))
    monkeypatch.setattr(tasks, "current_task", worker)
    settings.RECO_HELPERS = 9
    work_split.send(sender=Shard, name="sync_items", site=1, shards=3)
    assert counted.acquire(timeout=5)
    assert counted.acquire(timeout=5)
    assert not counted.acquire(timeout=0.1)


def test_a_broker_that_refuses_hinders_neither_the_tick_nor_a_job(monkeypatch, caplog):
    def refuse(self, *args, **options):
        raise ConnectionRefusedError("no broker")

    monkeypatch.setattr(celery.Celery, "send_task", refuse)
    Shard.objects.create(job="sync_items", number=0)
    assert tasks.tick.apply().get() == []
    assert "no helpers could be asked for" in caplog.text
    assert not Job.objects.filter(token__isnull=False).exists()


def test_erasing_twice_is_harmless():
    product = products(1)[0]
    user = Customer.objects.create(email="a@example.com")
    visitor = uuid.uuid4()
    event(product, shopper_id(1, user.pk), user_id=user.pk).save()
    event(product, visitor).save()
    assert tasks.erase.apply(kwargs={"user": user.pk}).get()["interactions"] == 1
    assert tasks.erase.apply(kwargs={"user": user.pk}).get()["interactions"] == 0
    assert tasks.erase.apply(kwargs={"visitor": str(visitor)}).get()["interactions"] == 1
    assert not Interaction.objects.exists()
    with pytest.raises(ValueError, match="Name a user or a visitor"):
        tasks.erase.apply(throw=True)


def test_without_celery_the_module_says_how_to_install_it():
    code = (
        "import sys; sys.modules['celery'] = None\n"
        "import django; django.setup()\n"
        "import reco_plugin.tasks"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert found.returncode == 1
    assert "pip install 'django-reco-plugin[celery]'" in found.stderr
    assert "reco_tick" in found.stderr
