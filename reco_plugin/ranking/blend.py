"""Two stages: candidates of all members, then one ranker that learnt on this very log whom to believe.

The ranker is fitted on a cut of the part that may be learnt from, made by the protocol that is asked:
members learn from what came before, and the ranker from what happened next. Then the members learn from all
of it. Nothing here knows which log it is, and no setting is fitted to one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from reco_plugin.ranking import logit, members
from reco_plugin.ranking.evidence import Evidence, gather, names, plain
from reco_plugin.ranking.folds import Cut, Fold
from reco_plugin.ranking.logit import Logit
from reco_plugin.ranking.members import Members, Traits
from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import Features, Ints

ASKED = 4_000
"""Most requests the ranker learns from."""
CANDIDATES = 1_500_000
"""Most candidates it learns from, a bound on memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Blend:
    """A fitted pipeline."""

    members: Members
    ranker: Logit
    traits: Traits
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each part of the fit."""

    def rank(self, requests: Requests, k: int) -> Ints:
        """int32 (n, k): the best items for each request, best first, -1 for an empty place."""
        parts = [
            evidence.best(self.ranker.score(evidence.features), k)
            for evidence in gather(requests, self.members.sources, self.members.facts)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, k), np.int32)

    def weights(self) -> dict[str, float]:
        """What the ranker learnt, by feature."""
        columns = names(self.members.sources, self.members.facts)
        return dict(zip(columns, self.ranker.weights.tolist(), strict=True))


def fit(
    past: Histories,
    cut: Cut,
    asked: Requests,
    *,
    features: Features | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Blend:
    """A pipeline for requests like `asked` (which only tell what they hold, not what came of them).

    Raises NotEnoughData when nothing happened in `past`.
    """
    of = members.traits(past, asked, features)
    began = time.perf_counter()
    ranker = _ranker(cut(past), past, of, features=features, seed=seed, threads=threads)
    tuned = time.perf_counter()
    final = members.fit(past, of, features=features, seed=seed, threads=threads)
    done = time.perf_counter()
    return Blend(
        members=final,
        ranker=ranker,
        traits=of,
        seconds={"ranker": tuned - began, "members": done - tuned, "whole": done - began},
    )


def _ranker(
    fold: Fold,
    whole: Histories,
    of: Traits,
    *,
    features: Features | None,
    seed: int,
    threads: int,
) -> Logit:
    past = fold.train if len(fold.train.items) else whole
    found = members.fit(past, of, features=features, seed=seed, threads=threads)
    rows = np.arange(len(fold.requests))
    if len(rows) > ASKED:
        rows = np.sort(np.random.default_rng(seed).choice(rows, ASKED, replace=False))
    return learn(fold.select(rows), found)


def learn(fold: Fold, found: Members) -> Logit:
    """The ranker that makes what happened in the fold most likely."""
    prior = plain(found.sources, found.facts)
    if not len(fold.requests):
        return Logit(weights=prior, likelihood=0.0, rounds=0)
    kept: list[Evidence] = []
    for evidence in gather(fold.requests, found.sources, found.facts):
        kept.append(evidence)
        if sum(len(one.items) for one in kept) > CANDIDATES:
            break
    whole = Evidence(
        counts=np.concatenate([one.counts for one in kept]),
        items=np.concatenate([one.items for one in kept]),
        features=np.concatenate([one.features for one in kept]),
    )
    told = whole.marked(fold.wanted[: len(whole.counts)])
    return logit.fit(whole.features, whole.counts, told, prior=prior)
