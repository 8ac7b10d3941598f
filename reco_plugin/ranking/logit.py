"""A ranker without further dependencies: the conditional logit (McFadden 1974), a softmax over the candidates.

Its weights are those that make what happened most likely among what was on offer; one line of features
per candidate, no interaction between lists, so a score costs one multiplication per feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from reco_plugin.types import Floats

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
        loss, toward, jac=True, method="L-BFGS-B", options={"maxiter": rounds}
    )
    return Logit(weights=found.x * scale, likelihood=-float(found.fun), rounds=int(found.nit))


class _Loss:
    """Negative mean log-likelihood and its gradient."""

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
        self.starts = np.cumsum(counts) - counts
        self.lists = np.repeat(np.arange(len(counts)), counts)
        share = chosen / np.add.reduceat(chosen.astype(np.float64), self.starts)[self.lists]
        self.wanted = share / len(counts)
        self.weight = 1.0 / len(counts)
        self.penalty = penalty

    def __call__(self, weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scores = (self.features @ weights.astype(np.float32)).astype(np.float64)
        scores -= np.maximum.reduceat(scores, self.starts)[self.lists]
        odds = np.exp(scores)
        total = np.add.reduceat(odds, self.starts)[self.lists]
        likely = float((self.wanted * (scores - np.log(total))).sum())
        apart = (odds / total * self.weight - self.wanted).astype(np.float32)
        slope = (apart @ self.features).astype(np.float64)
        moved = weights - self.toward
        return (
            self.penalty * float(moved @ moved) - likely,
            slope + 2 * self.penalty * moved,
        )
