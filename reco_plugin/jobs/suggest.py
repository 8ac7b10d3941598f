"""Say what products' pictures tell of the facts the shop has left empty, for a merchandiser to accept.

A product takes after those that look most like it. How far that is to be trusted is measured, for each
fact by itself, on products that have it and were kept from the encoder's training, as if they had it not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction

from reco_plugin import conf
from reco_plugin.encoders.recipe import Recipe
from reco_plugin.encoders.sampling import held_out
from reco_plugin.jobs.facts import Facts
from reco_plugin.jobs.guessing import Guessing, Suggested
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, Suggestion
from reco_plugin.types import Ints, Key

BATCH = 1_000
CERTAINLY = 0.8
"""Share of a hold-out that is taken for one still."""
_OPEN = Suggestion.State.OPEN


def work(work: Work) -> dict[str, Any]:
    """The job. Needs a live visual run; what was accepted or declined stays as it is."""
    run, floor = active_run(work.site, "visual"), conf.settings.SUGGEST_CONFIDENCE
    if run is None:
        return {"suggestions": 0, "note": "No visual run is live."}
    with work.stage("vectors"):
        space = Directions.of(run)
    if space is None:
        return {"suggestions": 0, "note": f"Store {run.store!r} does not hand out its vectors."}
    with work.stage("facts"):
        facts = Facts.read(work.site, space.items)
        unlearnt = _unlearnt(run, facts.numbers)
    suggested: list[Suggested] = []
    told: dict[str, Any] = {}
    with work.stage("guess"):
        for done, field in enumerate(facts.fields):
            guessing = Guessing(space=space, groups=facts.groups, field=field, unlearnt=unlearnt)
            found = list(guessing.suggestions(floor, work.check))
            suggested += found
            told[field.name] = {**guessing.as_json(), "suggested": len(found)}
            work.progress("guess", done + 1, len(facts.fields))
    with work.stage("write"):
        _write(work, run, suggested)
    return {"run": run.pk, "suggestions": len(suggested), "facts": told}


def _unlearnt(run: Run, numbers: Ints) -> npt.NDArray[np.bool_]:
    """Products of the hold-out of the encoder's training; all, where there was none.

    A little less than the hold-out: what came and went since has moved its edge.
    """
    using = conf.settings.DATABASE
    encoder = Run.objects.using(using).filter(pk=run.config.get("encoder"), kind="encoder").first()
    if encoder is None:
        return np.ones(len(numbers), np.bool_)
    share = float(encoder.config.get("encoder", {}).get("holdout", Recipe().holdout))
    return held_out(numbers, CERTAINLY * share, int(encoder.config.get("seed", 0)))


def _write(work: Work, run: Run, suggested: Sequence[Suggested]) -> None:
    """Make the open suggestions these ones; what a merchandiser has decided on is not touched."""
    using = conf.settings.DATABASE
    rows: dict[tuple[Key, str], Suggestion] = {
        (one.product, one.field): _row(run, one) for one in suggested
    }
    every = Suggestion.objects.using(using)
    with transaction.atomic(using=using):
        work.fence()
        before = every.filter(site=work.site).values_list("pk", "product_id", "field", "state")
        stale, changed = [], []
        for pk, product, field, state in before.iterator(BATCH):
            row = rows.pop((product, field), None)
            if state != _OPEN:
                continue
            if row is None:
                stale.append(pk)
            else:
                row.pk = pk
                changed.append(row)
        for part in _batches(stale):
            every.filter(pk__in=part, state=_OPEN).delete()
        # filtered: what is decided while this is written stays decided
        every.filter(state=_OPEN).bulk_update(changed, ["value", "confidence", "run"], BATCH)
        every.bulk_create(rows.values(), BATCH, ignore_conflicts=True)


def _row(run: Run, one: Suggested) -> Suggestion:
    product: Any = one.product
    return Suggestion(
        site=run.site,
        product_id=product,
        field=one.field,
        value=one.value,
        confidence=one.confidence,
        run=run,
    )


def _batches(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[at : at + BATCH] for at in range(0, len(keys), BATCH))
