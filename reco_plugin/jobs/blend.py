"""The learnt blend, from the event log to what 'recommended for you' is ranked by. Read `_learn` from top to bottom."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from reco_plugin import clock, conf
from reco_plugin.jobs import artefacts, blend_gates, blend_material, blend_rows, gates
from reco_plugin.jobs.blend_judging import UNMEASURED, judged
from reco_plugin.jobs.blend_material import Material
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import activate as make_live
from reco_plugin.jobs.record import begin, give_up, outcome, reconnect, recorded, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, RunStatus
from reco_plugin.pipeline.blending import KIND
from reco_plugin.ranking import process
from reco_plugin.ranking.served import Learnt, Settings
from reco_plugin.stores.base import Progress


def blend(
    site: int = 1,
    *,
    activate: bool = True,
    evaluate: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Learn whom to believe, judge it, publish it and make it live. Raises AlreadyRunning.

    What became of it is in the run: PUBLISHED; REJECTED, with `gates` saying why (its lists are kept, for whoever
    overrules them); FAILED, with `error` saying why. Whatever happens, what was live stays live until this
    replaces it.
    """
    options = {"activate": activate, "evaluate": evaluate, "seed": seed}
    return run_now(KIND, site, options, progress)


def work(work: Work) -> dict[str, Any]:
    """The job: a run whose rows a dead process had written is made live, otherwise it learns anew."""
    options = {"activate": True, "evaluate": True, "seed": 0, **work.options}
    run = _left(work, options) or begin(work.site, KIND, KIND, _config(options))
    give_up(work.site, KIND, but=run)
    work.report["run"] = run.pk
    work.keep(run=run.pk, options=options)
    run.error, run.finished_at = "", None
    with recorded(run, work.stages, fence=work.fence):
        if run.status != RunStatus.PUBLISHED:
            _learn(run, work, evaluates=options["evaluate"])
        if options["activate"] and run.status == RunStatus.PUBLISHED:
            with stage(run, work, "activate"):
                make_live(run, fence=work.fence)
    report = outcome(run)
    with work.stage("tidy"):
        tidy(work.site, KIND)
    return report


def _learn(run: Run, work: Work, *, evaluates: bool) -> None:
    with stage(run, work, "dataset"):
        material = blend_material.gather(run.site, _since(), work.progress)
    run.dataset = material.as_json()
    if not _admit(run, _enough(material)):
        return
    with stage(run, work, "fit"):
        learnt = _fitted(run, material, work)
    run.config = {**run.config, **_told(learnt)}
    verdict = UNMEASURED
    if evaluates:
        with stage(run, work, "evaluate"):
            verdict = judged(material, learnt.trial, run.config["seed"], work)
        reconnect()
    run.metrics = {**verdict.metrics, "notes": [*learnt.notes, *verdict.metrics["notes"]]}
    is_admitted = _admit(run, verdict.gates)
    with stage(run, work, "publish" if is_admitted else "keep"):
        blend_rows.write(run, material.log.items, learnt.final, work.fence)


def _left(work: Work, options: Mapping[str, Any]) -> Run | None:
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=KIND)
    if work.checkpoint.get("options") != options:
        return None
    return runs.filter(pk=work.checkpoint.get("run", 0), status=RunStatus.PUBLISHED).first()


def _config(options: Mapping[str, Any]) -> dict[str, Any]:
    settings = Settings()
    return {
        "seed": options["seed"],
        "threads": conf.settings.TRAIN_THREADS,
        "newest": min(settings.newest, conf.settings.HISTORY),  # no more are read for a page
        "best": settings.best,
        "fewest": conf.settings.MIN_PAIR_SHOPPERS,
        "objective": conf.settings.OBJECTIVE,
        "ranker": conf.settings.RANKER,
    }


def _since() -> dt.datetime | None:
    days = conf.settings.WINDOW_DAYS
    return clock.now() - dt.timedelta(days=days) if days > 0 else None


def _admit(run: Run, verdicts: list[Gate]) -> bool:
    """Note the verdicts; a gate that fails ends the run as REJECTED."""
    run.gates = [*run.gates, *(gate.as_json() for gate in verdicts)]
    if not gates.passed(verdicts):
        run.status = RunStatus.REJECTED
    return run.status != RunStatus.REJECTED


def _enough(material: Material) -> list[Gate]:
    kept = material.whole.sets()
    with_two = int((kept.getnnz(axis=1) >= blend_gates.PRODUCTS).sum())
    return gates.minimum_data(kept.nnz, with_two, gates.limits())


def _fitted(run: Run, material: Material, work: Work) -> Learnt:
    settings = Settings(**{name: run.config[name] for name in Settings.__dataclass_fields__})
    left = work.held.seconds_left()
    limits = [limit for limit in (conf.settings.TRAIN_TIMEOUT, left) if limit]
    learnt = process.run(
        material.whole,
        material.moment,
        features=material.features,
        worth=material.worth,
        settings=settings,
        timeout=min(limits, default=None),
        memory_mb=conf.settings.TRAIN_MEMORY_MB,
        folder=artefacts.folder(),
        progress=work.progress,
    )
    reconnect()
    return learnt


def _told(learnt: Learnt) -> dict[str, Any]:
    """For Run.config: what serving needs, and what a reader wants to know."""
    return {
        "recipe": learnt.final.recipe.as_json(),
        "facts": {name: round(weight, 6) for name, weight in learnt.facts.items()},
        "requests": learnt.requests,
        "seconds": {name: round(value, 2) for name, value in learnt.seconds.items()},
    }
