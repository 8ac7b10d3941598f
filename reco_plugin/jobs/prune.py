"""Let go of old runs: their vectors, lists and artefacts; their rows stay as history."""

from __future__ import annotations

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from reco_plugin import backends, conf
from reco_plugin.exceptions import RecoError, StoreError
from reco_plugin.jobs import anonymous, deleting, forgetting
from reco_plugin.jobs.artefacts import files_of
from reco_plugin.jobs.publish import handle
from reco_plugin.models import (
    ActiveRun,
    Neighbours,
    RankedList,
    Related,
    Run,
    RunStatus,
    VectorBlock,
)
from reco_plugin.stores.base import Sweeping

log = logging.getLogger(__name__)


def prunable(site: int, kind: str, keep: int | None = None) -> list[Run]:
    """Runs that `prune` would let go of: all but the newest `keep` published (RECO_KEEP_RUNS), the
    newest `keep` rejected, the live run and the one before it. Oldest first."""
    keep = max(0, conf.settings.KEEP_RUNS if keep is None else keep)
    held = _held(site, kind)
    runs = _runs(site, kind).order_by("-created_at", "-pk")
    old: list[Run] = []
    for status in (RunStatus.PUBLISHED, RunStatus.REJECTED):
        old += list(runs.filter(status=status)[keep:])
    return sorted((run for run in old if run.pk not in held), key=lambda run: run.pk)


def prune(site: int, kind: str, *, keep: int | None = None) -> list[Run]:
    """Let go of the `prunable` runs and of what a dead process left behind; returns the pruned.

    A run whose store cannot be reached is tried again next time.
    """
    pruned = [run for run in prunable(site, kind, keep) if _retire(run)]
    for run in _unreleased(site, kind):
        _release(run)
    return pruned


def tidy(site: int, kind: str) -> None:
    """`prune` after a job, and let go of shoppers: those who were erased while it learnt, and all of
    them in files that nothing is published from any more. What goes wrong is logged, and does not make
    the new run a failure."""
    try:
        prune(site, kind)
        forgetting.catch_up(site)
        anonymous.strip_all(site)
    except (RecoError, DatabaseError, OSError):
        log.exception("old %s runs of site %s were not pruned", kind, site)


def kinds(site: int) -> list[str]:
    """The kinds of run a site has."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site)
    return list(runs.order_by("kind").values_list("kind", flat=True).distinct())


def stale_neighbours(site: int, *, dry_run: bool = False) -> int:
    """Delete, in small batches, what was worked out for runs that are gone; returns how many."""
    using = conf.settings.DATABASE
    lists = Neighbours.objects.using(using)
    gone = Run.objects.using(using).filter(site=site, status=RunStatus.PRUNED)
    left = gone.filter(Exists(lists.filter(run=OuterRef("pk")))).order_by("pk")
    removed = 0
    for run in left.values_list("pk", flat=True):
        rows = lists.filter(run=run)
        removed += rows.count() if dry_run else deleting.in_batches(rows, "product_id")
    return removed


def orphaned_tables(*, dry_run: bool = False) -> list[str]:
    """Drop vectors that no run names, where the store can tell; returns their names."""
    try:
        store: object = backends.store()
        return store.sweep(dry_run=dry_run) if isinstance(store, Sweeping) else []
    except (StoreError, DatabaseError, ImproperlyConfigured) as error:
        log.warning("leftovers of the store stay for now: %s", error)
        return []


def _runs(site: int, kind: str) -> QuerySet[Run]:
    return Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=kind)


def _held(site: int, kind: str) -> set[int | None]:
    """The live run and the one before it; of encoders also those whose vectors such runs are made of."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site, kind=kind)
    held: set[int | None] = {
        pk for pair in rows.values_list("run_id", "previous_id") for pk in pair
    }
    if kind == "encoder":
        made = _runs(site, "visual").filter(pk__in=[pk for pk in _held(site, "visual") if pk])
        held |= {config.get("encoder") for config in made.values_list("config", flat=True)}
    return held


def _retire(run: Run) -> bool:
    """Mark a run PRUNED, unless it was made live meanwhile (activation takes the same lock)."""
    with transaction.atomic(using=conf.settings.DATABASE):
        locked = Run.objects.using(conf.settings.DATABASE).select_for_update().get(pk=run.pk)
        if run.pk in _held(run.site, run.kind):
            return False
        locked.status = RunStatus.PRUNED
        locked.save(update_fields=["status"])
        RankedList.objects.using(conf.settings.DATABASE).filter(run=locked).delete()
    return True


def _unreleased(site: int, kind: str) -> QuerySet[Run]:
    """Runs that are gone, but whose vectors, lists or file may still be there. A failed run is gone once
    there is a newer one: until then its artefact may tell why it failed."""
    runs = _runs(site, kind)
    newest = runs.aggregate(newest=Max("pk"))["newest"]
    gone = Q(status=RunStatus.PRUNED) | Q(status=RunStatus.FAILED, pk__lt=newest or 0)
    lists = Related.objects.using(conf.settings.DATABASE).filter(run=OuterRef("pk"))
    return runs.filter(gone, ~Q(store="") | ~Q(artefact="") | Exists(lists)).order_by("pk")


def _release(run: Run) -> None:
    try:
        if run.store:
            backends.store(run.store).drop(handle(run))
    except (StoreError, DatabaseError, ImproperlyConfigured) as error:
        log.warning("run %s keeps its vectors for now: %s", run.pk, error)
        return
    VectorBlock.objects.using(conf.settings.DATABASE).filter(run=run).delete()
    for lists in (Neighbours, Related):
        rows = lists._default_manager.using(conf.settings.DATABASE).filter(run=run)
        deleting.in_batches(rows, "product_id")
    for path in files_of(run):
        path.unlink(missing_ok=True)
    run.store, run.store_state, run.artefact = "", {}, ""
    run.save(update_fields=["store", "store_state", "artefact"])
