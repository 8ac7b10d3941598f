"""What a process that died, or failed, had finished, where it is sound to go on with it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reco_plugin import clock, conf
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs import artefacts, tuned
from reco_plugin.jobs.publish import save
from reco_plugin.jobs.record import note
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Vectors

log = logging.getLogger(__name__)

FRESH = dt.timedelta(days=1)
"""What is older is not gone on with: the shop has moved on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Left:
    """Nothing, or some of it."""

    run: Run | None = None
    """TRAINED, with an artefact that every gate let through, or PUBLISHED and not yet live."""
    vectors: Vectors | None = None
    """What a TRAINED run learnt."""
    evaluation: dict[str, Any] | None = None
    """Of a run that got no further; a new one need not be judged again."""


def find(work: Work, kind: str, options: Mapping[str, Any]) -> Left:
    """Look at the checkpoint. It only counts for the same options, the same trainer, and a day."""
    checkpoint = dict(work.checkpoint)
    if not checkpoint:
        return Left()
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=kind)
    run = runs.filter(pk=checkpoint.get("run", 0)).first()
    work.forget()
    if run is None or checkpoint.get("options") != dict(options) or not _is_sound(run):
        return Left()
    return _left(run, checkpoint, work)


def _is_sound(run: Run) -> bool:
    same = run.trainer == conf.settings.TRAINER
    learning = tuned.in_force(run.site)
    same = same and run.config.get("trainer") == learning.config()
    same = same and run.config.get("tuned", {}).get("run") == learning.run
    created = clock.aware(run.created_at)
    return same and created is not None and abs(clock.now() - created) < FRESH


def _left(run: Run, checkpoint: Mapping[str, Any], work: Work) -> Left:
    if run.status == RunStatus.PUBLISHED:
        return Left(run=_reopened(run, work))
    if _is_learnt(run):
        try:
            return Left(vectors=artefacts.vectors(run), run=_reopened(run, work))
        except ArtefactCorrupt as error:
            log.warning("run %s is not gone on with: %s", run.pk, error)
    return Left(evaluation=checkpoint.get("evaluation"))


def _is_learnt(run: Run) -> bool:
    """Its artefact is whole and admitted; what failed, if anything, was to publish it."""
    if run.status not in {RunStatus.TRAINED, RunStatus.FAILED} or not run.artefact:
        return False
    return all(gate["passed"] is not False for gate in run.gates)


def _reopened(run: Run, work: Work) -> Run:
    if run.status != RunStatus.PUBLISHED:
        run.status = RunStatus.TRAINED
    run.error, run.finished_at = "", None
    note(run, work.name, f"What was learnt before is gone on with by {work.held.holder}.")
    save(run, work.fence, "status", "error", "finished_at", "log")
    return run
