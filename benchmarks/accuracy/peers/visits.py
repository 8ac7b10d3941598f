"""Peers for the next item of a visit, in plain Python over dictionaries."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from benchmarks.accuracy.peers.base import Lists, Peer, Rank, Rows
from benchmarks.accuracy.peers.shoppers import popularity
from reco_plugin.ranking.folds import Fold


def _each(fold: Fold, answer: Callable[[list[int]], dict[int, float]]) -> Rank:
    here = fold.requests.here
    assert here is not None

    def rank(rows: Rows, k: int) -> Lists:
        found = np.full((len(rows), k), -1, dtype=np.int32)
        for place, row in enumerate(rows):
            visit = here.items[here.starts[row] : here.starts[row + 1]].tolist()
            best = heapq.nlargest(k, answer(visit).items(), key=lambda pair: pair[1])
            found[place, : len(best)] = [item for item, _ in best]
        return found

    return rank


def _visit_lists(fold: Fold) -> list[list[int]]:
    train = fold.train
    pairs = zip(train.starts[:-1], train.starts[1:], strict=True)
    return [train.items[start:stop].tolist() for start, stop in pairs if stop > start]


def visit_rules(fold: Fold, kind: str) -> Rank:
    """After the last item: what came next (markov) or soon (sequential), or was in the same visit (any)."""
    found: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for visit in _visit_lists(fold):
        for at, item in enumerate(visit):
            if kind == "any":
                for other in visit:
                    found[item][other] += item != other
                continue
            for step in range(1, min(1 if kind == "markov" else 10, at) + 1):
                found[visit[at - step]][item] += 1 / step
    return _each(fold, lambda visit: found.get(visit[-1], {}))


class _Index:
    """Visits by item, newest last."""

    def __init__(self, fold: Fold) -> None:
        self.places: list[dict[int, int]] = []
        self.visits: dict[int, list[int]] = defaultdict(list)
        for number, visit in enumerate(_visit_lists(fold)):
            self.places.append({item: at + 1 for at, item in enumerate(visit)})
            for item in self.places[-1]:
                self.visits[item].append(number)
        total = len(self.places)
        self.rarity = {item: math.log(total / len(held)) for item, held in self.visits.items()}

    def nearest(
        self, weights: dict[int, float], k: int, m: int, sized: bool
    ) -> list[tuple[float, int]]:
        sums: dict[int, float] = defaultdict(float)
        for item, weight in weights.items():
            for number in self.visits.get(item, ())[-m:]:
                sums[number] += weight
        if sized:
            for number in sums:
                sums[number] /= math.sqrt(len(weights) * len(self.places[number]))
        return heapq.nlargest(k, ((value, number) for number, value in sums.items()))


def session_knn(fold: Fold, told: tuple[int, int]) -> Rank:
    index = _Index(fold)

    def answer(visit: list[int]) -> dict[int, float]:
        scores: dict[int, float] = defaultdict(float)
        for value, number in index.nearest(dict.fromkeys(visit, 1.0), *told, sized=True):
            for item in index.places[number]:
                scores[item] += value
        return scores

    return _each(fold, answer)


def vmis_knn(fold: Fold, told: tuple[int, int]) -> Rank:
    index = _Index(fold)

    def answer(visit: list[int]) -> dict[int, float]:
        length = len(visit)
        weights = {item: (at + 1) / length for at, item in enumerate(visit)}
        scores: dict[int, float] = defaultdict(float)
        for value, number in index.nearest(weights, *told, sized=False):
            places = index.places[number]
            last = max(at + 1 for at, item in enumerate(visit) if item in places)
            vote = value * max(0.0, 1 - 0.1 * (length - last))
            if vote > 0:
                for item in places:
                    scores[item] += vote * index.rarity[item]
        return scores

    return _each(fold, answer)


def stan_like(fold: Fold, told: tuple[int, int, float, float]) -> Rank:
    """Fading in both visits (Garg et al. 2019, without the age of visits)."""
    k, m, here, there = told
    index = _Index(fold)

    def answer(visit: list[int]) -> dict[int, float]:
        length = len(visit)
        weights = {item: math.exp((at + 1 - length) / here) for at, item in enumerate(visit)}
        scores: dict[int, float] = defaultdict(float)
        for value, number in index.nearest(weights, k, m, sized=True):
            places = index.places[number]
            anchor = next(places[item] for item in reversed(visit) if item in places)
            for item, at in places.items():
                scores[item] += value * math.exp(-abs(at - anchor) / there)
        return scores

    return _each(fold, answer)


def peers() -> list[Peer]:
    return [
        Peer(name="popularity", build=popularity),
        Peer(name="association rules", build=visit_rules, grid=("any",)),
        Peer(name="Markov chain", build=visit_rules, grid=("markov",)),
        Peer(name="sequential rules", build=visit_rules, grid=("sequential",)),
        Peer(name="S-KNN", build=session_knn, grid=((100, 1000),)),
        Peer(name="VMIS-kNN", build=vmis_knn, grid=((100, 1000), (500, 2500))),
        Peer(
            name="STAN-like", build=stan_like, grid=((500, 2500, 2.0, 2.5), (1000, 5000, 3.0, 3.5))
        ),
    ]
