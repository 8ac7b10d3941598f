from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.running import specs as table
from reco_plugin.jobs.running.lease import lease
from reco_plugin.jobs.running.specs import JobSpec
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Job, JobLog

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken() -> set[str]:
    """Names of jobs that fail."""
    return set()


@pytest.fixture(autouse=True)
def calls(monkeypatch, broken) -> list[str]:
    """Two jobs, 'read' and 'learn'; what ran is remembered."""
    told: list[str] = []

    def spec(name: str) -> JobSpec:
        def work(work: Work) -> dict[str, Any]:
            told.append(name)
            if name in broken:
                raise RecoError("no disk left")
            return {"n": len(told)}

        return JobSpec(name=name, title=name, every=3_600.0, soft_limit=0.0, work=work)

    monkeypatch.setattr(table, "_SPECS", (spec("read"), spec("learn")))
    return told


def call(*args: Any) -> tuple[int, str]:
    """Exit code and what was written."""
    out = StringIO()
    try:
        call_command(*(str(arg) for arg in args), stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


# --- reco_tick -----------------------------------------------------------------------------------


def test_a_tick_runs_what_is_due_and_says_so(calls):
    code, out = call("reco_tick")
    assert (code, calls) == (0, ["read", "learn"])
    assert "read: done in" in out
    assert "It never ran." in out
    assert call("reco_tick") == (0, "")
    assert calls == ["read", "learn"]


def test_quietly():
    assert call("reco_tick", "--verbosity", 0) == (0, "")


def test_a_tick_in_json():
    lines = [json.loads(line) for line in call("reco_tick", "--json")[1].splitlines()]
    assert [line["job"] for line in lines] == ["read", "learn"]
    assert lines[0]["execution"]["outcome"] == "done"
    assert lines[0]["execution"]["report"] == {"n": 1}


def test_a_dry_run_says_what_is_due_and_starts_nothing(calls):
    code, out = call("reco_tick", "--dry-run")
    assert (code, calls) == (0, [])
    assert out.splitlines()[0].startswith("due read")
    told = json.loads(call("reco_tick", "--dry-run", "--json")[1].splitlines()[1])
    assert told == {"job": "learn", "due": True, "why": "It never ran."}


def test_a_job_that_fails_gives_1_and_does_not_stop_the_next(broken, calls):
    broken.add("read")
    code, out = call("reco_tick")
    assert (code, calls) == (1, ["read", "learn"])
    assert "read failed after 0.0 s: no disk left" in out


def test_of_another_site():
    call("reco_tick", "--site", 4)
    assert set(Job.objects.values_list("site", flat=True)) == {4}


def test_a_database_that_is_away_is_one_line(monkeypatch):
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr("reco_plugin.management.commands.reco_tick.tick", away)
    with pytest.raises(CommandError, match="could not connect"):
        call("reco_tick")


@pytest.mark.parametrize("every", ["0", "-1", "often"])
def test_a_pause_that_is_none_is_refused(every):
    with pytest.raises(CommandError, match="not a number of seconds above 0"):
        call("reco_tick", "--loop", "--every", every)


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """What is started in the background by a shell ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_loop_goes_on_until_it_is_told_to_end(calls, number, heeds_interrupts):
    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        until = time.monotonic() + 60
        while "learn" not in calls and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)  # some turns without anything to do
        os.kill(os.getpid(), number)

    threading.Thread(target=end).start()
    assert call("reco_tick", "--loop", "--every", 0.05)[0] == 0
    assert calls == ["read", "learn"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_loop_waits_for_a_database_that_is_away(monkeypatch):
    answers: list[str] = []

    def away(*_: Any, **__: Any) -> Any:
        answers.append("away")
        if len(answers) == 3:
            raise KeyboardInterrupt
        raise OperationalError("could not connect to server")

    monkeypatch.setattr("reco_plugin.management.commands.reco_tick.tick", away)
    code, out = call("reco_tick", "--loop", "--every", 0.01)
    assert (code, out.count("could not connect")) == (0, 2)


# --- reco_jobs -----------------------------------------------------------------------------------


def test_jobs_lists_where_they_stand():
    call("reco_jobs", "start", "read", "--here")
    lines = call("reco_jobs")[1].splitlines()
    assert lines[0].split()[:2] == ["job", "state"]
    assert lines[1].split()[:2] == ["read", "waiting"]
    assert lines[2].split()[:2] == ["learn", "due"]
    told = [json.loads(line) for line in call("reco_jobs", "--json")[1].splitlines()]
    assert [job["state"] for job in told] == ["waiting", "due"]


def test_jobs_lists_what_runs():
    with lease(1, "read") as held:
        held.write(stage="fetch", done=20, total=1_000)
        assert "running fetch 20/1,000" in call("reco_jobs")[1]


def test_start_lets_it_start_at_the_next_tick(calls):
    call("reco_tick")
    assert "Would start" in call("reco_jobs", "start", "read", "--dry-run")[1]
    assert call("reco_tick") == (0, "")
    assert "next tick" in call("reco_jobs", "start", "read")[1]
    assert "Somebody asked for it" in call("reco_tick")[1]
    assert calls == ["read", "learn", "read"]


def test_start_here(calls, broken):
    code, out = call("reco_jobs", "start", "read", "--here")
    assert (code, calls) == (0, ["read"])
    assert "done in" in out
    assert json.loads(call("reco_jobs", "--json", "start", "learn", "--here")[1])["name"] == "learn"
    with lease(1, "read"):
        assert call("reco_jobs", "start", "read", "--here")[0] == 4
    broken.add("read")
    with pytest.raises(CommandError, match="no disk left"):
        call("reco_jobs", "start", "read", "--here")


def test_start_here_while_switched_off(settings):
    settings.RECO_ENABLED = False
    with pytest.raises(CommandError, match="RECO_ENABLED"):
        call("reco_jobs", "start", "read", "--here")


def test_pause_and_resume(calls):
    assert "Would pause" in call("reco_jobs", "pause", "read", "--dry-run")[1]
    call("reco_jobs", "pause", "read")
    call("reco_tick")
    assert calls == ["learn"]
    assert "It is paused." in call("reco_jobs")[1]
    assert "Would resume" in call("reco_jobs", "resume", "read", "--dry-run")[1]
    call("reco_jobs", "resume", "read")
    call("reco_tick")
    assert calls == ["learn", "read"]


def test_log_tells_what_executions_came_to(broken):
    assert "No job has ended yet." in call("reco_jobs", "log")[1]
    broken.add("learn")
    call("reco_tick")
    lines = call("reco_jobs", "log")[1].splitlines()
    assert lines[1].startswith("learn")
    assert "no disk left" in lines[1]
    assert len(call("reco_jobs", "log", "read")[1].splitlines()) == 2
    assert len(call("reco_jobs", "--json", "log", "--limit", 1)[1].splitlines()) == 1
    assert JobLog.objects.count() == 2


def test_an_unknown_job_is_refused():
    with pytest.raises(CommandError, match="invalid choice: 'raed'"):
        call("reco_jobs", "start", "raed")


def test_an_unreachable_database_is_one_line(monkeypatch):
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr("reco_plugin.management.commands.reco_jobs.standing", away)
    with pytest.raises(CommandError, match="could not connect"):
        call("reco_jobs")
