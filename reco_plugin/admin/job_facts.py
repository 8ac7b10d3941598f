"""How a job stands and what an execution came to, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import clock, conf
from reco_plugin.admin import figures, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.jobs.running.schedule import Standing, interval, time_limit
from reco_plugin.models import JobLog, Outcome, Shard

PATIENCE = dt.timedelta(minutes=5)
"""A job that was asked for and is not taken for so long finds no worker."""
OUTCOMES = {
    Outcome.DONE: gettext_lazy("done"),
    Outcome.FAILED: gettext_lazy("failed"),
    Outcome.TAKEN_OVER: gettext_lazy("taken over"),
    Outcome.TIMED_OUT: gettext_lazy("took too long"),
}


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """What the page says of one job."""

    name: str
    title: Any
    state: str
    """A CSS class: running, stale, failed, paused, due, waiting, off."""
    state_words: str
    why: str
    is_paused: bool
    may_be_asked: bool
    stage: str
    done: str
    total: str
    part: float | None
    """0 to 1, where the total is known."""
    waits_for_worker: bool
    error: str
    facts: list[tuple[Any, str]]


def described(job: Standing) -> JobFacts:
    row = job.row
    state = _state(job)
    asked = clock.aware(row.requested_at) if row else None
    return JobFacts(
        name=job.spec.name,
        title=job.spec.title,
        state=state,
        state_words=_words(state),
        why=job.why,
        is_paused=bool(row and row.is_paused),
        may_be_asked=not job.is_running and asked is None and state != "off",
        stage=row.stage if row and job.is_running else "",
        done=figures.whole(row.done) if row else "",
        total=figures.whole(row.total) if row else "",
        part=min(row.done / row.total, 1.0) if row and row.total and job.is_running else None,
        waits_for_worker=bool(asked and not job.is_running and clock.now() - asked > PATIENCE),
        error=row.error if row else "",
        facts=_facts(job),
    )


def _state(job: Standing) -> str:
    row = job.row
    states = {
        "running": job.is_running,
        "stale": job.is_stale,
        "paused": bool(row and row.is_paused and not row.requested_at),
        "failed": bool(row and row.failures),
        "due": job.is_due,
        "waiting": job.due_at is not None,
    }
    return next((name for name, holds in states.items() if holds), "off")


def _words(state: str) -> str:
    return {
        "running": _("running"),
        "stale": _("fell silent"),
        "paused": _("paused"),
        "failed": _("failed"),
        "due": _("due"),
        "waiting": _("waiting"),
        "off": _("does not start by itself"),
    }[state]


def _facts(job: Standing) -> list[tuple[Any, str]]:
    row, every, limit = job.row, interval(job.spec.name), time_limit(job.spec.name)
    due = _("now") if job.is_due else figures.moment(job.due_at)
    next_start = [] if job.is_running else [(_("Next"), due if job.due_at else figures.NOTHING)]
    found = [
        *next_start,
        (_("Every"), figures.span(every) if every else _("only when asked for")),
        (_("Last success"), _when(row.succeeded_at if row else None)),
    ]
    if row is None:
        return found
    running = job.is_running or job.is_stale
    maybe = [
        (_("Running since"), _when(row.started_at) if running else ""),
        (_("Held by"), row.holder if running else ""),
        (_("Last sign of life"), _when(row.beat_at) if running else ""),
        (_("Asked for"), _when(row.requested_at) if row.requested_at else ""),
        (_("Failures in a row"), figures.whole(row.failures) if row.failures else ""),
        (_("Time limit"), figures.span(limit) if limit and running else ""),
    ]
    return found + [(title, words) for title, words in maybe if words]


def _when(value: dt.datetime | None) -> str:
    return f"{figures.moment(value)} ({figures.ago(value)})" if value else _("never")


def open_shares(site: int, name: str) -> list[tuple[Any, str]]:
    """Of work that was split: shares nobody has finished, and those somebody works on."""
    shards = Shard.objects.using(conf.settings.DATABASE).filter(
        site=site, job=name, done_at__isnull=True
    )
    found = shards.aggregate(open=Count("pk"), held=Count("token"), again=Max("attempts"))
    if not found["open"]:
        return []
    return [
        (_("Shares of work left"), figures.whole(found["open"])),
        (_("of them being worked on"), figures.whole(found["held"])),
        (_("most attempts at one"), figures.whole(found["again"])),
    ]


# --- executions ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One line of the log of a job."""

    pk: int
    outcome: str
    outcome_words: Any
    started: str
    took: str
    holder: str
    error: str
    report: str


def execution(log: JobLog) -> Execution:
    return Execution(
        pk=log.pk,
        outcome=log.outcome,
        outcome_words=outcome(log),
        started=figures.moment(log.started_at),
        took=figures.span(seconds(log)),
        holder=log.holder,
        error=log.error,
        report="; ".join(f"{name}: {value}" for name, value in run_facts.flat(log.report)),
    )


def outcome(log: JobLog) -> Any:
    return OUTCOMES[Outcome(log.outcome)] if log.outcome in Outcome.values else log.outcome


def seconds(log: JobLog) -> float:
    """Never below zero, though a clock may have been set back."""
    return max(0.0, (log.finished_at - log.started_at).total_seconds())


def durations(logs: Sequence[JobLog]) -> LineChart:
    """Of executions, newest first."""
    points = tuple(
        Point(
            x=figures.seconds_since_1970(log.started_at),
            y=seconds(log),
            stands_out=log.outcome != Outcome.DONE,
        )
        for log in reversed(logs)
    )
    return LineChart(
        name="durations",
        title=_("Time taken (✗: did not succeed)"),
        lines=(Line(name=_("time"), points=points),),
        x_title=_("started"),
        x_words=figures.moment_of,
        y_words=figures.span,
        units=(1.0, figures.MINUTE, figures.HOUR),
    )
