"""Which jobs there are, how often each runs, and which are due now. One table, one statement."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import backends, clock, conf
from reco_plugin.jobs import lease
from reco_plugin.models import Job

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from reco_plugin.jobs.work import Work

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a job is and how often it runs."""

    name: str
    title: _StrPromise
    every: float
    """Seconds between two successes; 0: only when asked for."""
    soft_limit: float
    """Seconds after which it is asked to end; 0 for none."""
    work: Callable[[Work], Mapping[str, Any]]
    """Does it; returns a JSON-able report."""
    wanted: Callable[[], bool] = field(default=lambda: True)
    """Is there anything to do in this shop?"""
    after: tuple[str, ...] = ()
    """A newer success of these makes it due."""
    needs: tuple[str, ...] = ()
    """Not by itself before these have succeeded once, where they are wanted."""


def specs() -> Mapping[str, JobSpec]:
    """Every job by name, in running order."""
    return {spec.name: spec for spec in _SPECS}


def interval(name: str) -> float:
    """Seconds between two successes: RECO_INTERVALS over the default; 0: never by itself."""
    return float(conf.settings.INTERVALS.get(name, specs()[name].every))


def time_limit(name: str) -> float:
    """Seconds: RECO_TIME_LIMITS over the default; 0 for none."""
    return float(conf.settings.TIME_LIMITS.get(name, specs()[name].soft_limit))


def back_off(name: str, failures: int) -> dt.timedelta:
    """How long to wait after that many failures in a row: 1, 2, 4 … minutes, at most the job's interval
    and six hours; between half of that and all of it, so that not all shops come back at once."""
    most = min(interval(name) or 6 * HOUR, 6 * HOUR)
    seconds = min(MINUTE * 2.0 ** min(failures - 1, 20), most)
    return dt.timedelta(seconds=seconds * random.uniform(0.5, 1.0))  # noqa: S311


def _lazily(module: str) -> Callable[[Work], Mapping[str, Any]]:
    """The module's `work`, imported when it is first run: some of them load the number crunchers."""

    def work(work: Work) -> Mapping[str, Any]:
        found: Mapping[str, Any] = import_module(f"reco_plugin.jobs.{module}").work(work)
        return found

    return work


