"""All figures of one model's lists: per request, and of all lists together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import metrics
from reco_plugin.evaluation.contract import Lists, Sort
from reco_plugin.metrics.intervals import Estimate, normal_interval
from reco_plugin.ranking.folds import Fold

Figures = npt.NDArray[np.float64]

AT = 10
"""Where recall, NDCG and what goes beyond accuracy are read."""
BEYOND = ("novelty", "surprise", "diversity", "serendipity", "popularity_bias", "calibration")


@dataclass(frozen=True, kw_only=True, eq=False)
class Background:
    """What judging lists beyond accuracy needs to know beside the fold; what is None is not judged."""

    features: sparse.csr_matrix | None = None
    """(n_items, f): what two items have in common."""
    categories: sparse.csr_matrix | None = None
    """(n_items, c)"""
    expected: Lists | None = None
    """(n, k): what anybody would have shown: popularity's lists."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One model's lists, judged."""

    name: str
    figures: dict[str, Figures]
    """By metric, one number per request; NaN where it says nothing."""
    coverage: float
    fit_s: float
    ms_per_request: float
    default: bool = False
    own: bool = False
    """Ours: a pipeline, or it with something withheld; others are what it is compared with."""
    live: bool = False
    """Is it what shoppers see today?"""
    sort: Sort = Sort.PEER
    gini: float = 0.0
    top_share: float = 0.0
    memory_mb: float | None = None
    """Peak of the process it was fitted in, libraries and log included."""
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def mean(self, metric: str) -> float | None:
        """Over the requests it says something of; None where there are none."""
        known = self.figures[metric][np.isfinite(self.figures[metric])]
        return float(known.mean()) if known.size else None

    def estimate(self, metric: str) -> Estimate:
        """The mean with its interval."""
        return normal_interval(self.figures[metric][np.isfinite(self.figures[metric])])


def judged(
    name: str,
    lists: Lists,
    fold: Fold,
    k: int,
    *,
    fit_s: float,
    ms: float,
    background: Background | None = None,
    **told: Any,
) -> Measured:
    """Figures of lists at least max(k, 10) long; recall, NDCG and the like at 10, hit and MRR at `k`."""
    wanted = fold.wanted
    known = {} if background is None else beyond(lists[:, :AT], fold, background)
    return Measured(
        name=name,
        default=told.pop("default", False),
        own=told.pop("own", False),
        live=told.pop("live", False),
        sort=told.pop("sort", Sort.PEER),
        memory_mb=told.pop("memory_mb", None),
        figures={
            **accuracy(lists, fold, k),
            **known,
            **({"auc": whole(lists, fold)} if lists.shape[1] > max(k, AT) else {}),
        },
        coverage=metrics.coverage(lists, wanted.shape[1], k) * wanted.shape[1] / sold(fold),
        gini=metrics.gini(lists, wanted.shape[1], AT),
        top_share=metrics.top_share(lists, AT),
        fit_s=fit_s,
        ms_per_request=ms,
        note=told.pop("note", ""),
        more=told,
    )


def accuracy(lists: Lists, fold: Fold, k: int) -> dict[str, Figures]:
    """Is what was wanted in the list, and how high?"""
    wanted = fold.wanted
    return {
        "recall": metrics.recall_at_k(lists, wanted, AT),
        "precision": metrics.precision_at_k(lists, wanted, AT),
        "f1": metrics.f1_at_k(lists, wanted, AT),
        "accuracy": metrics.accuracy_at_k(lists, wanted, sold(fold), AT),
        "ndcg": metrics.ndcg_at_k(lists, wanted, AT),
        "map": metrics.average_precision(lists, wanted, AT),
        "mrr": metrics.mrr(lists, wanted, k),
        "hit": metrics.hit_rate(lists, wanted, k),
    }


def beyond(lists: Lists, fold: Fold, background: Background) -> dict[str, Figures]:
    """Is the list new, surprising, varied, not only what all buy, true to the shopper's tastes?"""
    seen, counts = fold.requests.past.sets(), fold.train.counts()
    found = {
        "novelty": metrics.novelty(lists, seen),
        "surprise": metrics.self_information(lists, counts, len(fold.train)),
        "popularity_bias": metrics.popularity_bias(lists, counts, seen),
    }
    if background.expected is not None:
        found["serendipity"] = metrics.serendipity(lists, fold.wanted, background.expected)
    if background.features is not None:
        found["diversity"] = metrics.diversity(lists, background.features)
    if background.categories is not None:
        found["calibration"] = metrics.calibration(lists, seen, background.categories)
    return found


def whole(lists: Lists, fold: Fold) -> Figures:
    """AUC of lists that hold every eligible item they know: what a list lacks is tied at its end."""
    scores = np.full(fold.wanted.shape, -np.inf)
    rows, places = np.nonzero(lists >= 0)
    scores[rows, lists[rows, places]] = -places
    return metrics.auc(scores, fold.wanted, barred=fold.requests.barred())


def sold(fold: Fold) -> int:
    """Items that could be answered: those with an event to learn from, or the eligible ones."""
    if fold.requests.eligible is not None:
        return max(int(fold.requests.eligible.sum()), 1)
    return max(int((fold.train.counts() > 0).sum()), 1)
