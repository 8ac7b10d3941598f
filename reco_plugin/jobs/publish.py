"""Put a run into the store beside the live one, make it live, take it back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from django.db import transaction

from reco_plugin import backends, conf
from reco_plugin.exceptions import NotPublished
from reco_plugin.models import COMPARISON, ActiveRun, Run, RunStatus
from reco_plugin.signals import run_activated
from reco_plugin.stores.base import Handle, Progress, Store, Vectors

log = logging.getLogger(__name__)

Fence: TypeAlias = Callable[[], None]
"""Called first in a transaction; raises LeaseLost in a process that was taken over."""


def handle(run: Run) -> Handle:
    """What a store needs to find `run`."""
    return Handle(run=run.pk, site=run.site, state=run.store_state)


def unfenced() -> None:
    """For runs that no job makes."""


def save(run: Run, fence: Fence, *names: str) -> None:
    """Save the fields `names` of a run (all without), unless another process has taken its job over."""
    with transaction.atomic(using=conf.settings.DATABASE):
        fence()
        run.save(update_fields=names or None)


def publish(
    run: Run,
    vectors: Vectors,
    progress: Progress | None = None,
    *,
    fence: Fence = unfenced,
    beside: Callable[[], None] = lambda: None,
) -> None:
    """Write `vectors` into the store beside the live run and mark `run` PUBLISHED.

    The store's name is saved first, so that pruning can sweep up after a process that died half-way. `beside`
    writes what else the run needs to be whole, before it counts as that; it may be called again.
    Raises StoreError, and LeaseLost from `fence`; nothing is left behind then. Doing it again is safe.
    """
    store = backends.store()
    run.store = _lasting_name(store)
    save(run, fence, "store")
    state = store.publish(handle(run), vectors, progress)
    beside()
    run.store_state = state
    run.status = RunStatus.PUBLISHED
    save(run, fence, "store_state", "status")


def _lasting_name(store: Store) -> str:
    """The name by which `backends.store` finds this store again, whatever RECO_STORE says then."""
    chosen = conf.settings.STORE
    return chosen if "." in chosen else store.name


def activate(run: Run, *, fence: Fence = unfenced) -> ActiveRun:
    """Make `run` the live one of its kind: one row, one transaction; the run before is kept.

    Raises NotPublished when the store does not hold it, and LeaseLost from `fence`.
    """
    with transaction.atomic(using=conf.settings.DATABASE):
        fence()
        active = _locked(run.site, run.kind)
        _demand_published(run.pk)
        if active is None:
            active = ActiveRun(site=run.site, kind=run.kind, run_id=run.pk)
        elif active.run_id != run.pk:
            active.previous_id, active.run_id = active.run_id, run.pk
        active.save(using=conf.settings.DATABASE)
        _announce(run)
    return active


def rollback(site: int, kind: str) -> ActiveRun:
    """Make the previous run live again; doing it twice undoes it. Raises NotPublished."""
    with transaction.atomic(using=conf.settings.DATABASE):
        active = _locked(site, kind)
        if active is None or active.previous_id is None:
            raise NotPublished(f"There is no earlier {kind!r} run of site {site} to go back to.")
        run = _demand_published(active.previous_id)
        active.previous_id, active.run_id = active.run_id, active.previous_id
        active.save()
        _announce(run)
    return active


def active_run(site: int, kind: str) -> Run | None:
    """The live run of a kind, or None."""
    found = (
        ActiveRun.objects.using(conf.settings.DATABASE)
        .filter(site=site, kind=kind)
        .select_related("run")
        .first()
    )
    return found.run if found else None


def chosen_run(site: int, kind: str, number: int | None = None) -> Run | None:
    """The published run of that number, or else the live one; None where there is none."""
    if number is None:
        return active_run(site, kind)
    runs = Run.objects.using(conf.settings.DATABASE).filter(pk=number, site=site, kind=kind)
    return runs.filter(status=RunStatus.PUBLISHED).first()


def _locked(site: int, kind: str) -> ActiveRun | None:
    rows = ActiveRun.objects.using(conf.settings.DATABASE).select_for_update()
    return rows.filter(site=site, kind=kind).first()


def _demand_published(pk: int) -> Run:
    run = Run.objects.using(conf.settings.DATABASE).select_for_update().get(pk=pk)
    if run.status != RunStatus.PUBLISHED:
        raise NotPublished(
            f"Run {pk} is {run.status}, so no store holds it; only published runs can be made live."
        )
    if run.kind == COMPARISON:
        raise NotPublished(f"Run {pk} is the record of a comparison: there is nothing to serve.")
    return run


def _announce(run: Run) -> None:
    transaction.on_commit(
        partial(run_activated.send_robust, sender=Run, run=run),
        using=conf.settings.DATABASE,
        robust=True,
    )
    log.info("run %s (%s, site %s) is live", run.pk, run.kind, run.site)
