"""The Run row of a job: born, finished, or failed with a plain message."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError, connections

from reco_plugin import clock, conf, logs
from reco_plugin.exceptions import JobTimedOut, LeaseLost, RecoError
from reco_plugin.jobs.publish import Fence, save, unfenced
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.jobs.running.work import JobFailed, Work
from reco_plugin.models import Run, RunStatus
from reco_plugin.signals import training_finished

log = logging.getLogger(__name__)

UNFINISHED = (RunStatus.RUNNING, RunStatus.TRAINED)
_ENDED = ("status", "error", "log", "timings", "finished_at")
"""What the end of a published run writes: the rest was saved before, and others may have changed it since
(the artefact loses its shoppers, say)."""
MOST_NOTES = 200
"""Entries of Run.log that are kept."""


def begin(site: int, kind: str, trainer: str, config: dict[str, Any]) -> Run:
    """A new row with status RUNNING. Call it under the lease: rows another process left RUNNING are
    then known to be dead, and are marked so."""
    give_up(site, kind)
    runs = Run.objects.using(conf.settings.DATABASE)
    return runs.create(site=site, kind=kind, trainer=trainer, config=config)


def give_up(site: int, kind: str, *, but: Run | None = None) -> None:
    """Mark the unfinished runs of dead processes FAILED, all `but` the one that is gone on with."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=kind)
    dead = runs.filter(status__in=UNFINISHED)
    if but is not None:
        dead = dead.exclude(pk=but.pk)
    dead.update(
        status=RunStatus.FAILED,
        error="The process that ran it ended without a word (killed, or out of memory); taken over.",
        finished_at=clock.now(),
    )


def note(run: Run, stage: str, words: str) -> None:
    """Add a line to Run.log; written with the next save."""
    at = clock.now().isoformat(timespec="seconds")
    run.log = [*run.log, {"at": at, "stage": stage, "words": words}][-MOST_NOTES:]


@contextmanager
def stage(run: Run, work: Work, name: str) -> Iterator[None]:
    """A stage of `work` that the run's log tells of."""
    with work.stage(name):
        before = work.timings.get(name, 0.0)
        yield
    note(run, name, f"{work.timings[name] - before:.1f} s")


@contextmanager
def recorded(run: Run, stages: Stages, *, fence: Fence = unfenced) -> Iterator[None]:
    """Run a job's steps: whatever is raised ends as status FAILED and words in `run.error`.

    Errors stop here, the run tells of them; KeyboardInterrupt and SystemExit pass on, and so does
    LeaseLost (the run is another process's then, and nothing is written) and JobTimedOut.
    """
    try:
        yield
    except LeaseLost:
        raise
    except BaseException as error:
        _fail(run, _words(error))
        _finish(run, stages, fence)
        if isinstance(error, JobTimedOut) or not isinstance(error, Exception):
            raise
        level, trace = loudness(error)
        log.log(level, "run %s failed: %s", run.pk, error, exc_info=trace)
    else:
        _finish(run, stages, fence)


def outcome(run: Run) -> dict[str, Any]:
    """The job's report. Raises JobFailed when the run did."""
    if run.error:
        raise JobFailed(run.error)
    told = {"run": run.pk, "kind": run.kind, "status": str(run.status)}
    failed = [gate["words"] for gate in run.gates if gate["passed"] is False]
    return told | ({"rejected": failed} if failed else {})


def loudness(error: Exception) -> tuple[int, Exception | None]:
    """The level to log it at, and its trace: what we raise on purpose says all in its words."""
    if isinstance(error, RecoError):
        return logging.WARNING, None
    return logging.ERROR, error


def _words(error: BaseException) -> str:
    if not isinstance(error, Exception):
        return f"Interrupted ({type(error).__name__})."
    if isinstance(error, MemoryError):
        return "Out of memory. Train on less (RECO_WINDOW_DAYS) or on a larger machine."
    return logs.kept(error)


def _fail(run: Run, words: str) -> None:
    if run.status != RunStatus.PUBLISHED:  # whole in the store: the next attempt makes it live
        run.status = RunStatus.FAILED
    run.error = words
    note(run, "failed", run.error)


def _finish(run: Run, stages: Stages, fence: Fence) -> None:
    run.finished_at = clock.now()
    run.timings = stages.seconds
    reconnect()
    try:
        save(run, fence, *(_ENDED if run.status == RunStatus.PUBLISHED else ()))
    except (DatabaseError, InterfaceError):
        log.exception("run %s: its end (%s) could not be written", run.pk, run.status)
        return
    training_finished.send_robust(sender=Run, run=run)


def reconnect() -> None:
    """Let go of a database connection that died or grew old during hours of training."""
    connection = connections[conf.settings.DATABASE]
    if not connection.in_atomic_block:  # a caller's transaction is not ours to end
        connection.close_if_unusable_or_obsolete()
