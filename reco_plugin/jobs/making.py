"""A run that is counted in this process, from its beginning to where it is live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import activate
from reco_plugin.jobs.record import give_up, outcome, recorded, stage
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, RunStatus


def make(
    run: Run, work: Work, options: Mapping[str, Any], count: Callable[[Run, Work], None]
) -> dict[str, Any]:
    """Let `count` publish `run`, unless a dead process had, and make it live where `options` say so.

    What others of its kind have left is given up; the options are kept for whoever takes over.
    """
    give_up(work.site, run.kind, but=run)
    work.report["run"] = run.pk
    work.keep(run=run.pk, options=options)
    run.error, run.finished_at = "", None  # of the process that published it and was interrupted
    with recorded(run, work.stages, fence=work.fence):
        if run.status != RunStatus.PUBLISHED:
            count(run, work)
        if options["activate"]:
            with stage(run, work, "activate"):
                activate(run, fence=work.fence)
    report = outcome(run)
    with work.stage("tidy"):
        tidy(work.site, run.kind)
    return report
