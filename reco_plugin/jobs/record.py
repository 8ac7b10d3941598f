"""The Run row of a job: born, finished, or failed with a plain message."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connections

from reco_plugin import clock, conf
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.stages import Stages
from reco_plugin.models import Run, RunStatus
from reco_plugin.signals import training_finished

log = logging.getLogger(__name__)


def begin(site: int, kind: str, trainer: str, config: dict[str, Any]) -> Run:
    """A new row with status RUNNING. Call it under the lease: rows another process left RUNNING are
    then known to be dead, and are marked so."""
    runs = Run.objects.using(conf.settings.DATABASE)
    unfinished = [RunStatus.RUNNING, RunStatus.TRAINED]
    runs.filter(site=site, kind=kind, status__in=unfinished).update(
        status=RunStatus.FAILED,
        error="The process that ran it ended without a word (killed, or out of memory).",
        finished_at=clock.now(),
    )
    return runs.create(site=site, kind=kind, trainer=trainer, config=config)


@contextmanager
def recorded(run: Run, stages: Stages) -> Iterator[None]:
    """Run a job's steps: whatever is raised ends as status FAILED and words in `run.error`.

    Errors stop here, the run tells of them; KeyboardInterrupt and SystemExit pass on.
    """
    try:
        yield
    except Exception as error:
        log.log(_level(error), "run %s failed: %s", run.pk, error, exc_info=error)
        _fail(run, _words(error))
    except BaseException as error:
        _fail(run, f"Interrupted ({type(error).__name__}).")
        raise
    finally:
        _finish(run, stages)


def _level(error: Exception) -> int:
    return logging.WARNING if isinstance(error, RecoError) else logging.ERROR


def _words(error: Exception) -> str:
    if isinstance(error, RecoError):
        return str(error)
    if isinstance(error, MemoryError):
        return "Out of memory. Train on less (RECO_WINDOW_DAYS) or on a larger machine."
    return f"{type(error).__name__}: {error}"


def _fail(run: Run, words: str) -> None:
    run.status = RunStatus.FAILED
    run.error = words.replace("\x00", "")


def _finish(run: Run, stages: Stages) -> None:
    run.finished_at = clock.now()
    run.timings = stages.seconds
    reconnect()
    try:
        run.save()
    except DatabaseError:
        log.exception("run %s: its end (%s) could not be written", run.pk, run.status)
        return
    training_finished.send_robust(sender=Run, run=run)


def reconnect() -> None:
    """Let go of a database connection that died or grew old during hours of training."""
    connection = connections[conf.settings.DATABASE]
    if not connection.in_atomic_block:  # a caller's transaction is not ours to end
        connection.close_if_unusable_or_obsolete()
