"""A shard in the hands of one worker: taken by one statement, kept by beats, handed back once."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest, Now
from psycopg import sql

from reco_plugin import conf, logs
from reco_plugin.exceptions import LeaseLost
from reco_plugin.jobs.running import lease
from reco_plugin.jobs.running.heartbeat import Heartbeat
from reco_plugin.models import Shard

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""Times a shard is tried before its batch fails. A worker that died doing it has tried it, too."""

_TAKE = """
UPDATE {shards} SET token = %(token)s, beat_at = statement_timestamp(), attempts = attempts + 1
WHERE id = (
  SELECT id FROM {shards}
  WHERE site = %(site)s AND job = ANY(%(jobs)s) AND done_at IS NULL AND attempts < %(most)s
    AND (%(batch)s::uuid IS NULL OR batch = %(batch)s::uuid)
    AND (token IS NULL OR beat_at < statement_timestamp() - %(silence)s
         OR beat_at > statement_timestamp() + %(silence)s)
  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *"""


class ShardLost(LeaseLost):
    """Somebody else does this shard by now."""


class Claim:
    """The right to do one shard, until somebody thinks we are dead."""

    def __init__(self, shard: Shard) -> None:
        self.job, self.number = shard.job, shard.number
        self.payload: dict[str, Any] = dict(shard.payload)
        self._shard = shard
        self._lost = threading.Event()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Beat for the length of the block, unless no other connection can see the row."""
        if lease.is_private():
            yield
            return
        heartbeat = Heartbeat(self._beat, lease.pause(), conf.settings.DATABASE)
        heartbeat.start()
        try:
            yield
        finally:
            heartbeat.end()

    def check(self) -> None:
        """Cheap, often called. Raises ShardLost."""
        if self._lost.is_set():
            raise ShardLost(f"Shard {self.number} of {self.job!r} was taken over.")

    def finish(self, result: dict[str, Any]) -> None:
        """Hand the result in; one that comes too late is not wanted any more."""
        self._mine().update(done_at=Now(), result=result, token=None, error="")

    def fail(self, error: Exception) -> None:
        """Leave it to be tried again, by whomever."""
        log.warning("shard %s of %s failed", self.number, self.job, exc_info=error)
        self._mine().update(token=None, error=logs.kept(error))

    def give_back(self) -> None:
        """Not tried: this worker has to end. Whoever took the job over may have begun to count anew."""
        self._mine().update(token=None, attempts=Greatest(F("attempts") - 1, 0))

    def _beat(self) -> bool:
        if not self._mine().update(beat_at=Now()):
            self._lost.set()
        return not self._lost.is_set()

    def _mine(self) -> QuerySet[Shard]:
        return rows().filter(pk=self._shard.pk, token=self._shard.token)


def rows() -> QuerySet[Shard]:
    return Shard.objects.using(conf.settings.DATABASE)


def is_over() -> Q:
    """Open shards that nobody will do any more."""
    return Q(done_at=None, attempts__gte=MOST_ATTEMPTS) & (Q(token=None) | lease.silent())


def take(site: int, jobs: Sequence[str], batch: uuid.UUID | None = None) -> Claim | None:
    """The first shard of `jobs` that nobody alive is doing, or None. No two workers get the same."""
    if connections[conf.settings.DATABASE].vendor != "postgresql":
        return _take_plainly(site, jobs, batch)
    parameters = {
        "token": uuid.uuid4(),
        "site": site,
        "jobs": list(jobs),
        "batch": batch,
        "most": MOST_ATTEMPTS,
        "silence": lease.silence(),
    }
    taken = rows().raw(_statement(), parameters)
    return next((Claim(shard) for shard in taken), None)


def _statement() -> str:
    return sql.SQL(_TAKE).format(shards=sql.Identifier(Shard._meta.db_table)).as_string(None)


def _take_plainly(site: int, jobs: Sequence[str], batch: uuid.UUID | None) -> Claim | None:
    """Without row locks that can be skipped: look, then take what is still as it was."""
    free = Q(token=None) | lease.silent()
    found = rows().filter(free, site=site, job__in=jobs, done_at=None, attempts__lt=MOST_ATTEMPTS)
    while shard := (found if batch is None else found.filter(batch=batch)).order_by("pk").first():
        seen, token = rows().filter(pk=shard.pk, attempts=shard.attempts), uuid.uuid4()
        if seen.update(token=token, beat_at=Now(), attempts=F("attempts") + 1):
            shard.token = token
            return Claim(shard)
    return None
