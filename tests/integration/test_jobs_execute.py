from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from reco_plugin.exceptions import LeaseLost, RecoError
from reco_plugin.jobs.running import lease as leases
from reco_plugin.jobs.running import specs as table
from reco_plugin.jobs.running.execute import execute, pause, request, resume
from reco_plugin.jobs.running.lease import lease
from reco_plugin.jobs.running.specs import JobSpec
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Job, JobLog, Outcome
from reco_plugin.signals import job_finished, job_stage_entered, job_stage_left

pytestmark = pytest.mark.django_db


class Task:
    """A job that does what a test wants."""

    def __init__(self) -> None:
        self.count = 0
        self.do: Any = lambda work: {"read": 3}

    def __call__(self, work: Work) -> Any:
        self.count += 1
        return self.do(work)


@pytest.fixture
def task(monkeypatch) -> Task:
    work = Task()
    job = JobSpec(name="read", title="Read", every=3_600.0, soft_limit=100.0, work=work)
    monkeypatch.setattr(table, "_SPECS", (job,))
    return work


def row() -> Job:
    return Job.objects.get()


# --- what becomes of it --------------------------------------------------------------------------


def test_a_success_is_written_down(task):
    found = execute("read")
    assert (found.outcome, found.report, found.error, found.skipped) == (
        Outcome.DONE,
        {"read": 3},
        "",
        "",
    )
    assert (row().failures, row().checkpoint, row().token) == (0, {}, None)
    assert row().succeeded_at is not None
    log = JobLog.objects.get()
    assert (log.outcome, log.report, log.attempt) == (Outcome.DONE, {"read": 3}, 1)
    assert log.started_at <= log.finished_at


def test_a_failure_is_told_and_waits(task):
    task.do = failing(OperationalError("disk\x00 full"))
    found = execute("read")
    assert (found.outcome, found.error) == (Outcome.FAILED, "OperationalError: disk full")
    assert (row().failures, row().error) == (1, "OperationalError: disk full")
    assert row().succeeded_at is None
    assert JobLog.objects.get().error == found.error
    assert execute("read", only_if_due=True).skipped == "not due"
    execute("read")
    assert row().failures == 2
    task.do = lambda work: {}
    execute("read")
    assert (row().failures, row().retry_at, row().error) == (0, None, "")


def failing(error: BaseException) -> Any:
    def do(work: Work) -> None:
        work.report["seen"] = 7
        work.keep(done=[1, 2])
        raise error

    return do


def test_what_a_failed_job_kept_and_said_is_kept(task):
    task.do = failing(RecoError("no"))
    assert execute("read").report == {"seen": 7}
    assert JobLog.objects.get().report == {"seen": 7}
    seen = []
    task.do = lambda work: seen.append(dict(work.checkpoint)) or {}
    execute("read")
    assert seen == [{"done": [1, 2]}]
    assert row().checkpoint == {}


def test_a_job_past_its_limit_has_timed_out(task):
    def slow(work: Work) -> None:
        work.held._began -= 101
        work.progress("reading", 1, 2)

    task.do = slow
    found = execute("read")
    assert found.outcome == Outcome.TIMED_OUT
    assert "100 s" in found.error
    assert JobLog.objects.get().outcome == Outcome.TIMED_OUT


def test_a_job_that_was_taken_over_writes_nothing_more(task):
    def overtaken(work: Work) -> Any:
        Job.objects.update(token="11111111-1111-1111-1111-111111111111", stage="theirs")
        with work.stage("next"):
            pass

    task.do = overtaken
    found = execute("read")
    assert found.outcome == Outcome.TAKEN_OVER
    assert "RECO_HEARTBEAT_SECONDS" in found.error
    assert row().stage == "theirs"
    assert row().succeeded_at is None
    assert not JobLog.objects.exists()


def test_a_job_that_did_not_notice_is_not_counted_as_a_success(task):
    task.do = lambda work: Job.objects.update(token="11111111-1111-1111-1111-111111111111") and {}
    assert execute("read").outcome == Outcome.TAKEN_OVER
    assert row().succeeded_at is None


@pytest.mark.parametrize(
    ("error", "goes_on"), [(KeyboardInterrupt(), False), (SystemExit(143), True)]
)
def test_an_interruption_passes_on_and_lets_go(task, error, goes_on):
    """Ctrl-C is an answer; a deployment is not."""
    task.do = failing(error)
    with pytest.raises(type(error)):
        execute("read")
    assert (row().token, row().failures) == (None, 0)
    assert bool(row().checkpoint) == goes_on
    assert JobLog.objects.get().error.startswith("Interrupted")
    task.do = lambda work: {}
    assert bool(execute("read", only_if_due=True).outcome) == goes_on


