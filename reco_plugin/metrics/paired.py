"""Is one set of lists better than another, or was it luck? Both judged on the same shoppers, pair by pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.metrics.intervals import Estimate

_BLOCK = 1 << 22
"""Numbers drawn at once."""


def ratio_interval(
    ours: npt.ArrayLike,
    theirs: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    draws: int = 1_000,
) -> Estimate:
    """The ratio of two means over the same shoppers, by the paired bootstrap (Efron 1979).

    Each draw takes shoppers with both their figures, so that what makes a shopper easy for all cancels.
    A ratio to a mean of 0 is infinite, or 1 when both are. Raises ValueError for unlike lengths.
    """
    one, other = _pairs(ours, theirs)
    if not one.size:
        return Estimate(mean=1.0, low=1.0, high=1.0, n=0)
    drawn = _divided(*_resampled(one, other, seed=seed, draws=draws))
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="nearest")
    mean = float(_divided(one.mean(), other.mean()))
    return Estimate(mean=mean, low=float(low), high=float(high), n=one.size)


def difference_interval(
    ours: npt.ArrayLike,
    theirs: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    draws: int = 1_000,
) -> Estimate:
    """The difference of two means over the same shoppers, by the paired bootstrap."""
    one, other = _pairs(ours, theirs)
    if not one.size:
        return Estimate(mean=0.0, low=0.0, high=0.0, n=0)
    ours_drawn, theirs_drawn = _resampled(one, other, seed=seed, draws=draws)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ours_drawn - theirs_drawn, [tail, 1 - tail])
    return Estimate(mean=float((one - other).mean()), low=float(low), high=float(high), n=one.size)


def permutation_test(
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, seed: int = 0, draws: int = 2_000
) -> float:
    """How likely so large a difference, either way, is if it did not matter whose list was whose.

    Signs of the differences are flipped at random (Smucker, Allan & Carterette 2007); 1.0 without pairs.
    """
    one, other = _pairs(ours, theirs)
    apart = one - other
    apart = apart[apart != 0]
    if not apart.size:
        return 1.0
    random = np.random.default_rng(seed)
    seen = abs(apart.sum()) * (1 - 1e-12)
    more = 0
    for count in _portions(draws, apart.size):
        signs = random.integers(0, 2, (count, apart.size), dtype=np.int8) * 2 - 1
        more += int((np.abs(signs @ apart) >= seen).sum())
    return (more + 1) / (draws + 1)


def _pairs(
    ours: npt.ArrayLike, theirs: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    one, other = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(
            f"{one.shape} and {other.shape} are no pairs: give one figure each for the same shoppers."
        )
    return one, other


def _resampled(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], *, seed: int, draws: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(draws,) means of each over the same resampled shoppers."""
    random = np.random.default_rng(seed)
    means = []
    for count in _portions(draws, one.size):
        taken = random.integers(0, one.size, (count, one.size))
        means.append((one[taken].mean(axis=1), other[taken].mean(axis=1)))
    ours, theirs = zip(*means, strict=True)
    return np.concatenate(ours), np.concatenate(theirs)


def _portions(draws: int, size: int) -> list[int]:
    each = max(1, _BLOCK // size)
    return [min(each, draws - done) for done in range(0, draws, each)]


def _divided(one: Any, other: Any) -> npt.NDArray[np.float64]:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    empty = np.where(one > 0, np.inf, 1.0)
    return np.where(other > 0, one / np.where(other > 0, other, 1.0), empty)
