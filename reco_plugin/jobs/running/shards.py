"""Work split into shards: whoever has time takes one, and the job that split it waits for the rest.

The rows are the queue, so nothing is lost with a broker, and a shop without one can help from as many
loops of `reco_tick` as it likes. A shard may be done twice, by a worker that was thought dead: what it
does must be the same twice.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeAlias

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from reco_plugin import conf
from reco_plugin.exceptions import JobTimedOut, LeaseLost, ShardFailed
from reco_plugin.jobs.record import reconnect
from reco_plugin.jobs.running import claims
from reco_plugin.jobs.running.claims import Claim, ShardLost
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Shard
from reco_plugin.signals import work_split
from reco_plugin.stores.base import Progress

log = logging.getLogger(__name__)

Do: TypeAlias = Callable[[dict[str, Any], Progress], dict[str, Any]]
"""(payload, progress) → result, both JSON-able."""

DOERS: Mapping[str, str] = {
    "sync_items": "reco_plugin.jobs.sync_items.ShardSync",
    "score": "reco_plugin.jobs.score.ShardScoring",
    "encode": "reco_plugin.jobs.encode.ShardEncoding",
}
"""Per job a class whose instances do its shards; one instance serves one session of helping, and is closed
then where it has a `close`."""

FRESH = dt.timedelta(hours=1)
"""What a job that died had done longer ago is done again, since the shop has changed meanwhile."""
PATIENCE = (0.05, 1.0)
"""Seconds between two looks at what others are doing: at first, at most."""


def split_and_run(
    work: Work,
    payloads: Sequence[Mapping[str, Any]],
    do: Do,
    *,
    stage: str = "shards",
    fresh: dt.timedelta = FRESH,
) -> list[dict[str, Any]]:
    """Do all of `payloads` together with whoever helps; returns their results in order.

    A job that was taken over, or failed, goes on with what was done `fresh`ly, where its payloads are
    the same.
    `rows` in a payload says how much it counts in the progress. Raises ShardFailed when one failed
    three times, besides what `work.check` raises.
    """
    wanted = [json.loads(json.dumps(dict(payload))) for payload in payloads]
    if not wanted:
        return []
    batch = _opened(work, wanted, fresh)
    if len(wanted) > 1:
        told: dict[str, Any] = {"name": work.name, "site": work.site, "shards": len(wanted)}
        work_split.send_robust(sender=Shard, **told)
    _work_off(work, batch, do, _Told(work, stage, wanted))
    results = list(_of(batch).order_by("number").values_list("result", flat=True))
    _of(batch).delete()
    return results


def help_out(site: int, *, limit_s: float = 300.0) -> int:
    """Do open shards of others' jobs until there are none, or for `limit_s`; returns how many."""
    done, doers = 0, dict[str, Do]()
    end = time.monotonic() + limit_s
    with ExitStack() as stack:
        while conf.settings.ENABLED and time.monotonic() < end:
            claim = claims.take(site, list(DOERS))
            if claim is None:
                break
            if claim.job not in doers:
                doers[claim.job] = import_string(DOERS[claim.job])()
                stack.callback(getattr(doers[claim.job], "close", _nothing))
            done += _attempt(claim, doers[claim.job], _silent)
    return done


def _nothing() -> None:
    """What most have to do at the end."""


def open_shards(site: int) -> int:
    """How many shards are worth helping with: not finished, and not given up."""
    wanted = claims.rows().filter(site=site, job__in=DOERS, done_at=None)
    return wanted.filter(attempts__lt=claims.MOST_ATTEMPTS).count()


# --- the batch -----------------------------------------------------------------------------------


def _opened(work: Work, wanted: list[dict[str, Any]], fresh: dt.timedelta) -> uuid.UUID:
    """The batch to work on: the one a predecessor left, if it is the same work, or a new one."""
    batch = _left(work, wanted) or uuid.uuid4()
    ours = claims.rows().filter(site=work.site, job=work.name)
    with transaction.atomic(using=conf.settings.DATABASE):
        work.fence()
        ours.exclude(batch=batch).delete()
        if not _of(batch).exists():
            claims.rows().bulk_create(_shards(work, batch, wanted))
        _of(batch).filter(done_at__lt=Now() - fresh).update(done_at=None, token=None)
        _of(batch).filter(done_at=None).update(attempts=0)
    work.keep(batch=str(batch))
    return batch


