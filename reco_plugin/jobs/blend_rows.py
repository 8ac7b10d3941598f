"""A learnt blend as rows: a list for each product, and one for everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db import transaction

from reco_plugin import conf
from reco_plugin.jobs import related
from reco_plugin.jobs.publish import Fence
from reco_plugin.models import RankedList, Related, Run, RunStatus
from reco_plugin.pipeline.blending import FOR_ALL, KIND, VOTES
from reco_plugin.ranking import stored
from reco_plugin.ranking.served import Served
from reco_plugin.ranking.votes import DIGITS
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import IdMap


def write(run: Run, items: IdMap, served: Served, fence: Fence) -> None:
    """Write the rows and mark `run` PUBLISHED, in one transaction. Raises LeaseLost from `fence`.

    One that a gate has rejected stays so: nothing asks for its rows until somebody overrules the gate."""
    using = conf.settings.DATABASE
    with transaction.atomic(using=using):
        fence()
        for lists in (Related, RankedList):
            lists._default_manager.using(using).filter(run=run).delete()
        run.dataset = {**run.dataset, "lists": int((np.diff(served.packed.starts) > 0).sum())}
        related.put(run, _rows(items, served))
        RankedList.objects.using(using).create(**_for_all(run, items, served))
        if run.status != RunStatus.REJECTED:
            run.status = RunStatus.PUBLISHED
        run.save()


def _rows(items: IdMap, served: Served) -> Iterator[tuple[Any, str, str, str, str]]:
    """(product, relation, keys, scores, facts), the last three as JSON."""
    packed = served.packed
    names = [json.dumps(key) for key in shop_keys.to_json(items)]
    priors = [repr(value) for value in _plain(served.prior)]
    for row in np.flatnonzero(np.diff(packed.starts)).tolist():
        part = slice(int(packed.starts[row]), int(packed.starts[row + 1]))
        others = packed.items[part].tolist()
        votes = stored.written(packed.values[:, part])
        yield (
            items.key(row),
            KIND,
            f"[{','.join(names[other] for other in others)}]",
            f"[{','.join(priors[other] for other in others)}]",
            json.dumps({VOTES: votes}),
        )


def _for_all(run: Run, items: IdMap, served: Served) -> dict[str, Any]:
    rows = served.trending.tolist()
    keys = shop_keys.to_json(IdMap(keys=items.keys[served.trending])) if rows else []
    return {
        "site": run.site,
        "run": run,
        "segment": FOR_ALL.segment,
        "keys": keys,
        "scores": _plain(served.prior[served.trending]),
    }


def _plain(values: Any) -> list[float]:
    return list(np.round(values.astype(np.float64), DIGITS).tolist())
