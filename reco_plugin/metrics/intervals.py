"""How sure a mean over shoppers is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean and the interval that holds it with the asked confidence."""

    mean: float
    low: float
    high: float
    n: int
    """Shoppers it is the mean of."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def normal_interval(values: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean ± z·s/√n, by the central limit theorem; nothing known (0, 0, 0) of no values."""
    figures = np.asarray(values, dtype=np.float64)
    if not figures.size:
        return Estimate(mean=0.0, low=0.0, high=0.0, n=0)
    mean = float(figures.mean())
    spread = float(figures.std(ddof=1)) if figures.size > 1 else 0.0
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * spread / figures.size**0.5
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=figures.size)


def bootstrap_interval(
    values: npt.ArrayLike, *, confidence: float = 0.95, seed: int = 0, draws: int = 1_000
) -> Estimate:
    """Percentile bootstrap (Efron 1979): resample shoppers `draws` times; the same seed, the same answer."""
    figures = np.asarray(values, dtype=np.float64)
    if not figures.size:
        return Estimate(mean=0.0, low=0.0, high=0.0, n=0)
    random = np.random.default_rng(seed)
    means = np.array([_resampled_mean(figures, random) for _ in range(draws)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(mean=float(figures.mean()), low=float(low), high=float(high), n=figures.size)


def _resampled_mean(figures: npt.NDArray[np.float64], random: np.random.Generator) -> float:
    return float(figures[random.integers(0, figures.size, figures.size)].mean())
