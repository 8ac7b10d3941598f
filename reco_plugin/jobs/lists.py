"""The ranked lists besides what is popular: one reading of the log, a run of each kind.

A kind that fails says so in its own run; the others are made all the same, and what was live stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from reco_plugin import clock, conf
from reco_plugin.jobs import prune, ranked
from reco_plugin.jobs.counting import Counting, converting, trending
from reco_plugin.jobs.facets import brands, categories
from reco_plugin.jobs.publish import activate as make_live
from reco_plugin.jobs.record import UNFINISHED, begin, recorded, stage
from reco_plugin.jobs.reduced import reduced
from reco_plugin.jobs.running.now import done_now
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.jobs.running.work import JobFailed, Work
from reco_plugin.jobs.seldom import seldom
from reco_plugin.models import ActiveRun, Run, RunStatus
from reco_plugin.stores.base import Progress

Maker: TypeAlias = Callable[[Counting], ranked.Lists]

MAKERS: Mapping[str, Maker] = {
    "trending": trending,
    "converting": converting,
    "tail": seldom,
    "sale": reduced,
    "brands": brands,
    "categories": categories,
}
"""What makes the lists of each kind of run."""
RESTS = {"tail": dt.timedelta(hours=6)}
"""Kinds that are not made anew every time: impressions are many, and what is seldom shown stays so a while."""

LEFT = (*UNFINISHED, RunStatus.PUBLISHED)


def lists(
    site: int = 1,
    *,
    kinds: Iterable[str] = tuple(MAKERS),
    activate: bool = True,
    progress: Progress | None = None,
) -> list[Run]:
    """Make a run of each of `kinds` here and now; what went wrong is in the runs (status FAILED).

    Raises AlreadyRunning, LeaseLost, RecoError when it came to no run, and ValueError for an unknown kind.
    """
    options = {"activate": activate, "kinds": _known(kinds)}
    execution = done_now("lists", site, options, progress)
    made = Run.objects.using(conf.settings.DATABASE).in_bulk(
        execution.report.get("runs", {}).values()
    )
    return list(made.values())


def _known(kinds: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(kinds))
    if strange := [kind for kind in wanted if kind not in MAKERS]:
        raise ValueError(f"No job makes {strange[0]!r}; choose from {', '.join(MAKERS)}.")
    return wanted


def _due(site: int) -> list[str]:
    """All but those that change slowly, were made a short while ago, and left nothing undone since."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site, kind__in=RESTS)
    resting = {row.kind for row in rows.select_related("run") if _rests(row.run)}
    return [kind for kind in MAKERS if kind not in resting]


def _rests(live: Run) -> bool:
    """Is it young, and the newest? One begun or published since and not live is of a dead process."""
    made = clock.aware(live.created_at)
    if made is None or clock.now() - made >= RESTS[live.kind]:
        return False
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=live.site, kind=live.kind)
    return not runs.filter(pk__gt=live.pk, status__in=LEFT).exists()


def work(work: Work) -> dict[str, Any]:
    """The job. Raises JobFailed, once all are made, when one of them could not be."""
    options = {"activate": True, **work.options}
    kinds = options["kinds"] if "kinds" in options else _due(work.site)
    with work.stage("dataset"):
        counting = Counting.read(work.site, clock.now(), work.progress)
    runs = [_make(kind, counting, work, options["activate"]) for kind in kinds]
    with work.stage("tidy"):
        for kind in kinds:
            prune.tidy(work.site, kind)
    if failed := [run for run in runs if run.status == RunStatus.FAILED]:
        raise JobFailed("; ".join(f"{run.kind}: {run.error}" for run in failed))
    return {"lists": {run.kind: run.dataset["lists"] for run in runs}}


def _make(kind: str, counting: Counting, work: Work, is_live: bool) -> Run:
    config = {"days": conf.settings.POPULAR_DAYS, "length": ranked.LENGTH}
    run = begin(work.site, kind, kind, config)
    work.report["runs"] = {**work.report.get("runs", {}), kind: run.pk}
    own = Stages()
    with recorded(run, own, fence=work.fence):
        with stage(run, work, kind), own.stage(kind):
            made = MAKERS[kind](counting)
        with stage(run, work, "publish"), own.stage("publish"):
            ranked.publish(run, made, work.fence)
        if is_live:
            with stage(run, work, "activate"), own.stage("activate"):
                make_live(run, fence=work.fence)
    return run
