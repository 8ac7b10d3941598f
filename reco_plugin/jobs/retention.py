"""Let go of what is old: events, exposure, logs, runs, vectors and files, each a little at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db.models import QuerySet

from reco_plugin import backends, clock, conf
from reco_plugin.jobs import bloat, deleting, picture_vectors, prune, stray
from reco_plugin.jobs.aging import Old, prune_events
from reco_plugin.jobs.running.specs import time_limit
from reco_plugin.models import Interest, JobLog, Shard
from reco_plugin.stores.base import Progress

if TYPE_CHECKING:
    from reco_plugin.jobs.running.work import Work

__all__ = ["PruneReport", "prune_events", "retain", "work"]

NAME = "prune"
Stage: TypeAlias = Callable[[str], AbstractContextManager[None]]
SHARE_OF_LIMIT = 0.75
"""Of the job's time limit, for events and exposure: what is not gone by then goes next time."""


@dataclass(kw_only=True)
class PruneReport:
    """What was let go of, or would be."""

    tables: list[Old] = field(default_factory=list)
    logs: int = 0
    shards: int = 0
    interests: int = 0
    """Of shoppers who said so longer ago than events are kept."""
    runs: list[int] = field(default_factory=list)
    neighbours: int = 0
    """Lists of similar products of runs that are gone."""
    picture_vectors: int = 0
    """Of encoders that are gone, or of pictures that nobody shows any more."""
    vector_tables: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def retain(
    site: int | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    seconds: float = 0.0,
    stage: Stage = lambda name: nullcontext(),
) -> PruneReport:
    """Let go of everything that is too old, or (`dry_run`) say what would go. Safe to break off.

    `seconds` bounds the deletion of events and exposure; 0 for no bound. Rows of every site but this
    one stay; vector tables and files of no run are nobody's.
    """
    site = backends.site() if site is None else site
    report = PruneReport(dry_run=dry_run)
    with stage("events"):
        report.tables = prune_events(site, dry_run=dry_run, progress=progress, seconds=seconds)
    with stage("logs"):
        _logs(site, report)
        _interests(site, report)
    with stage("runs"):
        _runs(site, report)
    with stage("files"):
        report.vector_tables = prune.orphaned_tables(dry_run=dry_run)
        report.files = stray.remove(dry_run=dry_run)
    report.advice = bloat.advice([old.name for old in report.tables if old.rows])
    return report


def work(work: Work) -> dict[str, Any]:
    """The job 'prune'."""
    return retain(
        work.site,
        dry_run=bool(work.options.get("dry_run")),
        progress=work.progress,
        seconds=SHARE_OF_LIMIT * time_limit(NAME),
        stage=work.stage,
    ).as_json()


def _logs(site: int, report: PruneReport) -> None:
    days = conf.settings.LOG_RETENTION_DAYS
    if days <= 0:
        return
    before = clock.now() - dt.timedelta(days=days)
    using = conf.settings.DATABASE
    logs = JobLog.objects.using(using).filter(site=site)
    shards = Shard.objects.using(using).filter(site=site)
    report.logs = _oldest(logs, "finished_at", before, report.dry_run)
    report.shards = _oldest(shards, "done_at", before, report.dry_run)


def _interests(site: int, report: PruneReport) -> None:
    if (days := conf.settings.RETENTION_DAYS) > 0:
        before = clock.now() - dt.timedelta(days=days)
        rows = Interest.objects.using(conf.settings.DATABASE).filter(site=site)
        report.interests = _oldest(rows, "declared_at", before, report.dry_run)


def _oldest(rows: QuerySet[Any, Any], ended: str, before: dt.datetime, dry_run: bool) -> int:
    if dry_run:
        return rows.filter(**{f"{ended}__lt": before}).count()
    return deleting.oldest_first(rows, lambda row: _is_before(getattr(row, ended), before))


def _is_before(moment: Any, before: dt.datetime) -> bool:
    found = clock.aware(moment)
    return found is not None and found < before


def _runs(site: int, report: PruneReport) -> None:
    for kind in prune.kinds(site):
        look = prune.prunable if report.dry_run else prune.prune
        report.runs += [run.pk for run in look(site, kind)]
    report.neighbours = prune.stale_neighbours(site, dry_run=report.dry_run)
    report.picture_vectors = picture_vectors.prune(dry_run=report.dry_run)
