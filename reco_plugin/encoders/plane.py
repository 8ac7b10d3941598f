"""Vectors laid out on a page: what is near in their space is near on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats

PERPLEXITY = 20.0
"""About how many near ones each point keeps near."""
ROUNDS = 400
EAGER_ROUNDS = 100
"""At first attraction counts EAGER times, so that groups find each other."""
EAGER = 8.0
BISECTIONS = 40
TINY = np.float32(1e-12)


def plane(
    units: Floats, *, rounds: int = ROUNDS, told: Callable[[int, int], None] | None = None
) -> Floats:
    """(n, d) rows of length 1 in, (n, 2) places within 0..1 out; the same for the same rows.

    Exact t-SNE (van der Maaten and Hinton, 2008) that starts from the two main axes; time and memory grow
    with the square of n, so hand in a sample. `told(done, total)` hears of each round.
    """
    places = principal_axes(units)
    if len(units) > 3:
        places = _arranged(_affinities(units), places, rounds, told or _nobody)
    return _within_one(places)


def principal_axes(rows: Floats, count: int = 2) -> Floats:
    """(n, count): each row along the axes of most variance (PCA), largest first; missing ones are 0."""
    centred = rows - rows.mean(axis=0, keepdims=True) if len(rows) else rows
    _values, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    chosen = axes[:, ::-1][:, :count]
    heaviest = np.abs(chosen).argmax(axis=0)
    signs = np.sign(chosen[heaviest, np.arange(chosen.shape[1])])
    along = np.zeros((len(rows), count), dtype=np.float32)
    along[:, : chosen.shape[1]] = centred @ (chosen * np.where(signs == 0, 1, signs))
    return along


def _affinities(units: Floats) -> Floats:
    """(n, n): how much each pair belongs together; symmetric, sums to 1."""
    apart = np.maximum(2 - 2 * (units @ units.T), 0).astype(np.float32)
    np.fill_diagonal(apart, np.inf)
    apart -= apart.min(axis=1, keepdims=True)
    wanted = np.log(min(PERPLEXITY, (len(units) - 1) / 2))
    low: npt.NDArray[Any] = np.full(len(units), 1e-3, dtype=np.float32)
    high: npt.NDArray[Any] = np.full(len(units), 1e6, dtype=np.float32)
    for _ in range(BISECTIONS):
        sharpness = np.sqrt(low * high)
        too_wide = _entropy(_shares(apart, sharpness)) > wanted
        low, high = np.where(too_wide, sharpness, low), np.where(too_wide, high, sharpness)
    found = _shares(apart, np.sqrt(low * high))
    both = (found + found.T) / np.float32(2 * len(units))
    floored: Floats = np.maximum(both, TINY).astype(np.float32)
    return floored


def _shares(apart: Floats, sharpness: Floats) -> Floats:
    weights = np.exp(-apart * sharpness[:, None])
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _entropy(shares: Floats) -> Floats:
    found: Floats = -(shares * np.log(np.maximum(shares, TINY))).sum(axis=1)
    return found


def _arranged(
    together: Floats, places: Floats, rounds: int, told: Callable[[int, int], None]
) -> Floats:
    """Gradient descent with momentum, and a step length of each coordinate's own."""
    places = (places / max(float(places.std()), 1e-9) * 1e-2).astype(np.float32)
    speed, gains = np.zeros_like(places), np.ones_like(places)
    step = max(len(places) / EAGER, 50.0)
    for number in range(rounds):
        is_eager = number < EAGER_ROUNDS
        slope = _slope(together * EAGER if is_eager else together, places)
        same_way = np.sign(slope) == np.sign(speed)
        gains = np.maximum(np.where(same_way, gains * 0.8, gains + 0.2), 0.01)
        speed = (0.5 if is_eager else 0.8) * speed - step * gains * slope
        places = places + speed
        told(number + 1, rounds)
    return places.astype(np.float32)


def _slope(together: Floats, places: Floats) -> Floats:
    squares = (places**2).sum(axis=1)
    near = 1 / (1 + np.maximum(squares[:, None] + squares - 2 * places @ places.T, 0))
    np.fill_diagonal(near, 0)
    pull = (together - near / max(float(near.sum()), 1e-12)) * near
    slope: Floats = 4 * (pull.sum(axis=1)[:, None] * places - pull @ places)
    return slope


def _within_one(places: Floats) -> Floats:
    """Each axis stretched to 0..1; where all are equal, the middle."""
    if not len(places):
        return places
    low, high = places.min(axis=0), places.max(axis=0)
    width = np.where(high > low, high - low, 1)
    return np.where(high > low, (places - low) / width, 0.5).astype(np.float32)


def _nobody(done: int, total: int) -> None:
    """Hears of each round when nobody else does."""