def test_an_unreachable_database_is_an_answer_not_an_error(task, monkeypatch):
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr(leases, "take", away)
    found = execute("read")
    assert (found.outcome, task.count) == (Outcome.FAILED, 0)
    assert "could not connect" in found.error


def test_an_unknown_name_is_a_mistake(task):
    for call in (execute, request, pause):
        with pytest.raises(ValueError, match="there are read"):
            call("raed")


# --- whether it runs -----------------------------------------------------------------------------


def test_r08_the_same_task_five_times_runs_it_once(task):
    found = [execute("read", only_if_due=True) for _ in range(5)]
    assert task.count == 1
    assert [one.skipped for one in found] == ["", *["not due"] * 4]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="several connections at once")
@pytest.mark.django_db(transaction=True)
def test_r08_the_same_task_five_times_at_once_runs_it_once(task):
    inside, gate = threading.Event(), threading.Barrier(5)
    skipped: list[str] = []

    def slow(work: Work) -> Any:
        inside.wait(5)
        return {}

    def deliver() -> None:
        try:
            gate.wait()
            skipped.append(execute("read", only_if_due=True).skipped)
        finally:
            connection.close()
            if len(skipped) == 4:
                inside.set()

    task.do = slow
    threads = [threading.Thread(target=deliver) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert task.count == 1
    assert sorted(skipped) == ["", *["busy"] * 4]


def test_busy_paused_switched_off(task, settings):
    with lease(1, "read"):
        assert execute("read").skipped == "busy"
    pause("read")
    assert execute("read", only_if_due=True).skipped == "paused"
    resume("read")
    settings.RECO_ENABLED = False
    assert execute("read").skipped == "switched off"
    assert task.count == 0


def test_what_is_asked_for_runs_once(task):
    execute("read")
    pause("read")
    leases.offer(1, "read")
    request("read")
    assert row().beat_at is None
    assert execute("read", only_if_due=True).outcome == Outcome.DONE
    assert row().requested_at is None
    assert execute("read", only_if_due=True).skipped == "paused"


def test_in_another_site(task):
    assert execute("read", 7).site == 7
    assert row().site == 7


# --- seen from outside ---------------------------------------------------------------------------


def test_stages_are_seen_told_and_timed(task):
    told: list[tuple[str, str]] = []
    seen: list[tuple[str, int, int]] = []

    def listen(signal: Any, stage: str = "", **_: Any) -> None:
        told.append(("in" if signal is job_stage_entered else "out", stage))

    def finished(outcome: str, report: Any, seconds: float, **_: Any) -> None:
        told.append((outcome, str(report)))

    def staged(work: Work) -> Any:
        for name in ("fetch", "write"):
            with work.stage(name):
                work.progress(name, 2, 5)
                work.held.beat()
                seen.append((row().stage, row().done, row().total))
        return {"n": 1}

    for signal in (job_stage_entered, job_stage_left):
        signal.connect(listen)
    job_finished.connect(finished)
    task.do = staged
    try:
        execute("read")
    finally:
        for signal in (job_stage_entered, job_stage_left):
            signal.disconnect(listen)
        job_finished.disconnect(finished)
    assert told == [
        ("in", "fetch"),
        ("out", "fetch"),
        ("in", "write"),
        ("out", "write"),
        ("done", "{'n': 1}"),
    ]
    assert seen == [("fetch", 2, 5), ("write", 2, 5)]
    assert set(JobLog.objects.get().timings) == {"fetch", "write"}
    assert row().stage == ""


def test_progress_reaches_whoever_asked(task):
    told: list[tuple[str, int, int]] = []

    def do(work: Work) -> Any:
        work.progress("x", 1, 2)
        return work.options

    task.do = do
    found = execute(
        "read",
        options={"seed": 3},
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    assert told == [("x", 1, 2)]
    assert found.report == {"seed": 3}


def test_a_stage_of_a_lost_job_does_not_begin(task):
    entered: list[str] = []

    def do(work: Work) -> Any:
        Job.objects.update(token=None, beat_at=Now())
        with work.stage("write"):
            entered.append("write")

    task.do = do
    assert execute("read").outcome == Outcome.TAKEN_OVER
    assert entered == []


def test_a_fence_lets_a_lost_job_write_nothing(task):
    def do(work: Work) -> Any:
        Job.objects.update(token=None)
        work.fence()

    task.do = do
    assert execute("read").outcome == Outcome.TAKEN_OVER
    assert issubclass(LeaseLost, RecoError)
