"""Is anything half-published? Asked after a job was killed, and after it was taken over."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet

from reco_plugin import artefacts, backends, conf
from reco_plugin.exceptions import ArtefactCorrupt, StoreError
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.publish import handle
from reco_plugin.models import LISTED, ActiveRun, RankedList, Related, Run, RunStatus
from reco_plugin.stores.base import Exporting


def half_published(site: int = 1) -> Iterator[str]:
    """At any moment: what is published or live and not whole, in words."""
    for run in _runs(site).filter(status=RunStatus.PUBLISHED):
        if not _is_whole(run):
            yield f"{run} is not whole"
    actives = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site)
    for active in actives.select_related("run"):
        if active.run.status != RunStatus.PUBLISHED:
            yield f"{active.run} is live"


def left_undone(site: int = 1) -> Iterator[str]:
    """While no job runs: runs that were begun and not ended, or published and forgotten."""
    unfinished = [RunStatus.RUNNING, RunStatus.TRAINED]
    for run in _runs(site).filter(status__in=unfinished):
        yield f"{run} was left unfinished"
    for active in ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site):
        published = _runs(site).filter(kind=active.kind, status=RunStatus.PUBLISHED)
        if published.filter(pk__gt=active.run_id).exists():
            yield f"a {active.kind} run newer than {active.run_id} was published and is not live"


def _runs(site: int) -> QuerySet[Run]:
    return Run.objects.using(conf.settings.DATABASE).filter(site=site)


def _is_whole(run: Run) -> bool:
    if run.kind in LISTED:
        lists = RankedList.objects.using(conf.settings.DATABASE).filter(run=run)
        return bool(lists.count() == run.dataset["lists"])
    if run.kind in ("behaviour", "blend"):
        related = Related.objects.using(conf.settings.DATABASE).filter(run=run)
        lists = run.dataset["lists"]
        return bool(related.count() == (lists if isinstance(lists, int) else sum(lists.values())))
    if run.kind == "encoder":
        return _is_intact(run)
    store = backends.store(run.store)
    try:
        if not isinstance(store, Exporting):
            return True  # it cannot tell
        return len(store.item_vectors(handle(run))[0]) >= int(run.dataset["items"])
    except StoreError:
        return False


def _is_intact(run: Run) -> bool:
    """Are the weights those that were written?"""
    try:
        artefacts.load(artefact_path(run), run.sha256)
    except ArtefactCorrupt:
        return False
    return True
