"""Two stages: candidates of all members, then one ranker that learnt on this very log whom to believe.

The ranker is fitted on a cut of the part that may be learnt from, made by the protocol that is asked:
members learn from what came before, and the ranker from what happened next. Then the members learn from all
of it. Nothing here knows which log it is, and no setting is fitted to one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from reco_plugin.ranking import contest, members
from reco_plugin.ranking.contest import Choice, Lists, Terms
from reco_plugin.ranking.evidence import FORMS, Evidence, gather, names, plain
from reco_plugin.ranking.folds import Cut, Fold
from reco_plugin.ranking.forest import Forest, columns_of, named
from reco_plugin.ranking.logit import Logit
from reco_plugin.ranking.members import Members, Traits
from reco_plugin.ranking.rankers import AUTO
from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.histories import Histories
from reco_plugin.types import Features, Floats, Ints

ASKED = 8_000
"""Most requests the ranker learns from."""
ENOUGH = 1_500
"""Requests below which it learns from earlier cuts too, each inside what the one before left to learn from."""
FOLDS = 4
"""Most cuts."""
OTHERS = 150
"""Candidates of a list, beside those that were wanted, that it learns from: a draw of all, which leaves the
weights of a conditional logit where they are (McFadden 1978)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Blend:
    """A fitted pipeline."""

    members: Members
    ranker: Logit
    traits: Traits
    trees: Forest | None = None
    """What is added to the ranker's score; None where that is better by itself."""
    note: str = ""
    """How it was decided."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each part of the fit."""

    def rank(self, requests: Requests, k: int) -> Ints:
        """int32 (n, k): the best items for each request, best first, -1 for an empty place."""
        parts = [
            evidence.best(self.scores(evidence.features), k)
            for evidence in gather(requests, self.members.sources, self.members.facts)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, k), np.int32)

    def scores(self, features: Floats) -> Floats:
        """float32 (c,): the larger, the likelier."""
        found = self.ranker.score(features)
        if self.trees is None:
            return found
        laid = _Laid(sources=len(self.members.sources))
        return found + self.trees.score(laid(features, self.ranker.weights))

    def weights(self) -> dict[str, float]:
        """What the linear ranker learnt, by feature."""
        columns = names(self.members.sources, self.members.facts)
        return dict(zip(columns, self.ranker.weights.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Laid:
    """Features as trees are told of them: of a source the share alone, since its other forms put in the same order."""

    sources: int

    def __call__(self, features: Floats, weights: npt.NDArray[np.float64]) -> Floats:
        facts = self.sources * len(FORMS)
        linear = features @ weights.astype(np.float32)
        return columns_of(features[:, : facts : len(FORMS)], features[:, facts:], linear)


def fit(
    past: Histories,
    cut: Cut,
    asked: Requests,
    *,
    features: Features | None = None,
    ranker: str = AUTO,
    seed: int = 0,
    threads: int = 1,
) -> Blend:
    """A pipeline for requests like `asked` (which only tell what they hold, not what came of them).

    `ranker` is 'linear', 'lambdamart' or 'auto'; see `contest.chosen`. Raises NotEnoughData when nothing happened
    in `past`, and ValueError for another ranker.
    """
    of = members.traits(past, asked, features)
    told = partial(members.fit, of=of, features=features, seed=seed, threads=threads)
    began = time.perf_counter()
    final, cuts = _learnt(past, cut, told, seed=seed, threads=threads)
    learnt = time.perf_counter()
    choice = _choice(cuts, final, ranker=ranker, seed=seed, threads=threads)
    done = time.perf_counter()
    return Blend(
        members=final,
        ranker=choice.linear,
        trees=choice.trees,
        note=choice.note,
        traits=of,
        seconds={"members": learnt - began, "ranker": done - learnt, "whole": done - began},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cut:
    """What a ranker may learn from one cut."""

    columns: list[str]
    """Of the features: where too little is left for a member, they are not those of the whole."""
    lists: list[Lists]


def _learnt(
    past: Histories,
    cut: Cut,
    fit_members: Callable[[Histories], Members],
    *,
    seed: int,
    threads: int,
) -> tuple[Members, list[_Cut]]:
    """Members of the whole, and what members of its cuts offered: at once where there are threads, since
    compiled code, which is most of either, lets the other go on."""
    cuts = partial(_cuts, past, cut, fit_members, seed)
    if threads < 2:
        return fit_members(past), cuts()
    with ThreadPoolExecutor(max_workers=1) as beside:
        later = beside.submit(cuts)
        return fit_members(past), later.result()


def _cuts(
    past: Histories, cut: Cut, fit_members: Callable[[Histories], Members], seed: int
) -> list[_Cut]:
    """Of cuts of the past, newest first, until there is enough."""
    found: list[_Cut] = []
    asked = 0
    for _ in range(FOLDS):
        fold = cut(past)
        if asked >= ENOUGH or not len(fold.requests) or not len(fold.train.items):
            break
        learnt = fit_members(fold.train)
        told = list(lists(_drawn(fold, seed), learnt, seed=seed))
        found.append(_Cut(columns=names(learnt.sources, learnt.facts), lists=told))
        asked += len(fold.requests)
        past = fold.train
    return found


def lists(fold: Fold, found: Members, *, seed: int = 0) -> Iterator[Lists]:
    """What was on offer to each request of the fold and what was taken, where anything was."""
    random, start = np.random.default_rng(seed), 0
    for evidence in gather(fold.requests, found.sources, found.facts):
        stop = start + len(evidence.counts)
        taken = evidence.marked(fold.wanted[start:stop])
        kept = _kept(evidence, taken, random)
        counts = np.bincount(evidence.rows[kept], minlength=len(evidence.counts))
        yield Lists(
            features=evidence.features[kept],
            counts=counts[counts > 0],
            taken=taken[kept].astype(np.float64),
        )
        start = stop


def _kept(
    evidence: Evidence, taken: npt.NDArray[np.bool_], random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """What was taken and a draw of the others, of requests that took anything on offer."""
    told = np.bincount(evidence.rows, weights=taken, minlength=len(evidence.counts)) > 0
    odds = np.minimum(OTHERS / np.maximum(evidence.counts, 1), 1.0)
    drawn = random.random(len(taken)) < odds[evidence.rows]
    return np.asarray((taken | drawn) & told[evidence.rows])


def _drawn(fold: Fold, seed: int) -> Fold:
    if len(fold.requests) <= ASKED:
        return fold
    rows = np.random.default_rng(seed).choice(len(fold.requests), ASKED, replace=False)
    return fold.select(np.sort(rows))


def _choice(
    cuts: Sequence[_Cut], final: Members, *, ranker: str, seed: int, threads: int
) -> Choice:
    """The ranker that makes what happened most likely; a plain blend when nothing is known of that."""
    prior = plain(final.sources, final.facts)
    known = names(final.sources, final.facts)
    like = takewhile(lambda cut: cut.columns == known, cuts)
    kept = [one for cut in like for one in cut.lists if len(one.counts)]
    lists = Lists(
        features=np.concatenate(
            [np.zeros((0, len(prior)), np.float32), *(x.features for x in kept)]
        ),
        counts=np.concatenate([np.zeros(0, np.int64), *(x.counts for x in kept)]),
        taken=np.concatenate([np.zeros(0), *(x.taken for x in kept)]),
    )
    facts = [name for fact in final.facts for name in fact.names]
    terms = Terms(
        laid=_Laid(sources=len(final.sources)),
        columns=named([source.name for source in final.sources], facts),
        prior=prior,
        ranker=ranker,
        seed=seed,
        threads=threads,
    )
    return contest.chosen(lists, terms)
