"""Signals → metrics. Each is a few dictionary look-ups, for they run in requests."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from reco_plugin import signals
from reco_plugin.contrib.listening import Receivers
from reco_plugin.contrib.prometheus import metrics
from reco_plugin.types import Slate

MOST_VALUES = 50
"""Values of one label; what comes beyond them is counted as 'other'."""
_STATES = {"closed": 0, "half_open": 1, "open": 2}
_seen: dict[str, set[str]] = {}
_entered: dict[tuple[int, str, str], float] = {}


def few(label: str, value: object) -> str:
    """`value`, or 'other' where this label has too many already: a shop may pass us anything."""
    known, word = _seen.setdefault(label, set()), str(value)
    if word in known or len(known) < MOST_VALUES:
        known.add(word)
        return word
    return "other"


def on_slate_served(slate: Slate, seconds: float, rungs: Mapping[str, float], **_: Any) -> None:
    placement = few("placement", slate.placement)
    metrics.SLATES.labels(placement, str(slate.rung)).inc()
    metrics.SLATE_SECONDS.labels(placement).observe(seconds)
    metrics.SLATE_ITEMS.labels(placement).observe(len(slate))
    for rung, spent in rungs.items():
        metrics.RUNG_SECONDS.labels(str(rung)).observe(spent)


def on_clicked(click: Any, **_: Any) -> None:
    metrics.CLICKS.labels(few("placement", click.placement)).inc()


def on_dropped(reason: str, count: int, **_: Any) -> None:
    metrics.DROPPED.labels(few("reason", reason)).inc(count)


def on_stage_entered(name: str, site: int, stage: str, **_: Any) -> None:
    _entered[site, name, stage] = time.perf_counter()


def on_stage_left(name: str, site: int, stage: str, **_: Any) -> None:
    began = _entered.pop((site, name, stage), None)
    if began is not None:
        metrics.STAGE_SECONDS.labels(name, few("stage", stage)).observe(time.perf_counter() - began)


def on_job_finished(name: str, site: int, outcome: Any, seconds: float, **_: Any) -> None:
    metrics.JOBS.labels(name, str(outcome)).inc()
    metrics.JOB_SECONDS.labels(name).observe(seconds)
    for key in [key for key in _entered if key[:2] == (site, name)]:  # left by an exception
        del _entered[key]


def on_training_finished(run: Any, **_: Any) -> None:
    metrics.NEW_RUNS.labels(few("kind", run.kind), str(run.status)).inc()


def on_breaker_changed(name: str, state: str, **_: Any) -> None:
    metrics.BREAKER.labels(few("breaker", name)).set(_STATES[str(state)])
    metrics.BREAKER_CHANGES.labels(few("breaker", name), str(state)).inc()


RECEIVERS: Receivers = (
    (signals.slate_served, on_slate_served),
    (signals.recommendation_clicked, on_clicked),
    (signals.events_dropped, on_dropped),
    (signals.job_stage_entered, on_stage_entered),
    (signals.job_stage_left, on_stage_left),
    (signals.job_finished, on_job_finished),
    (signals.training_finished, on_training_finished),
    (signals.breaker_changed, on_breaker_changed),
)
