"""What is popular now: by distinct shoppers, overall and in every category and its ancestors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reco_plugin import clock, conf
from reco_plugin.jobs.making import make
from reco_plugin.jobs.ranked import LENGTH, Lists, by_category, publish, segments
from reco_plugin.jobs.record import begin, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.window import read_window
from reco_plugin.models import Item, Run, RunStatus
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.popularity import popularity
from reco_plugin.types import Floats, IdMap, id_map

KIND = "popular"


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """Distinct shoppers per item, and what was counted."""

    items: IdMap
    scores: Floats
    events: int
    days: int
    """The window that was used; 0 for all history."""
    notes: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """For Run.dataset."""
        return {
            "events": self.events,
            "days": self.days,
            "items": int((self.scores > 0).sum()),
            "notes": list(self.notes),
        }


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
    return make(run, work, options, _count)


def _left(work: Work, options: Mapping[str, Any]) -> Run | None:
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=KIND)
    if work.checkpoint.get("options") != options:
        return None
    return runs.filter(pk=work.checkpoint.get("run", 0), status=RunStatus.PUBLISHED).first()


def _count(run: Run, work: Work) -> None:
    with stage(run, work, "dataset"):
        counted = count(run.site, run.config["days"], clock.now(), work.progress)
        paths = segments(run.site)
    with stage(run, work, "fit"):
        listings = by_category(counted.items, counted.scores, paths, LENGTH)
    with stage(run, work, "publish"):
        publish(run, Lists(listings=listings, told=counted.told()), work.fence)


def count(site: int, days: int, now: dt.datetime, progress: Progress | None = None) -> Counted:
    """Distinct shoppers per item in the last `days`. With no event at all the newest products stand in."""
    read = read_window(site, days, now, progress)
    if not read.events:
        return _newest(site)
    log, of = read.log, read.wanted
    scores = popularity(log.shopper[of], log.item[of], n_items=len(log.items))
    return Counted(
        items=log.items, scores=scores, events=read.events, days=read.days, notes=read.notes
    )


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
