"""What goes with what in shoppers' behaviour: bought together, and what followed what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction

from reco_plugin import clock, conf
from reco_plugin.datasets import EventLog, read_log
from reco_plugin.datasets.refunds import stood
from reco_plugin.jobs import related
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import activate as make_live
from reco_plugin.jobs.record import begin, give_up, outcome, recorded, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Item, Related, Run, RunStatus
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.behaviour import Events, configs, count
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.trainers.replenishment import intervals
from reco_plugin.trainers.rules import rules
from reco_plugin.types import EventKind, IdMap, Key

KIND = "behaviour"
KEYS = ("with",)
"""Facts that name a product."""


def behaviour(site: int = 1, *, activate: bool = True, progress: Progress | None = None) -> Run:
    """Count, write the lists of a new run, make it live. Raises AlreadyRunning.

    Any other error ends in the run (status FAILED, `error` in words); the live run stays.
    """
    return run_now(KIND, site, {"activate": activate}, progress)


def work(work: Work) -> dict[str, Any]:
    """The job: a run whose lists a dead process had written is made live, otherwise it counts anew."""
    options = {"activate": True, **work.options}
    run = _left(work, options) or begin(work.site, KIND, KIND, _config())
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


def _config() -> dict[str, Any]:
    return {
        "days": conf.settings.BEHAVIOUR_DAYS,
        "shoppers": conf.settings.MIN_PAIR_SHOPPERS,
        "support": conf.settings.MIN_SUPPORT,
        "confidence": conf.settings.MIN_CONFIDENCE,
    }


def _left(work: Work, options: Mapping[str, Any]) -> Run | None:
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=KIND)
    if work.checkpoint.get("options") != options:
        return None
    return runs.filter(pk=work.checkpoint.get("run", 0), status=RunStatus.PUBLISHED).first()


def _count(run: Run, work: Work) -> None:
    with stage(run, work, "dataset"):
        log = read(run.site, run.config["days"], clock.now(), work.progress)
        events = events_of(log)
    with stage(run, work, "fit"):
        lists = _fit(run, events, work.progress)
        lists["buy_again"] = _replenished(run, log, events)
    with stage(run, work, "publish"):
        _publish(run, log, lists, work)


def _fit(run: Run, events: Events, progress: Progress) -> dict[str, RelatedLists]:
    counted = count(events, progress)
    wanted = {name: run.config[name] for name in ("shoppers", "support", "confidence")}
    ranked = configs(wanted)
    lists = {relation: pairs.lists(ranked[relation]) for relation, pairs in counted.items()}
    pairs, config = counted["bought_together"], ranked["bought_together"]
    lists["rules"] = rules(events.baskets(), pairs, config, progress=progress)
    return lists


def _replenished(run: Run, log: EventLog, events: Events) -> RelatedLists:
    kept = events.select(events.bought)
    return intervals(
        kept.shopper,
        kept.item,
        kept.at,
        n_items=events.n_items,
        category=_category(run.site, log.items),
        least=run.config["shoppers"],
    )


def _category(site: int, items: IdMap) -> npt.NDArray[np.int64]:
    """(n_items,) a number for each item's first category, -1 where it has none."""
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    first: dict[Key, str] = {
        key: paths[0] for key, paths in rows.values_list("pk", "categories") if paths
    }
    numbers = {path: number for number, path in enumerate(sorted(set(first.values())))}
    found = [numbers.get(first.get(key, ""), -1) for key in items.to_python()]
    return np.asarray(found, np.int64)


def read(site: int, days: int, now: dt.datetime, progress: Progress | None = None) -> EventLog:
    """The events of the last `days` (0: of all) that may be learnt from: nothing of sensitive items."""
    since = now - dt.timedelta(days=days) if days > 0 else None
    return read_log(site, since=since, progress=progress)


def events_of(log: EventLog) -> Events:
    """Its views, and its purchases that stood."""
    bought = stood(log)
    chosen = np.flatnonzero(bought | (log.kind == EventKind.VIEW_ITEM))
    return Events(
        shopper=log.shopper[chosen],
        item=log.item[chosen],
        at=log.at[chosen],
        bought=bought[chosen],
        n_items=len(log.items),
    )


def _publish(run: Run, log: EventLog, lists: Mapping[str, RelatedLists], work: Work) -> None:
    run.dataset = {
        "events": len(log),
        "shoppers": len(log.shoppers),
        "items": len(log.items),
        "lists": {relation: len(found) for relation, found in lists.items()},
    }
    with transaction.atomic(using=conf.settings.DATABASE):
        work.fence()
        Related.objects.using(conf.settings.DATABASE).filter(run=run).delete()
        _write(run, log.items, lists)
        run.status = RunStatus.PUBLISHED
        run.save()


def _write(run: Run, items: IdMap, lists: Mapping[str, RelatedLists]) -> None:
    for relation, found in lists.items():
        related.write(run, relation, items, found, key_facts=KEYS)
