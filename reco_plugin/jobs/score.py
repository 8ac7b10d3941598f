"""Work out ahead of any request which products are similar, and which look alike, for every product of the
live runs.

A page about a product then reads one row by its key instead of scanning vectors. Exact; the cost is
that of comparing all with all, so it is split among the workers.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction

from reco_plugin import clock, conf
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import neighbours
from reco_plugin.jobs.likeness import Likeness
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.shards import split_and_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Progress

VISUAL = "visual"
KEPT = dt.timedelta(days=1)
"""Lists of the same vectors are as good later: a job that ran out of time goes on where it ended."""


def work(work: Work) -> dict[str, Any]:
    """The job. Until it is done, and for products that came later, serving scans vectors instead."""
    found = _make(work, "personal", "No personal run is live.")
    looks = _make(work, VISUAL, "")
    return {**found, VISUAL: looks} if looks else found


def _make(work: Work, kind: str, nothing: str) -> dict[str, Any]:
    """The lists of the live run of a kind; what to say of them, or, where none is live, `nothing`."""
    run, depth = active_run(work.site, kind), conf.settings.NEIGHBOURS
    if run is None or depth <= 0:
        note = nothing if depth > 0 else "RECO_NEIGHBOURS is 0."
        return {"lists": 0, "note": note} if note else {}
    with work.stage("vectors"):
        space = Directions.of(run)
    if space is None:
        return {"lists": 0, "note": f"Store {run.store!r} does not hand out its vectors."}
    known = {"depth": depth, "items": len(space), "fingerprint": space.fingerprint}
    before = run.config.get("neighbours", {})
    if known.items() <= before.items():
        return {"run": run.pk, "lists": len(space), "note": "Nothing changed since."}
    with work.stage("lists"):
        found = split_and_run(
            work,
            _payloads(run, space, depth),
            ShardScoring({(run.pk, space.fingerprint): space}),
            stage="lists",
            fresh=KEPT,
        )
    with work.stage("use"):
        _use(work, run, known)
    return {"run": run.pk, "lists": sum(one["lists"] for one in found)}


class ShardScoring:
    """Makes the lists of one range of products. An instance reads a run's vectors once for as long as
    the shards speak of the same ones."""

    def __init__(self, spaces: dict[tuple[int, str], Directions] | None = None) -> None:
        self._spaces = spaces or {}
        self._likeness: dict[int, Likeness | None] = {}

    def __call__(self, payload: dict[str, Any], progress: Progress) -> dict[str, Any]:
        run = Run.objects.using(conf.settings.DATABASE).get(pk=payload["run"])
        space = self._space(run, payload["of"])
        rows = space.between(payload["after"], payload["upto"])
        near, cosines = space.nearest(rows, payload["depth"])
        progress("lists", len(near), 2 * len(near))
        like = self._like(run)
        near = like.in_place_of(space, rows, near) if like else near
        neighbours.write(run, space, rows, near, cosines)
        return {"lists": len(near)}

    def _like(self, run: Run) -> Likeness | None:
        """None for what is alike by looks, which needs nobody to have taken it."""
        if run.pk not in self._likeness:
            found = None if run.kind == VISUAL else Likeness.of(run)
            self._likeness = {run.pk: found}
        return self._likeness[run.pk]

    def _space(self, run: Run, fingerprint: str) -> Directions:
        if (run.pk, fingerprint) not in self._spaces:
            space = Directions.of(run)
            if space is None:
                raise NotPublished(
                    f"Store {run.store!r} does not hand out vectors of run {run.pk}."
                )
            self._spaces = {(run.pk, fingerprint): space}
        return self._spaces[run.pk, fingerprint]


def _payloads(run: Run, space: Directions, depth: int) -> list[dict[str, Any]]:
    size = max(1, conf.settings.SHARD_ITEMS)
    same = {"run": run.pk, "depth": depth, "of": space.fingerprint}
    return [{**same, **part} for part in space.ranges(size) if part["rows"]]


def _use(work: Work, run: Run, known: dict[str, Any]) -> None:
    """Say in the run that its lists are whole: serving reads them from its next look on."""
    using = conf.settings.DATABASE
    with transaction.atomic(using=using):
        work.fence()
        row = Run.objects.using(using).select_for_update().get(pk=run.pk)
        if row.status != RunStatus.PUBLISHED:
            raise NotPublished(f"Run {run.pk} was let go of while its lists were made.")
        row.config = {**row.config, "neighbours": {**known, "at": clock.now().isoformat()}}
        row.save(update_fields=["config"])
