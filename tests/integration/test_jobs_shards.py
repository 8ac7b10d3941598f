"""Split work: every shard done once as far as one can see, whoever does it and whoever dies."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections import Counter
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from reco_plugin.exceptions import JobTimedOut, LeaseLost, ShardFailed
from reco_plugin.jobs.running import claims, lease, shards
from reco_plugin.jobs.running.shards import help_out, split_and_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Shard
from reco_plugin.signals import work_split

pytestmark = pytest.mark.django_db

JOB = "sync_items"
"""Helpers only take shards of jobs they know."""
only_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite works alone")


@pytest.fixture(autouse=True)
def _soon(monkeypatch, settings):
    settings.RECO_HEARTBEAT_SECONDS = 0.6
    monkeypatch.setattr(shards, "PATIENCE", (0.01, 0.05))


@pytest.fixture
def work():
    held = lease.take(1, JOB)
    assert held is not None
    yield Work(held)
    held.let_go()


@pytest.fixture
def do(monkeypatch):
    """Work that counts who did what; helpers do the same."""
    done: Counter[int] = Counter()

    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        progress("x", 1, 2)
        done[payload["n"]] += 1
        return {"twice": 2 * payload["n"]}

    do.done = done
    monkeypatch.setattr(shards, "DOERS", {JOB: "unused"})
    monkeypatch.setattr(shards, "import_string", lambda path: lambda: do)
    return do


def numbers(count: int) -> list[dict[str, int]]:
    return [{"n": number} for number in range(count)]


def shard(**changes: Any) -> Shard:
    values = {"job": JOB, "batch": uuid.uuid4(), "number": 0, "payload": {"n": 7}}
    return Shard.objects.create(**{**values, **changes})


def long_ago() -> dt.datetime:
    return timezone.now() - dt.timedelta(hours=2)


# --- the job that splits -------------------------------------------------------------------------


def test_results_come_in_order_and_nothing_is_left(work, do):
    assert split_and_run(work, numbers(5), do) == [{"twice": 2 * n} for n in range(5)]
    assert do.done == Counter(range(5))
    assert not Shard.objects.exists()


def test_nothing_to_split_is_nothing_to_do(work, do):
    assert split_and_run(work, [], do) == []
    assert not Shard.objects.exists()


def test_others_are_told_that_there_is_work(work, do):
    told = []

    def receive(**kwargs: Any) -> None:
        told.append((kwargs["name"], kwargs["site"], kwargs["shards"], Shard.objects.count()))

    work_split.connect(receive)
    try:
        split_and_run(work, numbers(3), do)
        split_and_run(work, numbers(1), do)
    finally:
        work_split.disconnect(receive)
    assert told == [(JOB, 1, 3, 3)]


def test_progress_counts_rows(do):
    seen = []
    held = lease.take(1, JOB)
    assert held is not None
    work = Work(held, progress=lambda stage, done, total: seen.append((stage, done, total)))
    split_and_run(work, [{"n": 0, "rows": 10}, {"n": 1, "rows": 30}], do, stage="some")
    assert seen == [("some", done, 40) for done in (0, 5, 10, 25, 40)]


def test_a_shard_that_fails_is_tried_again(work):
    tries = []

    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        tries.append(payload["n"])
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return payload

    assert split_and_run(work, numbers(1), do) == [{"n": 0}]
    assert tries == [0, 0, 0]


def test_a_shard_that_fails_three_times_fails_the_batch_with_its_error(work):
    done = []

    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        if payload["n"] == 1:
            raise RuntimeError("product 13\x00 is cursed")
        done.append(payload["n"])
        return payload

    with pytest.raises(
        ShardFailed, match=r"Shard 1 .* failed 3 times: RuntimeError: product 13 is"
    ):
        split_and_run(work, numbers(3), do)
    assert done == [0, 2]


def test_after_a_failure_only_what_failed_is_done_again(work, do):
    def fails(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        if payload["n"] == 1:
            raise RuntimeError("no")
        return {"twice": 2 * payload["n"]}

    with pytest.raises(ShardFailed):
        split_and_run(work, numbers(3), fails)
    assert [found["twice"] for found in split_and_run(work, numbers(3), do)] == [0, 2, 4]
    assert do.done == Counter([1])


def test_a_job_that_is_ended_gives_its_shard_back(work):
    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        raise JobTimedOut("too long")

    with pytest.raises(JobTimedOut):
        split_and_run(work, numbers(2), do)
    assert list(Shard.objects.values_list("token", "attempts", "done_at")) == [(None, 0, None)] * 2


def test_ctrl_c_gives_the_shard_back(work):
    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split_and_run(work, numbers(1), do)
    assert list(Shard.objects.values_list("token", "attempts")) == [(None, 0)]


def test_a_job_that_lost_its_lease_splits_nothing(work, do):
    lease.rows().update(token=uuid.uuid4())
    with pytest.raises(LeaseLost):
        split_and_run(work, numbers(2), do)
    assert not Shard.objects.exists()
    assert not do.done


# --- after a death -------------------------------------------------------------------------------


def died_after(work: Work, count: int) -> None:
    """A job that was killed when it had done `count` of five shards."""

    class Killed(BaseException):
        pass

    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        if payload["n"] == count:
            raise Killed
        return {"twice": 2 * payload["n"]}

    with pytest.raises(Killed):
        split_and_run(work, numbers(5), do)


def test_who_takes_over_goes_on_with_what_is_done(work, do):
    died_after(work, 3)
    assert len(split_and_run(work, numbers(5), do)) == 5
    assert sorted(do.done) == [3, 4]


def test_what_was_done_long_ago_is_done_again(work, do):
    died_after(work, 3)
    Shard.objects.filter(number=0).update(done_at=long_ago())
    split_and_run(work, numbers(5), do)
    assert sorted(do.done) == [0, 3, 4]


def test_a_job_whose_results_keep_goes_on_with_old_ones(work, do):
    died_after(work, 3)
    Shard.objects.filter(number=0).update(done_at=long_ago())
    split_and_run(work, numbers(5), do, fresh=dt.timedelta(days=1))
    assert sorted(do.done) == [3, 4]


def test_other_work_than_that_which_was_left_starts_anew(work, do):
    died_after(work, 3)
    assert len(split_and_run(work, numbers(6), do)) == 6
    assert sorted(do.done) == [0, 1, 2, 3, 4, 5]
    assert not Shard.objects.exists()


def test_a_shard_whose_worker_died_is_taken_over(work, do):
    died_after(work, 0)
    Shard.objects.filter(number=2).update(token=uuid.uuid4(), beat_at=long_ago())
    assert len(split_and_run(work, numbers(5), do)) == 5


def test_a_shard_that_kills_every_worker_fails_the_batch(work, do):
    died_after(work, 0)
    batch = Shard.objects.values_list("batch", flat=True)[0]
    Shard.objects.filter(number=2).update(
        token=uuid.uuid4(), beat_at=long_ago(), attempts=claims.MOST_ATTEMPTS
    )
    with pytest.raises(ShardFailed, match="the process that did it died"):
        shards._work_off(work, batch, do, shards._Told(work, "x", numbers(5)))


# --- helpers -------------------------------------------------------------------------------------


def test_a_helper_does_open_shards_until_there_are_none(do):
    batch = uuid.uuid4()
    for number in range(3):
        shard(batch=batch, number=number, payload={"n": number})
    assert shards.open_shards(1) == 3
    assert help_out(1) == 3
    assert shards.open_shards(1) == 0
    assert help_out(1) == 0
    assert list(Shard.objects.order_by("number").values_list("result", flat=True)) == [
        {"twice": 0},
        {"twice": 2},
        {"twice": 4},
    ]


def test_a_helper_leaves_alone_what_is_not_for_it(do, settings):
    shard(site=2)
    shard(job="of a newer version")
    shard(token=uuid.uuid4(), beat_at=timezone.now())
    shard(done_at=timezone.now())
    shard(attempts=claims.MOST_ATTEMPTS)
    assert help_out(1) == 0
    shard()
    settings.RECO_ENABLED = False
    assert help_out(1) == 0
    settings.RECO_ENABLED = True
    assert help_out(1, limit_s=0) == 0
    assert help_out(1) == 1


def test_a_clock_set_back_blocks_no_shard(do):
    shard(token=uuid.uuid4(), beat_at=timezone.now() + dt.timedelta(hours=1))
    assert help_out(1) == 1


def test_a_helper_survives_a_shard_that_fails(monkeypatch):
    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        raise ValueError("no")

    monkeypatch.setattr(shards, "import_string", lambda path: lambda: do)
    shard()
    assert help_out(1) == 0
    found = Shard.objects.get()
    assert (found.attempts, found.token, found.error) == (3, None, "ValueError: no")
    assert shards.open_shards(1) == 0


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_worker_thought_dead_is_stopped_and_its_result_not_wanted(monkeypatch):
    """It hangs, somebody else finishes the shard, it wakes up."""

    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        Shard.objects.update(token=uuid.uuid4())
        for _ in range(100):
            threading.Event().wait(0.02)
            progress("x", 0, 1)
        pytest.fail("nobody stopped it")

    monkeypatch.setattr(shards, "import_string", lambda path: lambda: do)
    shard()
    assert help_out(1) == 0
    found = Shard.objects.get()
    assert (found.done_at, found.result, found.error) == (None, {}, "")


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_shard_that_takes_long_is_not_taken_over(monkeypatch):
    taken = []

    def do(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        threading.Event().wait(1.5)
        taken.append(claims.take(1, [JOB]))
        return {}

    monkeypatch.setattr(shards, "import_string", lambda path: lambda: do)
    shard()
    assert help_out(1) == 1
    assert taken == [None]


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_many_workers_never_do_the_same_shard(work, do):
    """Eight at once, claims that skip what is locked."""

    def helper() -> None:
        try:
            start.wait()
            counts.append(help_out(1))
        finally:
            connections.close_all()

    counts: list[int] = []
    start = threading.Barrier(8)
    batch = shards._opened(work, numbers(60), shards.FRESH)
    threads = [threading.Thread(target=helper) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 60
    assert set(do.done.values()) == {1}
    assert len(do.done) == 60
    assert Shard.objects.filter(batch=batch, done_at=None).count() == 0


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_job_waits_for_shards_others_hold(work, do):
    """A helper holds a shard while the job has nothing left to do."""
    held, release = threading.Event(), threading.Event()

    def slow(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        held.set()
        release.wait(5)
        return {"twice": -1}

    def helper() -> None:
        try:
            claim = claims.take(1, [JOB])
            assert claim is not None
            shards._attempt(claim, slow, shards._silent)
        finally:
            connections.close_all()

    def free(payload: dict[str, Any], progress: Any) -> dict[str, Any]:
        if not held.is_set():
            thread.start()
            assert held.wait(5)
            threading.Timer(0.3, release.set).start()
        return do(payload, progress)

    thread = threading.Thread(target=helper)
    found = split_and_run(work, numbers(3), free)
    thread.join()
    assert found == [{"twice": 0}, {"twice": -1}, {"twice": 4}]
    assert connection.is_usable()


def test_r07_a_helper_that_has_to_end_gives_back_what_a_successor_counts_anew():
    Shard.objects.create(job=JOB, number=0)
    claim = claims.take(1, [JOB])
    assert claim is not None
    Shard.objects.update(attempts=0)  # as the job that took over does with open shards
    claim.give_back()
    shard = Shard.objects.get()
    assert (shard.token, shard.attempts) == (None, 0)
