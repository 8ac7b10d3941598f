"""A shopper's vector at this moment: folded in from recent events, or trained and brought up to date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.datasets.weights import EventWeights
from reco_plugin.stores.base import History, PastEvent
from reco_plugin.trainers.foldin import RECENCY, fold_in, mean_norm
from reco_plugin.types import EventKind, Floats


def personal_vector(
    history: History,
    config: Mapping[str, Any],
    *,
    weights: Mapping[EventKind, float] | None = None,
    norm: float = 0.0,
    learnt_at: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> Floats | None:
    """The (d,) vector to match items with, or None when nothing tells what the shopper likes.

    `config["shopper_vector"]` is 'fold_in' (the mean of recent items, weighted by kind and recency,
    rescaled to `norm`) or 'trained': the run's own vector, in which events after `learnt_at` are
    blended by their share of the weight of the whole history, so that news always counts.
    `config["recency"]` is the weight of an event relative to the next newer one.
    """
    known = EventWeights.from_settings().weights if weights is None else weights
    recency = float(config.get("recency", RECENCY))
    events, strengths = _strengths(history.events, known, recency, now)
    if config.get("shopper_vector") != "trained" or history.vector is None:
        if not events:
            return history.vector
        return _fold([event.vector for event in events], strengths, norm)
    news = [learnt_at is not None and event.occurred_at > learnt_at for event in events]
    if not any(news):
        return history.vector
    return _blend(history.vector, events, strengths, np.array(news), norm)


def _blend(
    trained: Floats,
    events: Sequence[PastEvent],
    strengths: npt.NDArray[Any],
    news: npt.NDArray[np.bool_],
    norm: float,
) -> Floats:
    known = max(float(np.abs(strengths[~news]).sum()), float(np.abs(strengths).max()))
    recent = [event.vector for event, is_new in zip(events, news, strict=True) if is_new]
    unit = trained / max(float(np.linalg.norm(trained)), 1e-12)
    scale = mean_norm(np.stack([vector for vector in recent if vector is not None]))
    return _fold(
        [unit * scale, *recent],
        np.append(known, strengths[news]),
        norm or float(np.linalg.norm(trained)),
    )


def _strengths(
    events: Sequence[PastEvent],
    weights: Mapping[EventKind, float],
    recency: float,
    now: dt.datetime | None,
) -> tuple[list[PastEvent], npt.NDArray[Any]]:
    """The events that tell something, newest first, and how much each counts, (m,)."""
    telling = [event for event in events if event.vector is not None and weights.get(event.kind)]
    kinds = [weights[event.kind] for event in telling]
    if not any(kind > 0 for kind in kinds):
        return [], np.empty(0)
    half_life = conf.settings.HALF_LIFE_DAYS
    newest = now or telling[0].occurred_at
    strengths = [
        kind * recency**place * _decay(newest - event.occurred_at, half_life)
        for place, (kind, event) in enumerate(zip(kinds, telling, strict=True))
    ]
    return telling, np.array(strengths)


def _decay(age: dt.timedelta, half_life: float) -> float:
    """One half per RECO_HALF_LIFE_DAYS, as in training. So few numbers are sooner done without NumPy."""
    if half_life <= 0:
        return 1.0
    lives = age.total_seconds() / 86_400 / half_life
    return float(0.5 ** min(max(lives, 0.0), 100.0))


def _fold(vectors: Sequence[Floats | None], strengths: npt.NDArray[Any], norm: float) -> Floats:
    rows = np.stack([vector for vector in vectors if vector is not None])
    return fold_in(rows, strengths, norm=norm or mean_norm(rows))
