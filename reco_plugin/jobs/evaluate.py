"""How good are the lists? A hold-out in time, judged beside popularity, by the steps that serve.

The newest fifth of the history is the test period, the newest tenth of what is left the validation
period. A trial run is fitted on the rest; on the validation period it is stopped early and the way to
a shopper's vector is chosen, on the test period both ways and popularity are judged. Judged are
shoppers with a past who did something new in the period; products they had met before it are left
out of their lists and of what is looked for, so that re-showing the last click earns nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from reco_plugin.datasets import EventLog, time_split
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.jobs.gates import Difference
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.material import Material
from reco_plugin.jobs.trial import K, Sample, Trial, Way, pairs, popular_lists, sampled
from reco_plugin.metrics import Report, ndcg_at_k
from reco_plugin.metrics import evaluate as judge
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset, Ints

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1
WAYS = ("fold_in", "trained", "both")
RECENCIES = (0.3, 0.5, 0.8, 0.95)
"""Weights of an event relative to the next newer one that folding in may take: a shop of single
clicks forgets sooner than one of twenty-line orders."""
FOLDING = ("fold_in", "both")
"""The ways that forget."""
PROTOCOL = "time split; products met before the split are neither shown nor looked for"

Fit: TypeAlias = Callable[[Dataset], Learnt]


@dataclass(frozen=True, kw_only=True, eq=False)
class Period:
    """Whom to judge on a period, and what they wanted in it: CSR 0/1, rows as in `sample`."""

    past: EventLog
    during: EventLog
    sample: Sample
    wanted: sparse.csr_matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """The figures of a trial run; lists are top-10."""

    served: str
    """Of WAYS, what the validation period preferred."""
    recency: float
    """Of RECENCIES, what the validation period preferred for folding in."""
    epochs: int
    at: int
    """Start of the test period, µs since 1970 UTC."""
    shoppers: int
    results: dict[str, Report]
    """On the test period: each of WAYS, and 'popularity'."""
    validation: dict[str, Report]
    difference: Difference
    notes: tuple[str, ...]
    history: tuple[Mapping[str, float], ...]
    """The learning curve: by epoch that was looked at, how the hold-out was ranked."""
    trial: Trial
    test: Period
    lists: dict[str, Ints]
    """int32 (n, K) each, of the shoppers of `test`, by the names of `results`."""

    def as_json(self) -> dict[str, Any]:
        """For Run.metrics."""
        return {
            "k": K,
            "protocol": PROTOCOL,
            "at": moment(self.at).isoformat(),
            "shoppers": self.shoppers,
            "served": self.served,
            "recency": self.recency,
            "epochs": self.epochs,
            "results": {name: report.as_dict() for name, report in self.results.items()},
            "validation": {name: report.as_dict() for name, report in self.validation.items()},
            "notes": list(self.notes),
            "history": [dict(look) for look in self.history],
        }


def evaluate(material: Material, fit: Fit, *, seed: int = 0) -> Evaluation:
    """Split, fit, choose, judge. Raises NotEnoughData when nothing is left to fit or to judge."""
    past, future, at = time_split(material.log, share=TEST_SHARE)
    known, unseen, validated_at = time_split(past, share=VALIDATION_SHARE)
    dataset = material.part(known, unseen)
    learnt = fit(dataset)
    trial = Trial.of(dataset, learnt, learnt_at=validated_at)
    judged = period(known, unseen, validated_at, seed)
    recency = _recency(trial, judged)
    served, validation = _choose(trial, judged, recency)
    test = period(past, future, at, seed)
    if not len(test.sample.shoppers):
        raise NotEnoughData("no shopper with a past did anything new in the newest fifth.")
    lists = all_lists(trial, test, recency)
    return Evaluation(
        served=served,
        recency=recency,
        epochs=learnt.epochs,
        at=at,
        shoppers=len(test.sample.shoppers),
        results={name: judge(found, test.wanted) for name, found in lists.items()},
        validation=validation,
        difference=difference(lists[served], lists["popularity"], test.wanted),
        notes=learnt.notes,
        history=learnt.history,
        trial=trial,
        test=test,
        lists=lists,
    )


def chosen(trial: Trial, judged: Period) -> Way:
    """The way to a shopper's vector, and the recency, that the period prefers."""
    recency = _recency(trial, judged)
    return way(_choose(trial, judged, recency)[0], recency)


def _recency(trial: Trial, validation: Period) -> float:
    """Of RECENCIES, the one of largest NDCG@10 on the validation period, by whichever way that forgets."""
    popular = popular_lists(validation.past, validation.sample)

    def quality(recency: float) -> float:
        lists = [trial.lists(validation.sample, way(name, recency), popular) for name in FOLDING]
        return max(judge(found, validation.wanted).ndcg.mean for found in lists)

    return max(RECENCIES, key=quality)


def _choose(trial: Trial, validation: Period, recency: float) -> tuple[str, dict[str, Report]]:
    """The way of larger NDCG@10 on the validation period; folding in, where they are equal."""
    lists = all_lists(trial, validation, recency)
    reports = {name: judge(found, validation.wanted) for name, found in lists.items()}
    return max(WAYS, key=lambda name: reports[name].ndcg.mean), reports


def all_lists(trial: Trial, judged: Period, recency: float) -> dict[str, Ints]:
    """The lists of every way and of popularity, which also serves who has no vector."""
    popular = popular_lists(judged.past, judged.sample)
    ways = {name: trial.lists(judged.sample, way(name, recency), popular) for name in WAYS}
    return {**ways, "popularity": popular}


def way(name: str, recency: float) -> Way:
    """What Run.config says of it."""
    return {"shopper_vector": name, "recency": recency}


def period(past: EventLog, during: EventLog, at: int, seed: int) -> Period:
    """Shoppers with a past who did something new `during` the period (see `time_split`)."""
    wanted = pairs(during)
    sample = sampled(past, np.flatnonzero(np.diff(wanted.indptr)), at, seed)
    return Period(past=past, during=during, sample=sample, wanted=wanted[sample.shoppers])


def difference(served: Ints, popular: Ints, wanted: sparse.csr_matrix) -> Difference:
    """NDCG@10 served and popularity's, and how sure their paired difference is."""
    ours, theirs = ndcg_at_k(served, wanted), ndcg_at_k(popular, wanted)
    n = len(ours)
    return Difference(
        served=float(ours.mean()) if n else 0.0,
        popular=float(theirs.mean()) if n else 0.0,
        error=float((ours - theirs).std(ddof=1) / n**0.5) if n > 1 else 0.0,
        shoppers=n,
    )