def _left(work: Work, wanted: list[dict[str, Any]]) -> uuid.UUID | None:
    if not (kept := work.checkpoint.get("batch")):
        return None
    payloads = _of(uuid.UUID(kept)).order_by("number").values_list("payload", flat=True)
    return uuid.UUID(kept) if list(payloads) == wanted else None


def _shards(work: Work, batch: uuid.UUID, wanted: list[dict[str, Any]]) -> list[Shard]:
    return [
        Shard(site=work.site, job=work.name, batch=batch, number=number, payload=payload)
        for number, payload in enumerate(wanted)
    ]


def _of(batch: uuid.UUID) -> QuerySet[Shard]:
    return claims.rows().filter(batch=batch)


# --- the work ------------------------------------------------------------------------------------


def _work_off(work: Work, batch: uuid.UUID, do: Do, told: _Told) -> None:
    """Take what is free, and wait for what others hold."""
    pause, most = PATIENCE
    while True:
        left = told.of(_of(batch))
        claim = claims.take(work.site, [work.name], batch) if left else None
        if claim is not None:
            _attempt(claim, do, partial(told.within, claim.number))
            pause = PATIENCE[0]
        elif not left:
            return
        else:
            _demand_hope(batch)
            time.sleep(pause)
            pause = min(2 * pause, most)


def _attempt(claim: Claim, do: Do, told: Progress) -> bool:
    """Was it this worker that did the shard? Errors of the work stay with the shard."""

    def progress(stage: str, done: int, total: int) -> None:
        claim.check()
        told(stage, done, total)

    try:
        with claim.kept():
            result = do(claim.payload, progress)
    except ShardLost as lost:
        log.warning("%s", lost)
        return False
    except (LeaseLost, JobTimedOut):
        claim.give_back()
        raise
    except Exception as error:  # noqa: BLE001  also of the shop's own code: it is tried again
        _fail(claim, error)
        return False
    except BaseException:
        claim.give_back()
        raise
    claim.finish(result)
    return True


def _fail(claim: Claim, error: Exception) -> None:
    """A connection that broke under the shard is replaced first."""
    if isinstance(error, DatabaseError):
        reconnect()
    claim.fail(error)


def _demand_hope(batch: uuid.UUID) -> None:
    """Raises ShardFailed when a shard has been tried often enough."""
    over = _of(batch).filter(claims.is_over()).order_by("number").first()
    if over is not None:
        why = over.error or "the process that did it died"
        raise ShardFailed(
            f"Shard {over.number} of {over.job!r} ({json.dumps(over.payload)}) failed "
            f"{over.attempts} times: {why}"
        )


class _Told:
    """How far a batch is, by the rows of its shards."""

    def __init__(self, work: Work, stage: str, wanted: list[dict[str, Any]]) -> None:
        self._work, self._stage = work, stage
        self._sizes = [int(payload.get("rows", 1)) for payload in wanted]
        self._done = 0

    def of(self, batch: QuerySet[Shard]) -> int:
        """Tell how far the batch is; returns how many shards are open."""
        left = set(batch.filter(done_at=None).values_list("number", flat=True))
        self._done = sum(size for number, size in enumerate(self._sizes) if number not in left)
        self._work.progress(self._stage, self._done, sum(self._sizes))
        return len(left)

    def within(self, number: int, stage: str, done: int, total: int) -> None:
        """Tell how far our own shard is."""
        share = self._sizes[number] * min(done, total) // max(total, 1)
        self._work.progress(self._stage, self._done + share, sum(self._sizes))


def _silent(stage: str, done: int, total: int) -> None:
    """A helper has nobody to tell."""
