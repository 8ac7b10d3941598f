"""The settings a training learns by: the shop's own, and over them what a tuning found and somebody applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from reco_plugin import conf
from reco_plugin.datasets import EventWeights
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import decisions
from reco_plugin.jobs.publish import activate, active_run
from reco_plugin.models import ActiveRun, Run, RunStatus
from reco_plugin.types import EventKind

TUNING = "tuning"
"""Kind of the runs that look for settings; the live one, if any, is in force."""
APPLIED, WITHDRAWN = "applied", "withdrawn"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What lies over the settings; nothing, where nothing was applied."""

    trainer: Mapping[str, Any] = field(default_factory=dict)
    event_weights: Mapping[str, float] = field(default_factory=dict)
    """By GA4 name. They weigh what is trained on; folding in at a request keeps the settings'."""
    half_life_days: float | None = None
    run: int | None = None
    """The tuning it comes from."""

    def config(self) -> dict[str, Any]:
        """Hyper-parameters of the trainer."""
        return {**conf.settings.TRAINER_CONFIG, **self.trainer}

    def weights(self) -> EventWeights:
        """How a training weighs events."""
        found = EventWeights.from_settings()
        named = {EventKind.parse(name): weight for name, weight in self.event_weights.items()}
        found = replace(found, weights={**found.weights, **named})
        if self.half_life_days is not None:
            found = replace(found, half_life_days=self.half_life_days)
        return found

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"trainer": dict(self.trainer)}
        if self.event_weights:
            told["event_weights"] = dict(self.event_weights)
        if self.half_life_days is not None:
            told["half_life_days"] = self.half_life_days
        return told


def of(params: Mapping[str, Any], run: int | None = None) -> Tuned:
    """From the names of a study: 'trainer.dimensions', 'weights.view_item', 'decay.half_life_days'."""
    parts: dict[str, dict[str, Any]] = {"trainer": {}, "features": {}, "weights": {}, "decay": {}}
    for name, value in params.items():
        group, _, own = name.partition(".")
        parts[group][own] = value
    return Tuned(
        trainer={**parts["trainer"], **parts["features"]},
        event_weights=parts["weights"],
        half_life_days=parts["decay"].get("half_life_days"),
        run=run,
    )


def in_force(site: int) -> Tuned:
    """What was applied at this site, where it was found for the trainer in force."""
    run = active_run(site, TUNING)
    if run is None or run.trainer != conf.settings.TRAINER:
        return Tuned()
    return of(run.metrics["best"]["params"], run.pk)


def apply(run: Run, *, by: str, why: str = "") -> None:
    """From the next training on, what `run` found is learnt by. Raises NotPublished, saying why, where it
    found nothing."""
    if run.kind != TUNING or run.status != RunStatus.PUBLISHED:
        raise NotPublished(f"Run {run.pk} found no better settings; there is nothing to apply.")
    activate(run)
    decisions.decide(run, APPLIED, by=by, why=why)


def withdraw(site: int, *, by: str, why: str = "") -> Run:
    """From the next training on, the shop's own settings are learnt by. Raises NotPublished where they are."""
    run = active_run(site, TUNING)
    if run is None:
        raise NotPublished("No tuned settings are in force; the shop's own are.")
    with transaction.atomic(using=conf.settings.DATABASE):
        ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site, kind=TUNING).delete()
    decisions.decide(run, WITHDRAWN, by=by, why=why)
    return run
