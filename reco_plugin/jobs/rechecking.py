"""Does the live run's index still find what an exact scan finds?

Rows that come and go wear an approximate index out. What finds less than RECO_MIN_RECALL is searched
more widely, else built anew beside its readers, else left for an exact scan; the run says which.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction

from reco_plugin import backends, conf
from reco_plugin.jobs.publish import handle
from reco_plugin.models import Run
from reco_plugin.stores.base import Progress, Rechecking

log = logging.getLogger(__name__)


def recheck(run: Run, progress: Progress | None = None) -> dict[str, Any]:
    """Probe the indexes of a published run and put right what is worn; {} where nothing is indexed.

    Per space ('nearest', 'neighbours'): 'recall' before, and what is in force now. Raises StoreError.
    """
    store: object = backends.store(run.store)
    if not isinstance(store, Rechecking):
        return {}
    found = store.recheck(handle(run), progress)
    changed = {space: each["state"] for space, each in found.items() if "state" in each}
    if changed:
        _save(run, changed)
        log.warning("run %s: %s", run.pk, "; ".join(each["words"] for each in found.values()))
    return {
        space: {name: value for name, value in each.items() if name != "state"}
        for space, each in found.items()
    }


def _save(run: Run, changed: dict[str, Any]) -> None:
    with transaction.atomic(using=conf.settings.DATABASE):
        row = Run.objects.using(conf.settings.DATABASE).select_for_update().get(pk=run.pk)
        row.store_state = {**row.store_state, **changed}
        row.save(update_fields=["store_state"])
    run.store_state = row.store_state
