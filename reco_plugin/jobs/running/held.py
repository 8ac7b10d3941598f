"""A job in the hands of this process, until it lets go or is thought dead."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Now

from reco_plugin import conf
from reco_plugin.exceptions import JobTimedOut, LeaseLost
from reco_plugin.jobs.running.beats import Present, holder, is_private, pause, rows, silence
from reco_plugin.jobs.running.heartbeat import Heartbeat
from reco_plugin.models import Job

log = logging.getLogger(__name__)


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
        if self._mine().update(beat_at=Present(), **(told | values)):
            self._heard = time.monotonic()
        else:
            self._lost.set()

    def keep_alive(self) -> None:
        """Beat from a thread of its own, unless other connections cannot see the row."""
        if is_private():
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
