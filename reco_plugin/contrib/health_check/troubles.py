"""What is wrong with recommendations now, in words for a health page."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import Error

from reco_plugin import backends, clock, conf
from reco_plugin.bounded import bounded_writes
from reco_plugin.breaker import State, states
from reco_plugin.contrib import figures
from reco_plugin.contrib.figures import Figures
from reco_plugin.jobs.running.schedule import Standing
from reco_plugin.models import ActiveRun
from reco_plugin.stores.base import Handle

logger = logging.getLogger(__name__)

STORE_TIMEOUT_MS = 5_000
"""Longest that one statement of the store may take: whoever asked has given up by then, and asks again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How much may go wrong before it is called trouble."""

    worker: dt.timedelta
    """Since a worker gave a sign of life."""
    late: dt.timedelta
    """That a job is due and has not started."""
    failures: int
    """Of a job, in a row."""


def of_process() -> Iterator[str]:
    """What this process knows without asking a database."""
    for name, state in states().items():
        if state is not State.CLOSED:
            yield f"{name} are given up for a while"


def of_tables(patience: Patience) -> Iterator[str]:
    """What the tables say. Never raises: what cannot be looked at is a trouble, too."""
    try:
        found = figures.latest()
        site = backends.site()
        yield from _of_worker(found, site, patience)
        for job in found.jobs.get(site, ()):
            yield from _of_job(job, found, patience)
        yield from _of_store(site)
    except Error as error:
        yield f"the database does not answer ({type(error).__name__})"
    except Exception as error:
        logger.exception("The health of recommendations could not be looked at.")
        yield f"it could not be looked at ({type(error).__name__})"


def _of_worker(found: Figures, site: int, patience: Patience) -> Iterator[str]:
    seen = found.workers_seen.get(site)
    if seen is None:
        yield "no worker has been seen yet"
    elif _since(seen, found) > patience.worker:
        yield f"no worker has been seen since {seen:%Y-%m-%d %H:%M}"


def _of_job(job: Standing, found: Figures, patience: Patience) -> Iterator[str]:
    if job.row is not None and job.row.failures >= patience.failures:
        yield f"{job.spec.name} failed {job.row.failures} times in a row"
    elif job.is_due and job.due_at and _since(job.due_at, found) > patience.late:
        yield f"{job.spec.name} has been due since {job.due_at:%Y-%m-%d %H:%M}"


def _since(moment: dt.datetime, found: Figures) -> dt.timedelta:
    return found.taken_at - (clock.aware(moment) or found.taken_at)


def _of_store(site: int) -> Iterator[str]:
    """A live run must be there, and its store must be able to read it."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site)
    live = {row.kind: row.run for row in rows.select_related("run")}
    if not live:
        yield "no run is live"
    run = live.get("personal")
    if run is None:
        return
    try:
        handle = Handle(run=run.pk, site=site, state=run.store_state)
        with bounded_writes(conf.settings.DATABASE, STORE_TIMEOUT_MS):
            backends.store(run.store).history(handle, uuid.UUID(int=0), 1)
    except Error:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a store of the shop's own may raise
        yield f"the {run.store} store cannot read run {run.pk} ({type(error).__name__})"
