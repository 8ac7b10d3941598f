"""Which runs are live, remembered by each process for a few seconds.

Activation in this process is seen at once, elsewhere after SECONDS. A pointer that is out of date is
harmless: reading a run that is gone makes serving look again.
"""

from __future__ import annotations

import time
from typing import Any

from django.core.signals import setting_changed
from django.db.models import Exists
from django.db.models.signals import post_delete, post_save

from reco_plugin import clock, conf
from reco_plugin.models import ActiveRun, Interest, Run
from reco_plugin.pipeline import LiveRun
from reco_plugin.signals import run_activated
from reco_plugin.stores.base import Handle

SECONDS = 3.0


class Pointers(dict[str, LiveRun]):
    """The live run of each kind that has one."""

    has_interests = False
    """Has any shopper of this site said what they like? Where none has, nobody need be asked."""

    @property
    def personal(self) -> LiveRun | None:
        return self.get("personal")

    @property
    def popular(self) -> LiveRun | None:
        return self.get("popular")


_known: dict[tuple[str, int], tuple[float, Pointers]] = {}


def recall(using: str, site: int) -> Pointers | None:
    """The pointers if they are fresh enough, without reading."""
    at, pointers = _known.get((using, site), (0.0, None))
    return pointers if pointers is not None and time.monotonic() - at < SECONDS else None


def read(using: str, site: int) -> Pointers:
    """The pointers as the database has them now, in one statement."""
    any_interest = Exists(Interest.objects.using(using).filter(site=site))
    active = ActiveRun.objects.using(using).filter(site=site).select_related("run")
    rows = list(active.annotate(any_interest=any_interest))
    pointers = Pointers({row.kind: _live(row.run) for row in rows})
    pointers.has_interests = any(row.any_interest for row in rows)
    _known[using, site] = (time.monotonic(), pointers)
    return pointers


def forget(**_: Any) -> None:
    """Look again at the next request."""
    _known.clear()


def _live(run: Run) -> LiveRun:
    return LiveRun(
        run=run.pk,
        handle=Handle(run=run.pk, site=run.site, state=run.store_state),
        store=run.store,
        config=run.config,
        norm=float(run.dataset.get("norm") or 0.0),
        learnt_at=clock.aware(run.created_at),
    )


def _forget_setting(*, setting: str, **_: object) -> None:
    if setting.startswith(conf.PREFIX) or setting == "DATABASES":
        forget()


setting_changed.connect(_forget_setting, dispatch_uid="reco_plugin.serving.pointers")
run_activated.connect(forget, dispatch_uid="reco_plugin.serving.pointers")
post_save.connect(forget, sender=ActiveRun, dispatch_uid="reco_plugin.serving.pointers")
post_delete.connect(forget, sender=ActiveRun, dispatch_uid="reco_plugin.serving.pointers")
