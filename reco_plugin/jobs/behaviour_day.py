"""Add to the live behaviour run what happened since: only the lists that changed are written.

The window's far end stays where it was until everything is counted anew, and so do two-item rules and
repurchase intervals, which change slowly.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Count, QuerySet

from reco_plugin import conf
from reco_plugin.datasets import EventLog, read_log
from reco_plugin.jobs import behaviour_counts, related
from reco_plugin.jobs.behaviour_counts import Kept
from reco_plugin.jobs.behaviour_events import events_of
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Interaction, Related, Run, VisitorLink
from reco_plugin.trainers import ledger
from reco_plugin.trainers.behaviour import Events, configs, count
from reco_plugin.trainers.pairs import Config, Pairs
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.types import EventKind, IdMap, Key, id_map

IDS = 5_000
"""To a statement."""
TELLING = (EventKind.VIEW_ITEM, EventKind.PURCHASE, EventKind.REFUND)


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes:
    """What an update comes to."""

    kept: Kept
    rows: Mapping[str, npt.NDArray[np.int64]]
    """Products, by relation, whose lists are made anew."""
    lists: Mapping[str, RelatedLists]
    gone: npt.NDArray[np.bool_]
    """(n_items,) products that may not be shown any more."""


def update(run: Run, kept: Kept, now: dt.datetime, work: Work) -> dict[str, Any]:
    """Bring `run` up to `now`; returns a report."""
    with work.stage("dataset"):
        kept = replace(kept, last=behaviour_counts.newest(run.site))
        log = read_log(
            run.site,
            since=kept.since,
            until=now,
            shoppers=active(run.site, kept.until, now),
            progress=work.progress,
        )
    with work.stage("fit"):
        found = changes(kept, log, now, _configs(run))
    with work.stage("publish"):
        _publish(run, found, work)
    written = {relation: len(rows) for relation, rows in found.rows.items()}
    return {"run": run.pk, "added": found.kept.events - kept.events, "lists": written}


def active(site: int, since: dt.datetime, until: dt.datetime) -> list[uuid.UUID]:
    """Everybody who did something that counts, under all ids they are known by."""
    using = conf.settings.DATABASE
    rows = Interaction.objects.using(using).filter(site=site, kind__in=TELLING)
    rows = rows.filter(occurred_at__gte=since, occurred_at__lt=until)
    people = set(rows.order_by().values_list("shopper", flat=True).distinct())
    return sorted(people | _known_as(people, site))


def _known_as(people: set[uuid.UUID], site: int) -> set[uuid.UUID]:
    """The shoppers that visitors turned out to be, and all visitors who turned out to be one of them."""
    links = VisitorLink.objects.using(conf.settings.DATABASE).filter(site=site)
    found: set[uuid.UUID] = set()
    for name, other in (("visitor", "shopper"), ("shopper", "visitor")):
        ids = sorted(people | found)
        for at in range(0, len(ids), IDS):
            some = links.filter(**{f"{name}__in": ids[at : at + IDS]})
            found |= set(some.values_list(other, flat=True))
    return found


def changes(kept: Kept, log: EventLog, now: dt.datetime, config: Mapping[str, Config]) -> Changes:
    """Count the active shoppers with and without what is new; the difference is what is added."""
    items = _with_new(kept.items, log.items)
    moment = int(kept.until.timestamp() * 1_000_000)
    before = _counted(log.select(log.at < moment), items)
    after = _counted(log, items)
    gone = np.ones(len(items), dtype=np.bool_)
    gone[_rows(items, log.items)] = False
    counted, rows, lists = {}, {}, {}
    for relation, known in kept.counted.items():
        old = ledger.widened(known, len(items))
        delta = ledger.added(after[relation], before[relation], -1)
        counted[relation] = ledger.added(old, delta)
        rows[relation] = _worth_writing(old, counted[relation], delta, gone, config[relation])
        shown = rows[relation][~gone[rows[relation]]]
        part = ledger.some(counted[relation], shown, without=gone)
        lists[relation] = part.lists(config[relation])
    new = int((log.at >= moment).sum())
    following = replace(kept, counted=counted, items=items, until=now, events=kept.events + new)
    return Changes(kept=following, rows=rows, lists=lists, gone=gone)


def _worth_writing(
    old: Pairs, now: Pairs, delta: Pairs, gone: npt.NDArray[np.bool_], config: Config
) -> npt.NDArray[np.int64]:
    """The products whose lists have changed enough, or tell of a product that is gone."""
    touched = ledger.changed(delta, now, config)
    earlier, later = (ledger.some(pairs, touched).lists(config) for pairs in (old, now))
    return np.union1d(ledger.moved(earlier, later), _holding(now, gone))


def _counted(log: EventLog, items: IdMap) -> dict[str, Pairs]:
    events = events_of(log)
    rows = _rows(items, log.items)
    return count(
        Events(
            shopper=events.shopper,
            item=rows[events.item].astype(np.int32),
            at=events.at,
            bought=events.bought,
            n_items=len(items),
        )
    )


def _with_new(known: IdMap, now: IdMap) -> IdMap:
    """The known products in their order, and those born since after them."""
    new: list[Key] = [key for key in now.to_python() if known.row(key) is None]
    return id_map([*known.to_python(), *new]) if new else known


def _rows(items: IdMap, those: IdMap) -> npt.NDArray[np.int64]:
    """The rows of `those` in `items`, which has them all."""
    return np.asarray([items.row(key) for key in those.to_python()], np.int64)


def _holding(pairs: Pairs, gone: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Rows that may tell of a product that is gone."""
    if not gone.any():
        return np.zeros(0, np.int64)
    support = ledger.whole(pairs).blocks[0].support
    places = np.flatnonzero(gone[support.indices] & (support.data > 1))
    return np.unique(np.searchsorted(support.indptr, places, side="right") - 1).astype(np.int64)


def _configs(run: Run) -> dict[str, Config]:
    return configs({name: run.config[name] for name in ("shoppers", "support", "confidence")})


def _publish(run: Run, found: Changes, work: Work) -> None:
    """The file first: should the rows not follow, its checksum is not the run's, and all is counted anew."""
    behaviour_counts.keep(run, found.kept)
    items: IdMap = found.kept.items
    using = conf.settings.DATABASE
    with transaction.atomic(using=using):
        work.fence()
        mine = Related.objects.using(using).filter(run=run)
        _delete(mine, items, np.flatnonzero(found.gone))
        for relation, lists in found.lists.items():
            _delete(mine.filter(relation=relation), items, found.rows[relation])
            related.write(run, relation, items, lists)
        written = dict.fromkeys(run.dataset["lists"], 0) | _lists_of(mine)
        updated = found.kept.until.isoformat()
        run.dataset = {**run.dataset, "updated": updated, "lists": written}
        run.save(update_fields=["artefact", "sha256", "dataset"])


def _lists_of(rows: QuerySet[Related]) -> dict[str, int]:
    """How many there are of each relation."""
    counted = rows.order_by().values_list("relation").annotate(count=Count("pk"))
    return dict(counted)


def _delete(rows: Any, items: IdMap, places: npt.NDArray[np.int64]) -> None:
    keys = IdMap(keys=items.keys[places]).to_python()
    for at in range(0, len(keys), 10_000):
        rows.filter(product_id__in=keys[at : at + 10_000]).delete()
