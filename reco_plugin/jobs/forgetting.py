"""Published runs let go of single shoppers, without being trained or published again."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.capture.erasure import NOBODY
from reco_plugin.exceptions import StoreError
from reco_plugin.jobs.publish import handle
from reco_plugin.models import Run, RunStatus, VisitorLink
from reco_plugin.stores.base import Forgetting, Store

log = logging.getLogger(__name__)

BATCH = 500


@dataclass(kw_only=True)
class Forgotten:
    """What became of vectors of shoppers."""

    vectors: int = 0
    kept: list[int] = field(default_factory=list)
    """Runs whose store could not let go of them (now)."""


def forget(shoppers: Sequence[uuid.UUID], site: int) -> Forgotten:
    """Remove the trained vectors of these shoppers from every run of a site that a store holds, the
    live one and those it can be rolled back to. Doing it again is harmless."""
    done = Forgotten()
    for run in _published(site):
        try:
            done.vectors += _forget(run, shoppers)
        except (StoreError, DatabaseError, ImproperlyConfigured) as error:
            log.warning("run %s keeps vectors of erased shoppers for now: %s", run.pk, error)
            done.kept.append(run.pk)
    return done


def known(shoppers: Sequence[uuid.UUID], site: int) -> int:
    """How many vectors `forget` would remove."""
    return sum(_knows(run, store, shopper) for run, store in _stores(site) for shopper in shoppers)


def catch_up(site: int) -> int:
    """Remove whoever was erased while a run was being trained: it learnt of them before."""
    runs = list(_published(site))
    if not runs:
        return 0
    late = erased_since(site, min(run.created_at for run in runs))
    return sum(forget(late[at : at + BATCH], site).vectors for at in range(0, len(late), BATCH))


def erased_since(site: int, moment: dt.datetime) -> list[uuid.UUID]:
    """Shoppers marked as erased at or after a moment, by the index on the mark."""
    marks = VisitorLink.objects.using(conf.settings.DATABASE).filter(shopper=NOBODY, site=site)
    return list(marks.filter(linked_at__gte=moment).values_list("visitor", flat=True))


def _forget(run: Run, shoppers: Sequence[uuid.UUID]) -> int:
    store: object = backends.store(run.store)
    if not isinstance(store, Forgetting):
        raise StoreError(
            f"{type(store).__name__} has no forget(handle, shoppers); they go when run {run.pk} is pruned."
        )
    return sum(
        store.forget(handle(run), shoppers[at : at + BATCH])
        for at in range(0, len(shoppers), BATCH)
    )


def _published(site: int) -> Iterator[Run]:
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, status=RunStatus.PUBLISHED)
    return iter(runs.exclude(store="").order_by("-pk"))


def _stores(site: int) -> Iterator[tuple[Run, Store]]:
    for run in _published(site):
        try:
            yield run, backends.store(run.store)
        except ImproperlyConfigured as error:
            log.warning("run %s cannot be asked: %s", run.pk, error)


def _knows(run: Run, store: Store, shopper: uuid.UUID) -> bool:
    try:
        return store.history(handle(run), shopper, 1).vector is not None
    except (StoreError, DatabaseError) as error:
        log.warning("run %s cannot be asked: %s", run.pk, error)
        return False
