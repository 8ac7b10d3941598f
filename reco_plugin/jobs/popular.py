"""What is popular now: by distinct shoppers, overall and in every category and its ancestors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from scipy import sparse

from reco_plugin import clock, conf
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.datasets import read_log
from reco_plugin.datasets.splits import NEGATIVE
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import Fence
from reco_plugin.jobs.publish import activate as make_live
from reco_plugin.jobs.record import begin, give_up, outcome, recorded, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Item, RankedList, Run, RunStatus
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.popularity import Popular, popularity, rank, rank_by_segment
from reco_plugin.types import Floats, IdMap, Key, id_map

KIND = "popular"
LENGTH = 200
"""Products in a list: many more than a slate, since eligibility is applied to it at request time."""
FEW = 100
"""A window with fewer events than this is widened."""
WIDER = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """Distinct shoppers per item, and what was counted."""

    items: IdMap
    scores: Floats
    events: int
    days: int
    """The window that was used; 0 for all history."""
    notes: tuple[str, ...]


def popular(site: int = 1, *, activate: bool = True, progress: Progress | None = None) -> Run:
    """Count, write the lists of a new run, make it live. Raises AlreadyRunning.

    Any other error ends in the run (status FAILED, `error` in words); the live run stays.
    """
    return run_now("popular", site, {"activate": activate}, progress)


def work(work: Work) -> dict[str, Any]:
    """The job: a run whose lists a dead process had written is made live, otherwise it counts anew."""
    options = {"activate": True, **work.options}
    config = {"days": conf.settings.POPULAR_DAYS, "length": LENGTH}
    run = _left(work, options) or begin(work.site, KIND, "popularity", config)
    give_up(work.site, KIND, but=run)
    work.report["run"] = run.pk
    work.keep(run=run.pk, options=options)
    with recorded(run, work.stages, fence=work.fence):
        if run.status != RunStatus.PUBLISHED:
            _count(run, work)
        if options["activate"]:
            with stage(run, work, "activate"):
                make_live(run, fence=work.fence)
    report = outcome(run)
    with work.stage("tidy"):
        tidy(work.site, KIND)
    return report


def _left(work: Work, options: Mapping[str, Any]) -> Run | None:
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=KIND)
    if work.checkpoint.get("options") != options:
        return None
    return runs.filter(pk=work.checkpoint.get("run", 0), status=RunStatus.PUBLISHED).first()


def _count(run: Run, work: Work) -> None:
    with stage(run, work, "dataset"):
        counted = count(run.site, run.config["days"], clock.now(), work.progress)
        paths = _categories(run.site)
    with stage(run, work, "fit"):
        lists = list(ranked_lists(counted, paths))
    with stage(run, work, "publish"):
        _publish(run, counted, lists, work.fence)


def count(site: int, days: int, now: dt.datetime, progress: Progress | None = None) -> Counted:
    """Distinct shoppers per item in the last `days`; too quiet a window grows fourfold, and says so.

    With no event at all the newest products stand in.
    """
    notes: list[str] = []
    for window in _windows(days):
        since = now - dt.timedelta(days=window) if window else None
        log = read_log(site, since=since, progress=progress, include_sensitive=True)
        wanted = ~np.isin(log.kind, NEGATIVE)
        events = int(wanted.sum())
        if events >= FEW or not window:
            break
        notes.append(f"Only {events:,} events in {window} days, so the window was widened.")
    if not events:
        return _newest(site)
    scores = popularity(log.shopper[wanted], log.item[wanted], n_items=len(log.items))
    return Counted(items=log.items, scores=scores, events=events, days=window, notes=tuple(notes))


def _windows(days: int) -> Iterator[int]:
    """30, 120, 480 days, then (0) everything."""
    if days > 0:
        yield from (days, days * WIDER, days * WIDER**2)
    yield 0


def _newest(site: int) -> Counted:
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    newest = rows.order_by("-available_since", "pk").values_list("pk", flat=True)
    keys = list(newest.filter(available_since__isnull=False)[:LENGTH])
    keys += list(newest.filter(available_since__isnull=True)[: LENGTH - len(keys)])
    return Counted(
        items=id_map(keys),
        scores=np.linspace(1, 0, num=len(keys), endpoint=False, dtype=np.float32),
        events=0,
        days=0,
        notes=("No event was recorded yet: the newest products stand in.",),
    )


def _categories(site: int) -> dict[Key, set[str]]:
    """Every item's category paths and all paths above them."""
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    pairs = rows.values_list("pk", "categories").iterator(chunk_size=10_000)
    return {key: with_ancestors(paths) for key, paths in pairs if paths}


def with_ancestors(paths: Iterable[str]) -> set[str]:
    """'Women > Shoes' gives itself and 'Women'."""
    found: set[str] = set()
    for path in paths:
        names = path.split(SEPARATOR)
        found.update(SEPARATOR.join(names[:depth]) for depth in range(1, len(names) + 1))
    return found


def ranked_lists(counted: Counted, paths: dict[Key, set[str]]) -> Iterator[tuple[str, Popular]]:
    """('', overall), then (category path, its list); categories nobody wanted are left out."""
    yield "", rank(counted.scores, LENGTH)
    segments, members = _members(counted.items, paths)
    for segment, found in zip(
        segments, rank_by_segment(counted.scores, members, LENGTH), strict=True
    ):
        if len(found):
            yield segment, found


def _members(items: IdMap, paths: dict[Key, set[str]]) -> tuple[list[str], sparse.csr_matrix]:
    """Category paths, and the CSR (n_items, n_paths) of which item is below which."""
    segments: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for row, key in enumerate(items.to_python()):
        for path in sorted(paths.get(key, ())):
            rows.append(row)
            columns.append(segments.setdefault(path, len(segments)))
    shape = (len(items), len(segments))
    ones = np.ones(len(rows), dtype=np.float32)
    return list(segments), sparse.csr_matrix((ones, (rows, columns)), shape=shape)


def _publish(run: Run, counted: Counted, lists: list[tuple[str, Popular]], fence: Fence) -> None:
    run.dataset = {
        "events": counted.events,
        "days": counted.days,
        "items": int((counted.scores > 0).sum()),
        "lists": len(lists),
        "notes": list(counted.notes),
    }
    rows = [
        RankedList(
            site=run.site,
            run=run,
            segment=segment[:500],
            keys=[_jsonable(counted.items.key(row)) for row in found.items.tolist()],
            scores=[round(float(score), 4) for score in found.scores],
        )
        for segment, found in lists
    ]
    with transaction.atomic(using=conf.settings.DATABASE):
        fence()
        # two overlong paths may share their first 500 characters; the first stands
        RankedList.objects.using(conf.settings.DATABASE).bulk_create(
            rows, batch_size=200, ignore_conflicts=True
        )
        run.status = RunStatus.PUBLISHED
        run.save()


def _jsonable(key: Key) -> Any:
    return key if isinstance(key, int | str) else str(key)
