"""One holder per job and site: a row with a token, kept alive by beats, taken over when they cease.

All times are the database's, so the clocks of the workers do not matter; nothing depends on a database
session, so a transaction pooler does not either.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from reco_plugin import conf
from reco_plugin.exceptions import AlreadyRunning
from reco_plugin.jobs.running.beats import holder, is_private, pause, rows, silence, silent
from reco_plugin.jobs.running.held import Held
from reco_plugin.models import Job, JobLog, Outcome

__all__ = [
    "Held",
    "holder",
    "is_private",
    "lease",
    "offer",
    "pause",
    "rows",
    "silence",
    "silent",
    "take",
    "withdraw",
]

log = logging.getLogger(__name__)

OFFER = dt.timedelta(minutes=5)
"""A job that a worker was told of is not offered again for that long."""


def take(
    site: int, name: str, *, limit: float = 0, ready: Callable[[], bool] | None = None
) -> Held | None:
    """Take a job nobody holds. One of any number that try at once gets it.

    `ready` is asked while the row is locked; None when it says no. Raises AlreadyRunning.
    """
    using = conf.settings.DATABASE
    _demand_row(site, name)
    with transaction.atomic(using=using):
        row = rows().select_for_update(skip_locked=True).filter(site=site, name=name).first()
        if row is None or not _is_free(row):
            raise AlreadyRunning(_busy(site, name))
        if ready is not None and not ready():
            return None
        held = _take(row, limit)
    held.keep_alive()
    return held


def _demand_row(site: int, name: str) -> None:
    if not rows().filter(site=site, name=name).exists():
        rows().bulk_create([Job(site=site, name=name)], ignore_conflicts=True)


def _is_free(row: Job) -> bool:
    return row.token is None or rows().filter(silent(), pk=row.pk).exists()


def _take(row: Job, limit: float) -> Held:
    """The one statement that decides, whatever a database without row locks let through until here."""
    token = uuid.uuid4()
    same = Q(pk=row.pk, attempt=row.attempt, token=row.token)
    taken = (
        rows()
        .filter(same, Q(token=None) | silent())
        .update(**_taken(token), failures=F("failures") + int(row.token is not None))
    )
    if not taken:
        raise AlreadyRunning(_busy(row.site, row.name))
    if row.token is not None:
        bury(row)
        row.failures += 1
    row.attempt += 1
    return Held(row, token, limit)


def _taken(token: uuid.UUID) -> Mapping[str, Any]:
    return {
        "token": token,
        "holder": holder(),
        "beat_at": Now(),
        "started_at": Now(),
        "attempt": F("attempt") + 1,
        "requested_at": None,
        "retry_at": None,
        "stage": "",
        "done": 0,
        "total": 0,
    }


def bury(row: Job) -> None:
    """Log the execution of a holder that fell silent."""
    words = f"Its process ({row.holder}) fell silent" + (f" at {row.stage!r}" if row.stage else "")
    log.warning("job %s of site %s is taken over. %s", row.name, row.site, words)
    JobLog.objects.using(conf.settings.DATABASE).create(
        site=row.site,
        name=row.name,
        attempt=row.attempt,
        outcome=Outcome.TAKEN_OVER,
        holder=row.holder,
        started_at=row.started_at or Now(),
        finished_at=row.beat_at or Now(),
        error=f"{words}; another one went on.",
    )


def offer(site: int, name: str) -> bool:
    """Note that a worker is being told of a job. False when one was a moment ago, or somebody holds it:
    then, of two beats that tick at once, the other one tells."""
    _demand_row(site, name)
    now_or_later = Q(beat_at__gt=Now() - OFFER, beat_at__lt=Now() + OFFER)
    free = rows().filter(site=site, name=name, token=None)
    if free.filter(~now_or_later | Q(beat_at=None)).update(beat_at=Now()):
        return True
    return _reaped(site, name)


def withdraw(site: int, name: str) -> None:
    """Take an offer back, so that the next tick makes it anew."""
    rows().filter(site=site, name=name, token=None).update(beat_at=None)


def _reaped(site: int, name: str) -> bool:
    """Take the job from a dead holder, for whoever is told of it; what was kept is there for them."""
    with transaction.atomic(using=conf.settings.DATABASE):
        row = rows().select_for_update(skip_locked=True).filter(site=site, name=name).first()
        if row is None or row.token is None:
            return False
        dead = rows().filter(silent(), pk=row.pk, attempt=row.attempt, token=row.token)
        if not dead.update(token=None, beat_at=Now(), failures=F("failures") + 1):
            return False
        bury(row)
    return True


@contextmanager
def lease(site: int, name: str) -> Iterator[Held]:
    """Hold the job for the length of a block. Raises AlreadyRunning."""
    held = take(site, name)
    assert held is not None
    try:
        yield held
    finally:
        held.let_go()


def _busy(site: int, name: str) -> str:
    return f"Another process runs the job {name!r} of site {site}; let it finish."
