"""A ranker without further dependencies: the conditional logit (McFadden 1974), a softmax over the candidates.

Its weights are those that make what happened most likely among what was on offer; one line of features
per candidate, no interaction between lists, so a score costs one multiplication per feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from reco_plugin.types import Floats

STRETCH = 200_000
"""Candidates whose curvature is summed at once."""
STEEP = 1e-5
"""Length of the gradient below which it is done."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Logit:
    """A score is `features @ weights`."""

    weights: npt.NDArray[np.float64]
    """(n_features,) for features as they come."""
    likelihood: float
    """Mean log-likelihood of what happened, on what it was fitted to."""
    rounds: int

    def score(self, features: Floats) -> Floats:
        """float32 (candidates,)"""
        return np.asarray(features @ self.weights.astype(np.float32), dtype=np.float32)


def fit(
    features: Floats,
    counts: Counts,
    chosen: npt.NDArray[np.bool_] | npt.NDArray[np.float64],
    *,
    prior: npt.NDArray[np.float64] | None = None,
    belief: float = 3.0,
    rounds: int = 100,
) -> Logit:
    """Weights from lists of candidates: `features` (c, f), `counts` (lists,) adding up to c, `chosen` (c,).

    A list counts once, however many of its candidates were chosen, which share it by their numbers; one without
    any says nothing. The weights are drawn to `prior` (f,) (zeros, by default), with the force of about `belief`
    lists, so that a small log gets a plain blend and a large one its own. Raises ValueError for unlike shapes.
    """
    if int(counts.sum()) != len(features) or len(chosen) != len(features):
        raise ValueError(
            f"{len(features)} candidates, {int(counts.sum())} counted, {len(chosen)} marked."
        )
    lists = np.repeat(np.arange(len(counts)), counts)
    told = np.bincount(lists, weights=chosen, minlength=len(counts)) > 0
    drawn = np.zeros(features.shape[1]) if prior is None else prior
    if not told.any():
        return Logit(weights=drawn, likelihood=0.0, rounds=0)
    features, chosen, counts = features[told[lists]], chosen[told[lists]], counts[told]
    mean, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
    toward = drawn * np.where(scale > 0, spread, 0.0)
    loss = _Loss((features - mean) * scale, counts, chosen, toward, belief / len(counts))
    found = optimize.minimize(
        loss,
        toward,
        jac=True,
        hess=loss.curvature,
        method="trust-exact",
        options={"maxiter": rounds, "gtol": STEEP},
    )
    return Logit(weights=found.x * scale, likelihood=-float(found.fun), rounds=int(found.nit))


class _Loss:
    """Negative mean log-likelihood, its gradient and its curvature: convex, and of few weights, so that Newton's
    steps reach the end of it in a few passes over the candidates."""

    def __init__(
        self,
        features: Floats,
        counts: Counts,
        chosen: npt.NDArray[np.bool_] | npt.NDArray[np.float64],
        toward: npt.NDArray[np.float64],
        penalty: float,
    ) -> None:
        self.toward = toward
        self.features = np.ascontiguousarray(features, dtype=np.float32)
        self.ends = np.cumsum(counts)
        self.starts = self.ends - counts
        self.lists = np.repeat(np.arange(len(counts)), counts)
        share = chosen / np.add.reduceat(chosen.astype(np.float64), self.starts)[self.lists]
        self.wanted = share / len(counts)
        self.weight = 1.0 / len(counts)
        self.penalty = penalty

    def __call__(self, weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        likelihoods = self._likelihoods(weights)
        likely = float(self.wanted @ likelihoods)
        apart = (np.exp(likelihoods) * self.weight - self.wanted).astype(np.float32)
        slope = (apart @ self.features).astype(np.float64)
        moved = weights - self.toward
        return (
            self.penalty * float(moved @ moved) - likely,
            slope + 2 * self.penalty * moved,
        )

    def curvature(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(f, f) the Hessian: how much features vary inside a list, by the odds."""
        odds = np.exp(self._likelihoods(weights)).astype(np.float32)[:, None]
        found = 2 * self.penalty * np.eye(len(weights))
        for start, stop in self._stretches():
            own = slice(self.starts[start], self.ends[stop - 1])
            features = self.features[own]
            weighed = features * odds[own]
            means = np.add.reduceat(weighed, self.starts[start:stop] - own.start, axis=0)
            found += (weighed.T @ features - means.T @ means).astype(np.float64) * self.weight
        return found

    def _likelihoods(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(c,) the logarithm of each candidate's odds in its list."""
        scores = (self.features @ weights.astype(np.float32)).astype(np.float64)
        scores -= np.maximum.reduceat(scores, self.starts)[self.lists]
        total = np.add.reduceat(np.exp(scores), self.starts)
        return np.asarray(scores - np.log(total)[self.lists])

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Lists from … to …, in order, with about STRETCH candidates."""
        edges = np.searchsorted(self.ends, np.arange(0, self.ends[-1], STRETCH), side="right")
        bounds = np.unique([0, *edges, len(self.ends)])
        yield from zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
