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
from reco_plugin.jobs import behaviour_counts, related
from reco_plugin.jobs.behaviour_counts import Kept
from reco_plugin.jobs.behaviour_day import update
from reco_plugin.jobs.behaviour_events import events_of
from reco_plugin.jobs.making import make
from reco_plugin.jobs.publish import active_run, save
from reco_plugin.jobs.record import begin, give_up, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Item, Related, Run, RunStatus
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.behaviour import Events, configs, count
from reco_plugin.trainers.pairs import Pairs
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.trainers.replenishment import intervals
from reco_plugin.trainers.rules import rules
from reco_plugin.types import IdMap, Key

KIND = "behaviour"
WHOLE_DAYS = 7
"""Days after which everything is counted anew: until then the window's far end stays where it was."""
KEYS = ("with",)
"""Facts that name a product."""


def behaviour(site: int = 1, *, activate: bool = True, progress: Progress | None = None) -> Run:
    """Count everything, write the lists of a new run, make it live. Raises AlreadyRunning.

    Any other error ends in the run (status FAILED, `error` in words); the live run stays.
    """
    return run_now(KIND, site, {"activate": activate, "whole": True}, progress)


def work(work: Work) -> dict[str, Any]:
    """The job: what is new is added to the live run, unless it is old or its counts are gone. With the option
    `whole` a new run is counted. One whose lists a dead process had written is made live."""
    options = {"activate": True, "whole": False, **work.options}
    left, now = _left(work, options), clock.now()
    live = None if options["whole"] or left else _fit_to_go_on_with(work.site, now)
    kept = behaviour_counts.read(live) if live else None
    if live and kept and not behaviour_counts.are_late(kept, work.site):
        give_up(work.site, KIND)
        return update(live, kept, now, work)
    return _anew(work, options, left)


def _fit_to_go_on_with(site: int, now: dt.datetime) -> Run | None:
    """The live run, if it was counted under the settings in force, and not too long ago."""
    run = active_run(site, KIND)
    young = run is not None and now - run.created_at < dt.timedelta(days=WHOLE_DAYS)
    return run if run is not None and young and run.config == _config() else None


def _anew(work: Work, options: Mapping[str, Any], left: Run | None) -> dict[str, Any]:
    run = left or begin(work.site, KIND, KIND, _config())
    return make(run, work, options, _count)


def _config() -> dict[str, Any]:
    return {
        "days": conf.settings.BEHAVIOUR_DAYS,
        "shoppers": conf.settings.MIN_PAIR_SHOPPERS,
        "support": conf.settings.MIN_SUPPORT,
        "confidence": conf.settings.MIN_CONFIDENCE,
    }


def _left(work: Work, options: Mapping[str, Any]) -> Run | None:
    """Whoever takes over does not know that a whole count was asked for: what was written is as good."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=work.site, kind=KIND)
    if work.checkpoint.get("options", {}).get("activate") != options["activate"]:
        return None
    return runs.filter(pk=work.checkpoint.get("run", 0), status=RunStatus.PUBLISHED).first()


def _count(run: Run, work: Work) -> None:
    now, days = clock.now(), run.config["days"]
    since = now - dt.timedelta(days=days) if days > 0 else None
    with stage(run, work, "dataset"):
        last = behaviour_counts.newest(run.site)
        log = read_log(run.site, since=since, until=now, progress=work.progress)
        events = events_of(log)
    with stage(run, work, "fit"):
        counted = count(events, work.progress)
        lists = _lists(run, events, counted, work.progress)
        lists["buy_again"] = _replenished(run, log, events)
    with stage(run, work, "keep"):
        kept = Kept(
            counted=counted, items=log.items, since=since, until=now, events=len(log), last=last
        )
        behaviour_counts.keep(run, kept)
        save(run, work.fence, "artefact", "sha256")
    with stage(run, work, "publish"):
        _publish(run, log, lists, work)


def _lists(
    run: Run, events: Events, counted: Mapping[str, Pairs], progress: Progress
) -> dict[str, RelatedLists]:
    wanted = {name: run.config[name] for name in ("shoppers", "support", "confidence")}
    ranked = configs(wanted)
    lists = {relation: pairs.lists(ranked[relation]) for relation, pairs in counted.items()}
    pairs, config = counted["bought_together"], ranked["bought_together"]
    return {**lists, "rules": rules(events.baskets(), pairs, config, progress=progress)}


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
