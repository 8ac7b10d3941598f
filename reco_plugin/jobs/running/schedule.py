"""Which jobs are due now, and why: one statement, by the clock of the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from reco_plugin import backends, clock, conf
from reco_plugin.jobs.running import lease
from reco_plugin.jobs.running.specs import (
    HOUR,
    MINUTE,
    MOST_PATIENCE,
    SOON,
    JobSpec,
    back_off,
    interval,
    specs,
    time_limit,
)
from reco_plugin.models import Job

__all__ = ["JobSpec", "Standing", "back_off", "interval", "specs", "standing", "time_limit"]

Rows = Mapping[str, Any]
"""Job rows by name, each with `now`."""


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
    is_offered: bool
    """A worker has been told of it a short while ago."""
    why: str


def standing(site: int | None = None) -> list[Standing]:
    """Every job of a site, in running order. One statement; times are those of the database."""
    site = backends.site() if site is None else site
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    found = {row.name: row for row in lease.rows().filter(site=site).annotate(now=now)}
    return [_standing(spec, found) for spec in specs().values()]


def _standing(spec: JobSpec, found: Rows) -> Standing:
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
        is_offered=_is_offered(row, now),
        why=_("It is running.") if running else why,
    )


def _is_offered(row: Any, now: dt.datetime) -> bool:
    if row is None or row.token is not None or row.beat_at is None:
        return False
    return bool(abs(now - row.beat_at) < lease.OFFER)


def _is_silent(row: Any, now: dt.datetime) -> bool:
    if row is None or row.token is None or row.beat_at is None:
        return False
    return bool(abs(now - row.beat_at) > lease.silence())


def _due(spec: JobSpec, found: Rows, now: dt.datetime) -> tuple[dt.datetime | None, str]:
    """When it starts by itself, and why."""
    row = found.get(spec.name)
    if not conf.settings.ENABLED:
        return None, _("RECO_ENABLED is off.")
    if row is not None and row.requested_at is not None:
        return min(row.requested_at, now), _("Somebody asked for it.")
    if row is not None and row.is_paused:
        return None, _("It is paused.")
    if not spec.wanted():
        return None, _("There is nothing for it to do in this shop.")
    return _by_itself(spec, row, found, now)


def _by_itself(
    spec: JobSpec, row: Any, found: Rows, now: dt.datetime
) -> tuple[dt.datetime | None, str]:
    if row is not None and row.token is not None:
        return _after_death(row, now), _("Its worker fell silent.")
    if not interval(spec.name):
        return None, _("It runs only when asked for.")
    missing = [name for name in spec.needs if _is_waited_for(name, found)]
    if missing:
        return None, _("It waits for the first success of %(names)s.") % {
            "names": ", ".join(missing)
        }
    return _next(spec, row, found, now)


def _is_waited_for(name: str, found: Rows) -> bool:
    """A job that goes on failing is not: the shop would never be trained for."""
    row = found.get(name)
    gave_up = row is not None and row.failures >= SOON
    return specs()[name].wanted() and not gave_up and not _succeeded(found, name)


def _after_death(row: Any, now: dt.datetime) -> dt.datetime:
    """Now, unless that happens every time."""
    if row.failures < SOON or row.beat_at > now:
        return now
    wait = min(60.0 * 2.0 ** min(row.failures - SOON, 20), MOST_PATIENCE)
    due_at: dt.datetime = row.beat_at + dt.timedelta(seconds=wait)
    return due_at


def _next(spec: JobSpec, row: Any, found: Rows, now: dt.datetime) -> tuple[dt.datetime, str]:
    if row is None or row.started_at is None:
        return now, _("It never ran.")
    if row.retry_at is not None:
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
    return due_at, _often(interval(spec.name))


def _often(seconds: float) -> str:
    if seconds < HOUR:
        return _("It runs every %(minutes)g min.") % {"minutes": seconds / MINUTE}
    return _("It runs every %(hours)g h.") % {"hours": seconds / HOUR}


def _succeeded(found: Rows, name: str, *, since: dt.datetime | None = None) -> bool:
    row = found.get(name)
    if row is None or row.succeeded_at is None:
        return False
    return since is None or bool(row.succeeded_at > since)
