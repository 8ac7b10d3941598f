"""One holder per job and site: a row with a token, kept alive by beats, taken over when they cease.

All times are the database's, so the clocks of the workers do not matter; nothing depends on a database
session, so a transaction pooler does not either.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from reco_plugin import conf
from reco_plugin.exceptions import AlreadyRunning, JobTimedOut, LeaseLost
from reco_plugin.jobs.heartbeat import Heartbeat
from reco_plugin.models import Job, JobLog, Outcome

log = logging.getLogger(__name__)

SILENCE = 1.5
"""Heartbeats without a word after which a holder counts as dead: found out within two."""
OFFER = dt.timedelta(minutes=5)
"""A job that a worker was told of is not offered again for that long."""
BEATS = 3
"""Beats sent in the time of one heartbeat, so that one that is lost does no harm."""


def silence() -> dt.timedelta:
    """How long a holder may be silent."""
    return dt.timedelta(seconds=conf.settings.HEARTBEAT_SECONDS * SILENCE)


def pause() -> float:
    """Seconds between two beats."""
    return conf.settings.HEARTBEAT_SECONDS / BEATS


def silent() -> Q:
    """Rows whose holder is silent, or was last heard of in the future: then the clock was set back."""
    return Q(beat_at__lt=Now() - silence()) | Q(beat_at__gt=Now() + silence())


def rows() -> QuerySet[Job]:
    return Job.objects.using(conf.settings.DATABASE)


def holder() -> str:
    """This process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"[:255]


class Held:
    """The right to run a job, for as long as this process beats.

    `check` and `fence` tell when it is gone; every write that must not come from a process that was
    taken over is made in a transaction that begins with `fence`.
    """

    def __init__(self, row: Job, token: uuid.UUID, limit: float = 0) -> None:
        self.site, self.name = row.site, row.name
        self.attempt = row.attempt
        self.failures = row.failures
        """In a row, before this execution."""
        self.checkpoint: dict[str, Any] = row.checkpoint
        self.token = token
        self.holder = holder()
        self._pk = row.pk
        self._limit = limit
        self._began = self._heard = time.monotonic()
        self._lost = threading.Event()
        self._told: dict[str, Any] = {}
        self._heartbeat: Heartbeat | None = None

    # --- what the holder asks -----------------------------------------------------------------

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    @property
    def seconds(self) -> float:
        """Since it was taken."""
        return time.monotonic() - self._began

    def seconds_left(self) -> float | None:
        """Until the time limit; None without one."""
        return max(self._limit - self.seconds, 0.0) if self._limit else None

    def check(self) -> None:
        """Cheap, often called, never uses the caller's connection. Raises LeaseLost, and JobTimedOut
        past the limit."""
        if self._heartbeat and time.monotonic() - self._heard > silence().total_seconds():
            self._heartbeat.hurry()  # this process was stopped for a while: still ours?
        if self.is_lost:
            raise self._gone()
        if self.seconds_left() == 0:
            raise JobTimedOut(
                f"Job {self.name!r} of site {self.site} was ended after {self._limit:g} s, its limit "
                "(RECO_TIME_LIMITS)."
            )

    def fence(self) -> None:
        """Lock the row until the end of the transaction. Raises LeaseLost when it is another's by now."""
        if not connections[conf.settings.DATABASE].in_atomic_block:
            raise RuntimeError("fence() guards a transaction: call it inside atomic().")
        self.write()

    def write(self, **values: Any) -> None:
        """Beat, and put `values` into the row. Raises LeaseLost."""
        self.beat(**values)
        if self.is_lost:
            raise self._gone()

    def tell(self, **values: Any) -> None:
        """Leave `values` to be written with the next beat."""
        self._told.update(values)

    # --- beating ------------------------------------------------------------------------------

    def beat(self, **values: Any) -> None:
        """Say that the holder lives; from any thread, on that thread's connection."""
        told, self._told = self._told, {}
        if self._mine().update(beat_at=Now(), **(told | values)):
            self._heard = time.monotonic()
        else:
            self._lost.set()

    def keep_alive(self) -> None:
        """Beat from a thread of its own, unless other connections cannot see the row."""
        if _is_private(conf.settings.DATABASE):
            return
        self._heartbeat = Heartbeat(self._beat_or_end, pause(), conf.settings.DATABASE)
        self._heartbeat.start()

    def _beat_or_end(self) -> bool:
        """False ends the beating: the lease is lost, or the job hangs far beyond its limit."""
        if self._limit and self.seconds > 2 * self._limit + 60:
            log.error("job %s of site %s hangs; it is let go of", self.name, self.site)
            self._lost.set()
        else:
            self.beat()
        return not self.is_lost

    # --- the end ------------------------------------------------------------------------------

    def still(self) -> None:
        """End the beating thread."""
        if self._heartbeat is not None:
            self._heartbeat.end()
            self._heartbeat = None

    def let_go(self, **values: Any) -> bool:
        """Free the row, with `values`. False when it was another's already."""
        self.still()
        freed = {"token": None, "beat_at": None, "holder": "", "stage": "", "done": 0, "total": 0}
        return bool(self._mine().update(finished_at=Now(), **(freed | values)))

    def _mine(self) -> QuerySet[Job]:
        return rows().filter(pk=self._pk, token=self.token)

    def _gone(self) -> LeaseLost:
        return LeaseLost(
            f"Job {self.name!r} of site {self.site} was taken over by another process, for this one "
            f"had been silent for more than {silence().total_seconds():g} s (RECO_HEARTBEAT_SECONDS)."
        )


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


def _is_private(alias: str) -> bool:
    """No other connection sees what this one writes: inside a transaction, or in memory."""
    connection: Any = connections[alias]
    if connection.in_atomic_block:
        return True
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())
