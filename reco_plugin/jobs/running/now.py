"""Run a job that makes a Run, here and now, for those who call it as a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_plugin import conf
from reco_plugin.exceptions import AlreadyRunning, LeaseLost, RecoError
from reco_plugin.jobs.running.execute import Execution, execute
from reco_plugin.models import Outcome, Run
from reco_plugin.stores.base import Progress


def run_now(name: str, site: int, options: Mapping[str, Any], progress: Progress | None) -> Run:
    """The run it made, whatever became of it. Raises AlreadyRunning, LeaseLost, and RecoError when it
    came to no run."""
    execution = done_now(name, site, options, progress)
    if "run" not in execution.report:
        raise RecoError(execution.error)
    return Run.objects.using(conf.settings.DATABASE).get(pk=execution.report["run"])


def reported_now(
    name: str, site: int, options: Mapping[str, Any], progress: Progress | None
) -> Mapping[str, Any]:
    """Its report, which may say that there was nothing to do. Raises as `run_now` does, but where it made a
    run that tells of its own failure."""
    execution = done_now(name, site, options, progress)
    if execution.outcome != Outcome.DONE and "run" not in execution.report:
        raise RecoError(execution.error)
    return execution.report


def done_now(
    name: str, site: int, options: Mapping[str, Any], progress: Progress | None
) -> Execution:
    """What became of it. Raises AlreadyRunning, LeaseLost, and RecoError when nothing runs at all."""
    execution = execute(name, site, options=options, progress=progress)
    if execution.skipped == "busy":
        raise AlreadyRunning(
            f"Another process runs the job {name!r} of site {site}; let it finish."
        )
    if execution.skipped:
        raise RecoError("Nothing runs while RECO_ENABLED is off.")
    if execution.outcome == Outcome.TAKEN_OVER:
        raise LeaseLost(execution.error)
    return execution