_SPECS = (
    JobSpec(
        name="sync_items",
        title=gettext_lazy("Read the catalogue"),
        every=HOUR,
        soft_limit=2 * HOUR,
        work=_lazily("sync_items"),
    ),
    JobSpec(
        name="sync_orders",
        title=gettext_lazy("Read the orders"),
        every=10 * MINUTE,
        soft_limit=HOUR,
        work=_lazily("sync_orders"),
        wanted=lambda: bool(conf.settings.ORDERS),
    ),
    JobSpec(
        name="popular",
        title=gettext_lazy("Count what is popular"),
        every=HOUR,
        soft_limit=HOUR,
        work=_lazily("popular"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="train",
        title=gettext_lazy("Train"),
        every=DAY,
        soft_limit=6 * HOUR,
        work=_lazily("train"),
        needs=("sync_items", "sync_orders"),
    ),
    JobSpec(
        name="score",
        title=gettext_lazy("Find similar products in advance"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("score"),
        after=("train",),
        needs=("train",),
    ),
    JobSpec(
        name="evaluate",
        title=gettext_lazy("Measure quality"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("evaluate"),
        needs=("train",),
    ),
    JobSpec(
        name="rollup",
        title=gettext_lazy("Add up daily totals"),
        every=HOUR,
        soft_limit=HOUR,
        work=_lazily("rollup"),
    ),
    JobSpec(
        name="sweep",
        title=gettext_lazy("Put right what the shop deleted"),
        every=DAY,
        soft_limit=HOUR,
        work=_lazily("sweep"),
    ),
    JobSpec(
        name="prune",
        title=gettext_lazy("Let go of what is old"),
        every=DAY,
        soft_limit=2 * HOUR,
        work=_lazily("prune"),
    ),
)


# --- where they stand ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One job of one site, as it is now."""

    spec: JobSpec
    row: Job | None
    is_due: bool
    is_running: bool
    is_stale: bool
    """Its holder fell silent; whoever takes it goes on with it."""
    due_at: dt.datetime | None
    """None when it does not start by itself."""
    why: str


def standing(site: int | None = None) -> list[Standing]:
    """Every job of a site, in running order. One statement; times are those of the database."""
    site = backends.site() if site is None else site
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    found = {row.name: row for row in lease.rows().filter(site=site).annotate(now=now)}
    return [_standing(spec, found) for spec in specs().values()]


def _standing(spec: JobSpec, found: Mapping[str, Any]) -> Standing:
    row = found.get(spec.name)
    now = row.now if row else next((other.now for other in found.values()), clock.now())
    silent = _is_silent(row, now)
    running = row is not None and row.token is not None and not silent
    due_at, why = _due(spec, found, now)
    return Standing(
        spec=spec,
        row=row,
        is_due=not running and due_at is not None and due_at <= now,
        is_running=running,
        is_stale=silent,
        due_at=due_at,
        why=_("It is running.") if running else why,
    )


def _is_silent(row: Any, now: dt.datetime) -> bool:
    if row is None or row.token is None or row.beat_at is None:
        return False
    return bool(abs(now - row.beat_at) > lease.silence())


def _due(
    spec: JobSpec, found: Mapping[str, Any], now: dt.datetime
) -> tuple[dt.datetime | None, str]:
    """When it starts by itself, and why."""
    row = found.get(spec.name)
    if not conf.settings.ENABLED:
        return None, _("RECO_ENABLED is off.")
    if row is not None and row.requested_at is not None:
        return row.requested_at and min(row.requested_at, now), _("Somebody asked for it.")
    if row is not None and row.is_paused:
        return None, _("It is paused.")
    if not spec.wanted():
        return None, _("There is nothing for it to do in this shop.")
    return _by_itself(spec, row, found, now)


def _by_itself(
    spec: JobSpec, row: Any, found: Mapping[str, Any], now: dt.datetime
) -> tuple[dt.datetime | None, str]:
    if row is not None and row.token is not None:
        return now, _("Its worker fell silent.")
    if not interval(spec.name):
        return None, _("It runs only when asked for.")
    missing = [
        name for name in spec.needs if specs()[name].wanted() and not _succeeded(found, name)
    ]
    if missing:
        return None, _("It waits for the first success of %(names)s.") % {
            "names": ", ".join(missing)
        }
    return _next(spec, row, found, now)


def _next(
    spec: JobSpec, row: Any, found: Mapping[str, Any], now: dt.datetime
) -> tuple[dt.datetime, str]:
    if row is None or row.started_at is None:
        return now, _("It never ran.")
    if row.failures and row.retry_at is not None:
        most = now + dt.timedelta(
            seconds=6 * HOUR
        )  # a clock set back does not postpone it for longer
        return (row.retry_at if row.retry_at <= most else now), _("It failed and is tried again.")
    if row.succeeded_at is None or row.finished_at is None or row.finished_at < row.started_at:
        return now, _("It did not come to its end.")
    newer = [name for name in spec.after if _succeeded(found, name, since=row.started_at)]
    if newer:
        return now, _("There is news from %(names)s.") % {"names": ", ".join(newer)}
    if row.succeeded_at > now + lease.silence():
        return now, _("The clock of the database was set back.")
    due_at = row.succeeded_at + dt.timedelta(seconds=interval(spec.name))
    return due_at, _("Its interval is %(hours)g hours.") % {"hours": interval(spec.name) / HOUR}


def _succeeded(found: Mapping[str, Any], name: str, *, since: dt.datetime | None = None) -> bool:
    row = found.get(name)
    if row is None or row.succeeded_at is None:
        return False
    return since is None or bool(row.succeeded_at > since)
