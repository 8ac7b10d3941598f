from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db.models.functions import Now

from reco_plugin.jobs.running import lease as leases
from reco_plugin.jobs.running import specs as table
from reco_plugin.jobs.running.lease import lease, take
from reco_plugin.jobs.running.schedule import (
    Standing,
    back_off,
    interval,
    specs,
    standing,
    time_limit,
)
from reco_plugin.jobs.running.specs import JobSpec
from reco_plugin.jobs.running.tick import tick
from reco_plugin.models import Job

pytestmark = pytest.mark.django_db


def spec(name: str, **more: Any) -> JobSpec:
    values = {"title": name, "every": 3_600.0, "soft_limit": 0.0, "work": lambda work: {}, **more}
    return JobSpec(name=name, **values)


@pytest.fixture(autouse=True)
def three(monkeypatch, settings) -> None:
    """`read` every hour, `learn` once `read` has succeeded, `score` when there is news of `learn`."""
    settings.RECO_HEARTBEAT_SECONDS = 10.0
    jobs = (
        spec("read"),
        spec("learn", every=86_400.0, needs=("read",)),
        spec("score", every=86_400.0, after=("learn",), needs=("learn",)),
    )
    monkeypatch.setattr(table, "_SPECS", jobs)


def ago(**units: float) -> Any:
    return Now() - dt.timedelta(**units)


def ran(name: str, **more: Any) -> None:
    """A job that ran and succeeded just now, or as `more` says."""
    values = {"started_at": ago(seconds=2), "succeeded_at": Now(), "finished_at": Now(), **more}
    Job.objects.bulk_create([Job(name=name)], ignore_conflicts=True)
    Job.objects.filter(name=name).update(**values)


def stands(name: str) -> Standing:
    return next(job for job in standing(1) if job.spec.name == name)


def due() -> list[str]:
    return [job.spec.name for job in standing(1) if job.is_due]


# --- when ----------------------------------------------------------------------------------------


def test_one_statement_decides(django_assert_num_queries):
    with django_assert_num_queries(1):
        standing(1)


def test_a_job_that_goes_on_failing_is_waited_for_no_longer():
    ran("read", succeeded_at=None, failures=table.SOON, retry_at=Now() + dt.timedelta(hours=1))
    assert due() == ["learn"]


def test_what_never_ran_is_due_once_what_it_needs_has_run():
    assert due() == ["read"]
    assert stands("learn").why == "It waits for the first success of read."
    ran("read")
    assert due() == ["learn"]
    ran("learn")
    assert due() == ["score"]
    ran("score", started_at=Now())
    assert due() == []


def test_what_is_needed_but_not_wanted_is_not_waited_for(monkeypatch):
    jobs = (spec("read", wanted=lambda: False), spec("learn", needs=("read",)))
    monkeypatch.setattr(table, "_SPECS", jobs)
    assert due() == ["learn"]
    assert "nothing for it to do" in stands("read").why


def test_r09_it_is_due_an_interval_after_its_last_success():
    """By elapsed time in the database, in UTC: no wall clock, so no hour that comes twice."""
    ran("read", succeeded_at=ago(minutes=59))
    assert not stands("read").is_due
    row = stands("read").row
    assert row is not None
    assert stands("read").due_at == row.succeeded_at + dt.timedelta(hours=1)
    ran("read", succeeded_at=ago(minutes=61))
    assert stands("read").is_due


def test_a_newer_success_of_what_it_follows_makes_it_due():
    ran("read")
    ran("score", started_at=ago(hours=2), succeeded_at=ago(hours=1), finished_at=ago(hours=1))
    ran("learn", succeeded_at=ago(hours=3))
    assert "score" not in due()
    ran("learn", succeeded_at=ago(minutes=90))
    assert stands("score").is_due, "it began before that success, so it has not seen it"
    assert "learn" in stands("score").why


def test_sites_do_not_meet():
    Job.objects.create(site=2, name="read")
    assert stands("read").row is None


def test_intervals_and_limits_are_laid_over_the_defaults(settings):
    settings.RECO_INTERVALS = {"read": 60}
    settings.RECO_TIME_LIMITS = {"read": 30}
    ran("read", succeeded_at=ago(seconds=61))
    assert stands("read").is_due
    assert (interval("read"), time_limit("read")) == (60.0, 30.0)
    assert (interval("learn"), time_limit("learn")) == (86_400.0, 0.0)
    settings.RECO_INTERVALS = {"read": 0}
    assert stands("read").due_at is None
    assert "only when asked for" in stands("read").why


# --- by hand -------------------------------------------------------------------------------------


