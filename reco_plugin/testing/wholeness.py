"""Is anything half-published? Asked after a job was killed, and after it was taken over."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet

from reco_plugin import artefacts, backends, conf
from reco_plugin.exceptions import ArtefactCorrupt, StoreError
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.publish import handle
from reco_plugin.jobs.tuned import TUNING
from reco_plugin.jobs.visual_blocks import read_signs
from reco_plugin.models import COMPARISON, LISTED, ActiveRun, RankedList, Related, Run, RunStatus
from reco_plugin.stores.base import Exporting

RECORDS = {COMPARISON: "models", TUNING: "trials"}
"""Kinds of run that have only figures, and under which name."""


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
    actives = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site)
    for active in actives.exclude(kind__in=RECORDS):  # these go live when somebody says so
        published = _runs(site).filter(kind=active.kind, status=RunStatus.PUBLISHED)
        if published.filter(pk__gt=active.run_id).exists():
            yield f"a {active.kind} run newer than {active.run_id} was published and is not live"


def _runs(site: int) -> QuerySet[Run]:
    return Run.objects.using(conf.settings.DATABASE).filter(site=site)


def _is_whole(run: Run) -> bool:
    if run.kind in LISTED:
        return bool(_lists(run) == run.dataset["lists"])
    if run.kind in ("behaviour", "blend"):
        return _is_related(run)
    if run.kind == "encoder":
        return _is_intact(run)
    if run.kind in RECORDS:
        return bool(run.metrics.get(RECORDS[run.kind]))
    return _is_stored(run)


def _lists(run: Run) -> int:
    return int(RankedList.objects.using(conf.settings.DATABASE).filter(run=run).count())


def _is_related(run: Run) -> bool:
    """A list for each product that has one; of a blend also the one for everybody."""
    related = Related.objects.using(conf.settings.DATABASE).filter(run=run).count()
    lists = run.dataset["lists"]
    wanted = lists if isinstance(lists, int) else sum(lists.values())
    return bool(related == wanted) and (run.kind != "blend" or _lists(run) == 1)


def _is_stored(run: Run) -> bool:
    """Does the store hold its vectors, and of a visual run those that it says it has?"""
    store = backends.store(run.store)
    if not isinstance(store, Exporting):
        return True  # it cannot tell
    try:
        items, _ = store.item_vectors(handle(run))
    except StoreError:
        return False
    told = set(read_signs(run)) if run.kind == "visual" else set()
    return len(items) >= int(run.dataset["items"]) and told <= {*items.to_python()}


def _is_intact(run: Run) -> bool:
    """Are the weights those that were written?"""
    try:
        artefacts.load(artefact_path(run), run.sha256)
    except ArtefactCorrupt:
        return False
    return True
