"""What the tables say of the line's health, for instruments: few statements, asked for rarely."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import Error, connections
from django.db.models import Max

from reco_plugin import backends, clock, conf
from reco_plugin.bounded import bounded_writes
from reco_plugin.jobs.running.schedule import Standing, standing
from reco_plugin.models import ActiveRun, Interaction, Job, OrderCursor

TIMEOUT_MS = 500
CACHE_SECONDS = 15.0
FAILED_SECONDS = 5.0
"""A failure is told again for so long: a database in trouble is not asked by every balancer's ping."""
Moments = Mapping[int, dt.datetime]
"""By site."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One look at the tables. Moments are aware; a site that has none is left out."""

    jobs: Mapping[int, tuple[Standing, ...]]
    """By site: the jobs this shop wants."""
    live_runs: Mapping[tuple[int, str], dt.datetime]
    """By site and kind: when the run that is live was begun."""
    orders_synced: Moments
    last_events: Moments
    workers_seen: Moments
    """When a worker last gave a sign of life: a beat, or the end of a job."""
    taken_at: dt.datetime


def figures() -> Figures:
    """Look now. Raises django.db.Error; each statement may take TIMEOUT_MS."""
    using = conf.settings.DATABASE
    with connection_as_before(using), bounded_writes(using, TIMEOUT_MS):
        sites = _sites(using)
        return Figures(
            jobs={site: tuple(job for job in standing(site) if _counts(job)) for site in sites},
            live_runs=_live_runs(using),
            orders_synced=_latest(OrderCursor, "synced_at", using),
            last_events=_last_events(sites, using),
            workers_seen=_workers_seen(using),
            taken_at=clock.now(),
        )


class Cached:
    """The figures of at most CACHE_SECONDS ago, for one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Figures | Error | None = None
        self._until = 0.0

    def __call__(self) -> Figures:
        """Raises django.db.Error."""
        with self._lock:
            if self._found is None or time.monotonic() >= self._until:
                self._look()
            found = self._found
        if isinstance(found, Error):
            raise found.with_traceback(None)
        assert found is not None
        return found

    def _look(self) -> None:
        self._found, seconds = None, CACHE_SECONDS
        try:
            self._found = figures()
        except Error as error:
            self._found, seconds = error, FAILED_SECONDS
        self._until = time.monotonic() + seconds

    def forget(self) -> None:
        """Look anew when next asked."""
        with self._lock:
            self._found = None


latest = Cached()
"""What every instrument of this process shares."""


def _counts(job: Standing) -> bool:
    """Jobs that never run in this shop say nothing of its health."""
    return job.row is not None or (job.spec.wanted() and job.due_at is not None)


def _sites(using: str) -> list[int]:
    found = set(Job.objects.using(using).values_list("site", flat=True).distinct())
    return sorted(found | {backends.site()})


def _live_runs(using: str) -> dict[tuple[int, str], dt.datetime]:
    rows = ActiveRun.objects.using(using).values_list("site", "kind", "run__created_at")
    return {(site, kind): begun for site, kind, begun in rows}


def _last_events(sites: list[int], using: str) -> dict[int, dt.datetime]:
    """One look into the index per site; MAX over all of them would read every event."""
    events = Interaction.objects.using(using).order_by("-occurred_at")
    latest = {
        site: events.filter(site=site).values_list("occurred_at", flat=True).first()
        for site in sites
    }
    return {site: moment for site, moment in latest.items() if moment is not None}


def _workers_seen(using: str) -> dict[int, dt.datetime]:
    found = (
        Job.objects.using(using).values_list("site").annotate(Max("beat_at"), Max("finished_at"))
    )
    seen = {site: [moment for moment in moments if moment] for site, *moments in found}
    return {site: max(moments) for site, moments in seen.items() if moments}


def _latest(model: type[OrderCursor], field: str, using: str) -> dict[int, dt.datetime]:
    return dict(model.objects.using(using).values_list("site").annotate(Max(field)))


@contextmanager
def connection_as_before(using: str) -> Iterator[None]:
    """Close a connection that was opened in here: nobody else would, in a thread outside any request."""
    connection = connections[using]
    had_none = connection.connection is None
    try:
        yield
    finally:
        if had_none and not connection.in_atomic_block:
            connection.close()
