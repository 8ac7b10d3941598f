"""A shopper's vector at this moment: folded in from recent events, or trained and brought up to date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.datasets.weights import KINDS, EventWeights
from reco_plugin.stores.base import History, PastEvent
from reco_plugin.trainers.foldin import RECENCY, fold_in, mean_norm
from reco_plugin.types import EventKind, Floats, Key

TURNED_DOWN = frozenset({EventKind.REFUND, EventKind.DISMISS_ITEM})
"""Kinds after which nothing that the shopper did before speaks for the product any more."""


class _Told(NamedTuple):
    """What one event tells."""

    vector: Floats
    strength: float
    at: dt.datetime
    undone_at: dt.datetime | None
    """When the product was sent back or dismissed, if this event had spoken for it."""


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
    rescaled to `norm`), 'trained': the run's own vector, in which events after `learnt_at` are
    blended by their share of the weight of the whole history, so that news always counts; or 'both': the mean of
    these two.
    `config["recency"]` is the weight of an event relative to the next newer one.

    What was sent back, cancelled or dismissed speaks against a product, and what was done before then
    no longer speaks for it: it and its like step back, also where the run has learnt otherwise.
    """
    known = EventWeights.from_settings().weights if weights is None else weights
    told = list(_told(history.events, known, float(config.get("recency", RECENCY)), now))
    how = config.get("shopper_vector")
    if how in {"trained", "both"} and history.vector is not None:
        trained = _brought_up_to_date(history.vector, told, learnt_at, norm)
        folded = _folded_in(told, norm) if how == "both" else None
        if folded is None:
            return trained
        return np.asarray((trained + folded) / 2, dtype=np.float32)
    folded = _folded_in(told, norm)
    return history.vector if folded is None else folded


def _folded_in(told: Sequence[_Told], norm: float) -> Floats | None:
    """None when nothing speaks for anything."""
    told = [one for one in told if one.undone_at is None]
    if not any(one.strength > 0 for one in told):
        return None
    return _fold([one.vector for one in told], [one.strength for one in told], norm)


def _brought_up_to_date(
    trained: Floats, told: Sequence[_Told], learnt_at: dt.datetime | None, norm: float
) -> Floats:
    if learnt_at is None:
        return trained
    news = list(_news(told, learnt_at))
    if not news:
        return trained
    old = sum(abs(one.strength) for one in told if one.at <= learnt_at)
    vectors, strengths = [vector for vector, _ in news], [strength for _, strength in news]
    known = max(old, *(abs(one.strength) for one in told))
    unit = trained / max(float(np.linalg.norm(trained)), 1e-12)
    scale = mean_norm(np.stack(vectors))
    rest = norm or float(np.linalg.norm(trained))
    return _fold([unit * scale, *vectors], [known, *strengths], rest)


def _news(told: Sequence[_Told], learnt_at: dt.datetime) -> Iterator[tuple[Floats, float]]:
    """What the run does not know, and the opposite of what it knows and no longer holds."""
    for one in told:
        if one.undone_at is None:
            if one.at > learnt_at:
                yield one.vector, one.strength
        elif one.at <= learnt_at < one.undone_at:
            yield one.vector, -one.strength


def _told(
    events: Sequence[PastEvent],
    weights: Mapping[EventKind, float],
    recency: float,
    now: dt.datetime | None,
) -> Iterator[_Told]:
    """The events that tell something, newest first, and how much each counts."""
    half_life, by_kind = conf.settings.HALF_LIFE_DAYS, _by_kind(weights)
    place, newest = 0, now
    refused: dict[Key, dt.datetime] = {}
    for event in events:
        weight = by_kind[event.kind]
        if weight and event.vector is not None:
            newest = newest or event.occurred_at
            strength = weight * recency**place * _decay(newest - event.occurred_at, half_life)
            undone_at = refused.get(event.key) if refused and weight > 0 else None
            yield _Told(event.vector, strength, event.occurred_at, undone_at)
            place += 1
        if weight <= 0 and event.kind in TURNED_DOWN:
            refused.setdefault(event.key, event.occurred_at)


def _by_kind(weights: Mapping[EventKind, float]) -> list[float]:
    """Weights by the kind's number. A refund that has none, since in training it only cancels, says as
    much as taking a product out of the cart."""
    found = [0.0] * KINDS
    for kind, weight in weights.items():
        found[kind] = weight
    if not found[EventKind.REFUND]:
        found[EventKind.REFUND] = min(0.0, found[EventKind.REMOVE_FROM_CART])
    return found


def _decay(age: dt.timedelta, half_life: float) -> float:
    """One half per RECO_HALF_LIFE_DAYS, as in training. So few numbers are sooner done without NumPy."""
    if half_life <= 0:
        return 1.0
    lives = age.total_seconds() / 86_400 / half_life
    return float(0.5 ** min(max(lives, 0.0), 100.0))


def _fold(vectors: Sequence[Floats], strengths: Sequence[float], norm: float) -> Floats:
    rows: Floats = np.stack(vectors)
    weights: npt.NDArray[Any] = np.array(strengths)
    return fold_in(rows, weights, norm=norm or mean_norm(rows))
