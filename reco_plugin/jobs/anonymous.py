"""Artefacts without shoppers: once a run is published, its file need not say whom it knew.

Until then a training that was broken off goes on from that file; afterwards it only gives products
born later their vectors.
"""

from __future__ import annotations

import logging

from reco_plugin import artefacts, conf
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.models import Run, RunStatus

log = logging.getLogger(__name__)

SUFFIX = ".items.npz"
_STILL_NEEDED = (RunStatus.RUNNING, RunStatus.TRAINED)
_GONE_ON_WITH = (*_STILL_NEEDED, RunStatus.FAILED)


def strip_all(site: int, *, failed: bool = False) -> list[int]:
    """`strip` every artefact that nothing will be published from; returns the numbers of the runs.

    A training that failed to publish may be gone on with from its artefact; with `failed` it has to
    begin anew.
    """
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site).exclude(artefact="")
    runs = runs.exclude(kind="encoder")  # it learnt from pictures, not from shoppers
    whole = runs.exclude(artefact__endswith=SUFFIX).exclude(
        status__in=_STILL_NEEDED if failed else _GONE_ON_WITH
    )
    return [run.pk for run in whole.order_by("pk") if strip(run)]


def strip(run: Run) -> bool:
    """Put a file without the shoppers in the place of the artefact of `run`; False when it cannot be
    read here (another machine may have it).

    The row names the new file before the old one goes: at every moment it names a whole one.
    """
    old = artefact_path(run)
    try:
        arrays, meta = artefacts.load(old, run.sha256)
    except ArtefactCorrupt as error:
        log.info("the artefact of run %s stays as it is: %s", run.pk, error)
        return False
    kept = {name: array for name, array in arrays.items() if not name.startswith("shopper")}
    new = old.with_name(run.artefact.removesuffix(".npz") + SUFFIX)
    digest = artefacts.save(new, kept, meta)
    rows = Run.objects.using(conf.settings.DATABASE).filter(pk=run.pk, artefact=run.artefact)
    is_named = bool(rows.update(artefact=new.name, sha256=digest))
    (old if is_named else new).unlink(missing_ok=True)  # it may have been pruned meanwhile
    return is_named
