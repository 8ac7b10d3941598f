"""Lay the catalogue out on a page by what its pictures show, for the map in the admin."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.db import transaction

from reco_plugin import conf
from reco_plugin.encoders.plane import plane
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, VectorBlock
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Floats, IdMap, Ints

SPACE = "map"
"""Of the block of vectors that holds the places: two numbers each, within 0..1."""
MOST = 1_000
"""Products on a map; of more, so many are drawn by lot."""


def work(work: Work) -> dict[str, Any]:
    """The job. What was drawn of the same vectors stays as it is."""
    run = active_run(work.site, "visual")
    if run is None:
        return {"products": 0, "note": "No visual run is live."}
    with work.stage("vectors"):
        space = Directions.of(run)
    if space is None:
        return {"products": 0, "note": f"Store {run.store!r} does not hand out its vectors."}
    known = {"fingerprint": space.fingerprint, "of": len(space)}
    if run.config.get(SPACE) == known:
        return {"run": run.pk, "products": 0, "note": "Nothing changed since."}
    rows = drawn_by_lot(len(space), seed=run.pk)
    with work.stage("places"):
        places = plane(
            space.units[rows], told=lambda done, total: work.progress("places", done, total)
        )
    with work.stage("write"):
        _write(work, run, IdMap(keys=space.items.keys[rows]), places, known)
    return {"run": run.pk, "products": len(rows)}


def drawn_by_lot(count: int, *, seed: int) -> Ints:
    """Rows of at most MOST of `count`, in order; the same for the same seed."""
    if count <= MOST:
        return np.arange(count, dtype=np.int32)
    rows = np.random.default_rng(seed).choice(count, MOST, replace=False)
    return np.sort(rows).astype(np.int32)


def _write(work: Work, run: Run, items: IdMap, places: Floats, known: dict[str, Any]) -> None:
    using = conf.settings.DATABASE
    blocks = VectorBlock.objects.using(using)
    with transaction.atomic(using=using):
        work.fence()
        row = Run.objects.using(using).select_for_update().get(pk=run.pk)
        blocks.filter(run=run, space=SPACE).delete()
        blocks.create(
            site=run.site,
            run=run,
            space=SPACE,
            keys=shop_keys.to_json(items),
            vectors=np.ascontiguousarray(places, dtype="<f4").tobytes(),
        )
        row.config = {**row.config, SPACE: known}
        row.save(update_fields=["config"])
