"""Shares of few and of many, made comparable: a Beta prior that the shop's own products tell.

One buyer of one visitor is not a rate of 100 %. Every product's rate is drawn towards what is usual in
the shop, the more the less is known of it (empirical Bayes), and ranked by what it surely reaches: the
lower fifth of its posterior, so that little evidence never stands before much.

The prior is fitted by moments for counts of unequal size: Kleinman (1973), "Proportions with extraneous
variance: single and independent samples", JASA 68:46-54.
Ranking by a lower bound: Wilson (1927), JASA 22:209-212.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

Numbers = npt.NDArray[np.float64]
WORTH = (2.0, 1_000.0)
"""Trials that a prior is worth at least and at most."""
NO_SPREAD = 1e9
"""Trials: what chance alone explains makes the strongest prior there may be."""
SURELY = 0.2
"""The share of the posterior below the bound. On planted rates the best twenty by this bound are as good, within
three hundredths, as by the mean, and half as many of them are products that hardly anybody saw."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """Beta(alpha, beta): what is thought of a product nothing is known of."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        return self.alpha / (self.alpha + self.beta)

    @property
    def strength(self) -> float:
        """How many trials it counts as."""
        return self.alpha + self.beta


def fit_prior(
    hits: npt.ArrayLike, tries: npt.ArrayLike, worth: tuple[float, float] = WORTH
) -> Prior | None:
    """The prior of products with `hits` of `tries` each (0 <= hits <= tries); None when all or none hit.

    It counts as many trials as the spread of the products says, within `worth`; with one product, or
    with no more spread than chance makes, as the most. Raises ValueError for more hits than tries.
    """
    x, n = _known(hits, tries)
    total = n.sum()
    share = float(x.sum() / total) if total else 0.0
    if not 0 < share < 1:
        return None
    strength = float(np.clip(_strength(x, n, share), *worth))
    return Prior(alpha=share * strength, beta=(1 - share) * strength)


def _known(hits: npt.ArrayLike, tries: npt.ArrayLike) -> tuple[Numbers, Numbers]:
    x, n = np.asarray(hits, np.float64), np.asarray(tries, np.float64)
    if (x > n).any() or (x < 0).any():
        raise ValueError("There cannot be more hits than tries, nor fewer than none.")
    return x[n > 0], n[n > 0]


def _strength(x: Numbers, n: Numbers, share: float) -> float:
    """alpha + beta = 1 / r - 1, r being the correlation of trials within one product."""
    spread = float((n * (x / n - share) ** 2).sum())
    chance = share * (1 - share)
    freedom = len(n) - 1
    room = chance * (n.sum() - (n**2).sum() / n.sum() - freedom)
    if room <= 0:  # one try each: nothing can be told of how products differ
        return 0.0 if freedom else NO_SPREAD
    correlation = (spread - chance * freedom) / room
    return NO_SPREAD if correlation <= 0 else 1 / min(correlation, 1.0) - 1


def posterior(hits: npt.ArrayLike, tries: npt.ArrayLike, prior: Prior) -> tuple[Numbers, Numbers]:
    """(alpha, beta) of each product, having seen `hits` of `tries`."""
    x, n = np.asarray(hits, np.float64), np.asarray(tries, np.float64)
    return x + prior.alpha, n - x + prior.beta


def mean(hits: npt.ArrayLike, tries: npt.ArrayLike, prior: Prior) -> Numbers:
    """Each product's rate as it is most fairly guessed, 0..1."""
    alpha, beta = posterior(hits, tries, prior)
    return np.asarray(alpha / (alpha + beta))


def surely(
    hits: npt.ArrayLike, tries: npt.ArrayLike, prior: Prior, share: float = SURELY
) -> Numbers:
    """The rate that each product exceeds with probability 1 - `share`."""
    alpha, beta = posterior(hits, tries, prior)
    return np.asarray(betaincinv(alpha, beta, share))


def both(first: tuple[Any, Any], then: tuple[Any, Any], share: float = SURELY) -> Numbers:
    """The product of two independent rates, exceeded with probability 1 - `share`.

    `first` and `then` are posteriors (alpha, beta). Their product is taken for a Beta of the same mean and variance.
    """
    (m1, s1), (m2, s2) = _moments(*first), _moments(*then)
    middle, square = m1 * m2, s1 * s2
    variance = np.maximum(square - middle**2, 1e-12)
    strength = np.maximum(middle * (1 - middle) / variance - 1, 1e-6)
    return np.asarray(betaincinv(middle * strength, (1 - middle) * strength, share))


def _moments(alpha: Any, beta: Any) -> tuple[Any, Any]:
    """Mean, and mean of squares, of a Beta."""
    total = alpha + beta
    middle = alpha / total
    return middle, middle * (alpha + 1) / (total + 1)