def test_paused_it_does_not_start_by_itself_but_when_asked_for():
    ran("read", succeeded_at=ago(days=9), is_paused=True)
    assert (stands("read").is_due, stands("read").why) == (False, "It is paused.")
    Job.objects.update(requested_at=Now())
    assert stands("read").is_due


def test_what_was_asked_for_waits_for_nothing(settings):
    settings.RECO_INTERVALS = {"learn": 0}
    ran("learn", requested_at=Now(), failures=9, retry_at=Now() + dt.timedelta(hours=1))
    assert stands("learn").is_due


def test_switched_off_nothing_is_due(settings):
    settings.RECO_ENABLED = False
    ran("read", requested_at=Now())
    assert due() == []
    assert stands("read").why == "RECO_ENABLED is off."


# --- what went wrong -----------------------------------------------------------------------------


def test_a_running_job_is_not_due_and_a_dead_one_is():
    with lease(1, "read"):
        assert (stands("read").is_running, stands("read").is_due) == (True, False)
        Job.objects.update(beat_at=ago(seconds=16))
        found = stands("read")
        assert (found.is_running, found.is_stale, found.is_due) == (False, True, True)


def test_what_kills_its_process_every_time_has_to_wait():
    take(1, "read")
    Job.objects.update(beat_at=ago(seconds=20), failures=1)
    assert stands("read").is_due
    Job.objects.update(failures=2)
    assert not stands("read").is_due
    Job.objects.update(beat_at=ago(seconds=61))
    assert stands("read").is_due
    Job.objects.update(failures=30, beat_at=ago(hours=5))
    assert not stands("read").is_due
    Job.objects.update(beat_at=ago(hours=6.1))
    assert stands("read").is_due


def test_after_a_failure_it_waits_for_its_time():
    ran("read", retry_at=Now() + dt.timedelta(minutes=1), succeeded_at=ago(days=1))
    assert not stands("read").is_due
    Job.objects.update(retry_at=ago(seconds=1))
    assert stands("read").is_due


def test_back_off_grows_with_jitter_up_to_the_interval():
    waits = [back_off("read", failures).total_seconds() for failures in (1, 2, 3, 50)]
    for wait, most in zip(waits, (60, 120, 240, 3_600), strict=True):
        assert most / 2 <= wait <= most
    assert len({back_off("read", 9) for _ in range(5)}) > 1


def test_what_was_interrupted_is_due():
    ran("read", started_at=ago(minutes=1), succeeded_at=ago(minutes=9), finished_at=ago(minutes=9))
    assert "did not come to its end" in stands("read").why
    assert stands("read").is_due


@pytest.mark.parametrize("field", ["succeeded_at", "retry_at"])
def test_r16_a_clock_set_back_postpones_nothing(field):
    ran("read")
    Job.objects.update(**{field: Now() + dt.timedelta(days=300)})
    assert stands("read").is_due


# --- the tick ------------------------------------------------------------------------------------


def test_a_tick_with_nothing_due_is_one_statement(django_assert_num_queries):
    for name in specs():
        ran(name, started_at=Now())
    with django_assert_num_queries(1):
        assert tick(1, start=lambda name, site: None) == []


def test_a_tick_runs_what_is_due_one_after_another():
    found = tick(1)
    assert [(one.name, one.why) for one in found] == [("read", "It never ran.")]
    assert found[0].execution is not None
    assert found[0].execution.outcome == "done"
    assert [one.name for one in tick(1)] == ["learn"]


def test_a_tick_hands_over_what_is_due_once():
    told: list[tuple[str, int]] = []

    def start(name: str, site: int) -> None:
        told.append((name, site))

    assert [one.name for one in tick(1, start=start)] == ["read"]
    assert tick(1, start=start) == []
    assert told == [("read", 1)]


def test_a_broker_that_refuses_is_asked_again(caplog):
    def refused(name: str, site: int) -> None:
        raise ConnectionRefusedError("broker")

    assert tick(1, start=refused) == []
    assert "could not be handed to a worker" in caplog.text
    assert len(tick(1, start=lambda name, site: None)) == 1


def test_switched_off_a_tick_reads_nothing(settings, django_assert_num_queries):
    settings.RECO_ENABLED = False
    with django_assert_num_queries(0):
        assert tick(1) == []


def test_of_a_dead_job_one_worker_is_told():
    take(1, "read")
    Job.objects.update(beat_at=ago(seconds=20))
    told: list[str] = []
    for _ in range(3):
        tick(1, start=lambda name, site: told.append(name))
    assert told == ["read"]
    assert leases.rows().get().token is None
