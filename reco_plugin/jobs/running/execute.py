"""Run a job once: take its lease, do it, write down what it came to."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models.functions import Now

from reco_plugin import backends, conf, logs
from reco_plugin.exceptions import AlreadyRunning, JobTimedOut, LeaseLost
from reco_plugin.jobs.record import loudness, reconnect
from reco_plugin.jobs.running import lease
from reco_plugin.jobs.running.schedule import (
    JobSpec,
    back_off,
    interval,
    specs,
    standing,
    time_limit,
)
from reco_plugin.jobs.running.work import JobFailed, Work
from reco_plugin.models import Job, JobLog, Outcome
from reco_plugin.signals import job_finished
from reco_plugin.stores.base import Progress

__all__ = ["Execution", "Work", "execute", "pause", "request", "resume"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What became of one call of `execute`."""

    name: str
    site: int
    outcome: Outcome | None = None
    """None when it was skipped."""
    report: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0
    skipped: str = ""
    """'busy', 'not due', 'paused' or 'switched off'."""

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "outcome": self.outcome and self.outcome.value}


def execute(
    name: str,
    site: int | None = None,
    *,
    only_if_due: bool = False,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Execution:
    """Run the job `name` now, or say why not; never raises but KeyboardInterrupt and SystemExit.

    With `only_if_due` it runs when `schedule.standing` says so: of any number of calls, at once or one
    after another, one runs it. Without, it runs although it is paused or not due. Raises ValueError
    for a name there is no job of.
    """
    if name not in specs():
        raise ValueError(f"There is no job {name!r}; there are {', '.join(specs())}.")
    site = backends.site() if site is None else site
    if not conf.settings.ENABLED:
        return Execution(name=name, site=site, skipped="switched off")
    try:
        held = _taken(name, site, only_if_due=only_if_due)
    except AlreadyRunning:
        return Execution(name=name, site=site, skipped="busy")
    except (DatabaseError, InterfaceError) as error:
        log.warning("job %s of site %s could not be taken: %s", name, site, error)
        return Execution(name=name, site=site, outcome=Outcome.FAILED, error=logs.kept(error))
    if held is None:
        return Execution(name=name, site=site, skipped=_why_not(name, site))
    return _run(specs()[name], Work(held, options=options, progress=progress))


def request(name: str, site: int | None = None) -> None:
    """Let it start at the next tick, whatever the schedule says, also when it is paused."""
    row = _row(name, site)
    row.update(requested_at=Now())
    row.filter(token=None).update(beat_at=None)  # an offer made before does not count


def pause(name: str, site: int | None = None) -> None:
    """Keep it from starting by itself; one that runs goes on."""
    _row(name, site).update(is_paused=True)


def resume(name: str, site: int | None = None) -> None:
    """Take `pause` back."""
    _row(name, site).update(is_paused=False)


def _row(name: str, site: int | None) -> Any:
    if name not in specs():
        raise ValueError(f"There is no job {name!r}; there are {', '.join(specs())}.")
    site = backends.site() if site is None else site
    lease.rows().bulk_create([Job(site=site, name=name)], ignore_conflicts=True)
    return lease.rows().filter(site=site, name=name)


# --- taking --------------------------------------------------------------------------------------


def _taken(name: str, site: int, *, only_if_due: bool) -> lease.Held | None:
    def is_due() -> bool:
        return any(job.is_due for job in standing(site) if job.spec.name == name)

    return lease.take(site, name, limit=time_limit(name), ready=is_due if only_if_due else None)


def _why_not(name: str, site: int) -> str:
    paused = lease.rows().filter(site=site, name=name, is_paused=True).exists()
    return "paused" if paused else "not due"


# --- running -------------------------------------------------------------------------------------


def _run(spec: JobSpec, work: Work) -> Execution:
    started = time.perf_counter()
    outcome, error = Outcome.DONE, ""
    try:
        work.report.update(spec.work(work))
    except Exception as raised:  # noqa: BLE001 - told in the row, the log and the answer
        outcome, error = _outcome(raised), _words(raised)
        _log_error(work, raised)
    except BaseException as raised:
        _interrupted(work, raised)
        raise
    seconds = round(time.perf_counter() - started, 3)
    if outcome != Outcome.TAKEN_OVER:
        outcome = _finish(work, outcome, error)
    told = Execution(
        name=work.name,
        site=work.site,
        outcome=outcome,
        report=work.report,
        error=error,
        seconds=seconds,
    )
    job_finished.send_robust(
        sender=Work,
        name=work.name,
        site=work.site,
        outcome=outcome,
        seconds=seconds,
        report=work.report,
    )
    return told


def _log_error(work: Work, error: Exception) -> None:
    if not isinstance(error, JobFailed):
        level, trace = loudness(error)
        log.log(level, "job %s of site %s: %s", work.name, work.site, error, exc_info=trace)


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, LeaseLost):
        return Outcome.TAKEN_OVER
    return Outcome.TIMED_OUT if isinstance(error, JobTimedOut) else Outcome.FAILED


def _words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "Out of memory."
    return logs.plain(error) if isinstance(error, ImproperlyConfigured) else logs.kept(error)


def _finish(work: Work, outcome: Outcome, error: str) -> Outcome:
    """Write it down and let go. A database that is away leaves the row to be taken over."""
    work.held.still()
    reconnect()
    try:
        with transaction.atomic(using=conf.settings.DATABASE):
            if not work.held.let_go(**_standing_after(work, outcome, error)):
                return Outcome.TAKEN_OVER
            if outcome != Outcome.DONE or work.report or not specs()[work.name].is_quiet:
                _log(work, outcome, error)
    except (DatabaseError, InterfaceError):
        log.exception("the end of job %s (%s) could not be written", work.name, outcome)
    return outcome


def _standing_after(work: Work, outcome: Outcome, error: str) -> dict[str, Any]:
    if outcome == Outcome.DONE:
        return {
            "succeeded_at": Now(),
            "failures": 0,
            "retry_at": None,
            "error": "",
            "checkpoint": {},
        }
    failures = work.held.failures + 1
    return {
        "failures": failures,
        "retry_at": Now() + back_off(work.name, failures),
        "error": error,
        "checkpoint": work.checkpoint,
    }


def _log(work: Work, outcome: Outcome, error: str) -> None:
    row = lease.rows().get(site=work.site, name=work.name)
    assert row.started_at is not None
    assert row.finished_at is not None
    JobLog.objects.using(conf.settings.DATABASE).create(
        site=work.site,
        name=work.name,
        attempt=work.held.attempt,
        outcome=outcome,
        holder=lease.holder(),
        started_at=row.started_at,
        finished_at=row.finished_at,
        timings=work.timings,
        report=work.report,
        error=error,
    )


def _interrupted(work: Work, error: BaseException) -> None:
    """Ctrl-C is an answer: it is not tried again before its time. Whoever ends the process otherwise
    (a deployment, say) wants the job to go on elsewhere."""
    words = f"Interrupted ({type(error).__name__})."
    work.held.still()
    reconnect()
    try:
        with transaction.atomic(using=conf.settings.DATABASE):
            if work.held.let_go(**_left(work, error, words)):
                _log(work, Outcome.FAILED, words)
    except (DatabaseError, InterfaceError):
        log.exception("the interruption of job %s could not be written", work.name)


def _left(work: Work, error: BaseException, words: str) -> dict[str, Any]:
    if isinstance(error, KeyboardInterrupt):
        wait = dt.timedelta(seconds=interval(work.name))
        return {"error": words, "checkpoint": {}, "retry_at": Now() + wait}
    return {"error": words, "requested_at": Now()}
