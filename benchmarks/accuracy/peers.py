"""The peers, written as plainly as a sceptic would: none of them uses a line of the product's own trainers.

Each is built from what may be learnt from, over a small grid of settings; the one that does best on the
same inner cut the pipeline is tuned on is then built again from all that may be learnt from. `implicit` joins
where it is installed.
"""

from __future__ import annotations

import heapq
import math
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from benchmarks.accuracy.protocols import Protocol
from reco_plugin.ranking.folds import Fold
from reco_plugin.trainers.histories import Histories

Lists: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.int64]
Rank: TypeAlias = Callable[[Rows, int], Lists]
Score: TypeAlias = Callable[[Rows], Any]

DENSE_ITEMS = 16_000
"""Largest catalogue of which a dense item matrix is made (1 GB); peers that need one stay away above."""
DAY = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One model and the settings it is tried with."""

    name: str
    build: Callable[[Fold, Any], Rank]
    grid: Sequence[Any] = (None,)


def of(protocol: Protocol, fold: Fold, *, external: bool) -> list[Peer]:
    """Peers that can answer this protocol on a log of this size."""
    small = fold.train.n_items <= DENSE_ITEMS
    if protocol.sessions:
        found = _visit_peers()
    elif protocol.name == "cart":
        found = _cart_peers(small)
    else:
        found = _shopper_peers(small) + (_again_peers(small) if protocol.repeats else [])
    if external and not protocol.sessions and protocol.name != "cart":
        found += _implicit_peers()
    return found


def ranked(fold: Fold, score: Score) -> Rank:
    """Lists from dense scores, what is barred left out, equal scores by lower item row."""

    def rank(rows: Rows, k: int) -> Lists:
        part = fold.requests.select(rows)
        values = score(rows)
        values = values.toarray() if sparse.issparse(values) else values
        values = np.array(values, dtype=np.float32)
        barred = part.barred()
        values[barred] = -np.inf
        k = min(k, values.shape[1])
        best = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(-np.take_along_axis(values, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1).astype(np.int32)
        best[np.take_along_axis(barred, best.astype(np.int64), 1)] = -1
        return best

    return rank


# --- popularity ----------------------------------------------------------------------------------


def popularity(fold: Fold, _: Any) -> Rank:
    counts = fold.train.counts()
    return ranked(fold, lambda rows: np.tile(counts, (len(rows), 1)))


def recent_popularity(fold: Fold, days: float) -> Rank:
    train = fold.train
    assert train.at is not None
    late = train.keep(train.at > train.at.max() - days * DAY).matrix()
    counts = np.asarray(late.sum(axis=0)).ravel()
    return ranked(fold, lambda rows: np.tile(counts, (len(rows), 1)))


# --- neighbours of shoppers' whole histories -----------------------------------------------------


def seen(past: Histories, decay: float = 1.0) -> sparse.csr_matrix:
    """How often, later events counting more."""
    weights = decay ** past.events_back.astype(np.float64) if decay < 1 else None
    return past.matrix(weights)


def likeness(taken: sparse.csr_matrix, k: int, weighting: str, k1: float, b: float) -> Any:
    """Item x item: cosine, TF-IDF or BM25, the k best of each item."""
    items = taken.T.tocsr().astype(np.float64)
    rarity = np.log(
        items.shape[0] / np.maximum(np.bincount(items.indices, minlength=items.shape[1]), 1)
    )
    if weighting == "bm25":
        lengths = np.asarray(items.sum(axis=1)).ravel()
        norm = np.repeat(1 - b + b * lengths / lengths.mean(), np.diff(items.indptr))
        items.data = items.data * (k1 + 1) / (k1 * norm + items.data)
        weighted = items @ sparse.diags(rarity)
    else:
        weighted = items @ sparse.diags(rarity) if weighting == "tfidf" else items
        size = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        weighted = sparse.diags(1 / np.maximum(size, 1e-12)) @ weighted
    found = (weighted @ weighted.T).tocsr()
    for row in range(found.shape[0]):
        values = found.data[found.indptr[row] : found.indptr[row + 1]]
        if len(values) > k:
            values[values < np.partition(values, len(values) - k)[len(values) - k]] = 0
    found.eliminate_zeros()
    return found.astype(np.float32)


def item_knn(fold: Fold, told: tuple[int, str, float, float, float]) -> Rank:
    k, weighting, k1, b, decay = told
    alike = likeness(fold.train.sets(), k, weighting, k1, b)
    past = fold.requests.past
    query = seen(past, decay) if decay < 1 else past.sets()
    return ranked(fold, lambda rows: query[rows] @ alike)


def ease_weights(taken: sparse.csr_matrix, ridge: float) -> npt.NDArray[np.float32]:
    gram = (taken.T @ taken).toarray().astype(np.float32)
    diagonal = np.diag_indices(len(gram))
    gram[diagonal] += ridge
    factor, _ = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1, clean=1)
    inverse, failed = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ValueError(f"The item matrix has no inverse at ridge {ridge:g}.")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    found = inverse / -np.diag(inverse)[None, :]
    found[diagonal] = 0
    return np.asarray(found, dtype=np.float32)


def ease(fold: Fold, ridge: float) -> Rank:
    weights = ease_weights(fold.train.sets(), ridge)
    query = fold.requests.past.sets()
    return ranked(fold, lambda rows: query[rows] @ weights)


def sequential_rules(fold: Fold, told: tuple[int, float]) -> Rank:
    """What followed within `window` events, 1 / distance; a history's last 20 events, decaying."""
    window, decay = told
    train, size = fold.train, fold.train.n_items
    rules = sparse.csr_matrix((size, size), dtype=np.float32)
    for step in range(1, window + 1):
        same = train.rows[:-step] == train.rows[step:]
        pair = (train.items[:-step][same], train.items[step:][same])
        rules = rules + sparse.csr_matrix(
            (np.full(len(pair[0]), 1 / step, np.float32), pair), shape=(size, size)
        )
    rules = sparse.diags(1 / (np.asarray(rules.sum(axis=1)).ravel() + 2)) @ rules
    past = fold.requests.past
    query = past.matrix(
        np.where(past.events_back < 20, decay ** np.minimum(past.events_back, 20.0), 0)
    )
    return ranked(fold, lambda rows: query[rows] @ rules)


def _shopper_peers(small: bool) -> list[Peer]:
    plain = [(k, kind, 0.0, 0.0, 1.0) for kind in ("cosine", "tfidf") for k in (20, 100, 500)]
    okapi = [(100, "bm25", k1, b, 1.0) for k1 in (1.2, 100.0) for b in (0.2, 0.75)]
    found = [
        Peer(name="popularity", build=popularity),
        Peer(name="ItemKNN cosine", build=item_knn, grid=plain[:3]),
        Peer(name="ItemKNN TF-IDF", build=item_knn, grid=plain[3:]),
        Peer(name="ItemKNN BM25", build=item_knn, grid=okapi),
        Peer(
            name="ItemKNN TF-IDF, recency",
            build=item_knn,
            grid=[(100, "tfidf", 0.0, 0.0, decay) for decay in (0.7, 0.9)],
        ),
        Peer(
            name="sequential rules",
            build=sequential_rules,
            grid=[(window, decay) for window in (3, 10) for decay in (0.6, 0.8)],
        ),
    ]
    if small:
        found.append(Peer(name="EASE", build=ease, grid=(50.0, 200.0, 1000.0)))
    return found


# --- what is bought again ------------------------------------------------------------------------


def personal(fold: Fold, decay: float) -> Rank:
    query = _fading(fold.requests.past, decay)
    counts = fold.train.counts() * 1e-6
    return ranked(fold, lambda rows: query[rows].toarray() + counts)


def personal_and_ease(fold: Fold, told: tuple[float, float]) -> Rank:
    ridge, share = told
    weights = ease_weights(fold.train.sets(), ridge)
    query, taken = _fading(fold.requests.past, 0.8), fold.requests.past.sets()

    def score(rows: Rows) -> Any:
        others, own = np.asarray(taken[rows] @ weights), query[rows].toarray()
        others = others / np.maximum(np.abs(others).max(axis=1, keepdims=True), 1e-9)
        return own / np.maximum(own.max(axis=1, keepdims=True), 1e-9) + share * others

    return ranked(fold, score)


def _fading(past: Histories, decay: float) -> sparse.csr_matrix:
    return past.matrix(decay ** past.steps_back.astype(np.float64))


def _again_peers(small: bool) -> list[Peer]:
    found = [Peer(name="personal frequency", build=personal, grid=(1.0, 0.9, 0.8, 0.6))]
    if small:
        both = [(1000.0, share) for share in (0.1, 0.3)]
        found.append(Peer(name="personal frequency + EASE", build=personal_and_ease, grid=both))
    return found


# --- carts ---------------------------------------------------------------------------------------


def _together(fold: Fold) -> tuple[sparse.csr_matrix, npt.NDArray[Any], sparse.csr_matrix]:
    """(pair counts, item counts, asked carts); baskets of one item tell nothing."""
    baskets = fold.train.by_basket().sets()
    baskets = baskets[np.diff(baskets.indptr) > 1]
    pairs = (baskets.T @ baskets).tocsr().astype(np.float32)
    pairs.setdiag(0)
    pairs.eliminate_zeros()
    counts = np.maximum(np.bincount(baskets.indices, minlength=baskets.shape[1]), 1)
    assert fold.requests.here is not None
    return pairs, counts, fold.requests.here.sets()


def cart_rules(fold: Fold, kind: str) -> Rank:
    pairs, counts, carts = _together(fold)
    inverse = sparse.diags(1 / counts)
    if kind == "cosine":
        root = sparse.diags(1 / np.sqrt(counts))
        found = root @ pairs @ root
    else:
        found = inverse @ pairs if kind == "confidence" else inverse @ pairs @ inverse
    return ranked(fold, lambda rows: carts[rows] @ found)


def cart_best_rule(fold: Fold, _: Any) -> Rank:
    pairs, counts, carts = _together(fold)
    found = (sparse.diags(1 / counts) @ pairs).tocsr()

    def score(rows: Rows) -> Any:
        picked = [found[carts.indices[carts.indptr[row] : carts.indptr[row + 1]]] for row in rows]
        return np.stack([np.asarray(one.max(axis=0).todense()).ravel() for one in picked])

    return ranked(fold, score)


def cart_ease(fold: Fold, ridge: float) -> Rank:
    baskets = fold.train.by_basket().sets()
    weights = ease_weights(baskets[np.diff(baskets.indptr) > 1], ridge)
    assert fold.requests.here is not None
    carts = fold.requests.here.sets()
    return ranked(fold, lambda rows: carts[rows] @ weights)


def _cart_peers(small: bool) -> list[Peer]:
    found = [
        Peer(name="popularity", build=popularity),
        Peer(name="rules, sum of lift", build=cart_rules, grid=("lift",)),
        Peer(name="rules, sum of confidence", build=cart_rules, grid=("confidence",)),
        Peer(name="rules, largest confidence", build=cart_best_rule),
        Peer(name="cosine of baskets", build=cart_rules, grid=("cosine",)),
    ]
    if small:
        found.append(Peer(name="EASE on baskets", build=cart_ease, grid=(200.0, 500.0, 1000.0)))
    return found


# --- visits --------------------------------------------------------------------------------------


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


def _visit_peers() -> list[Peer]:
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


# --- implicit ------------------------------------------------------------------------------------


def _implicit_peers() -> list[Peer]:
    try:
        import implicit  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "implicit":
            raise
        return []
    als = [(64, 0.05, 1.0), (64, 0.05, 5.0), (128, 0.05, 10.0)]
    return [
        Peer(name="ALS (implicit)", build=_als, grid=als),
        Peer(name="BPR (implicit)", build=_bpr, grid=((64, 100, 0.01, 0.05),)),
    ]


def _als(fold: Fold, told: tuple[int, float, float]) -> Rank:
    from implicit.als import AlternatingLeastSquares

    factors, penalty, alpha = told
    engine = AlternatingLeastSquares(
        factors=factors,
        regularization=penalty,
        alpha=alpha,
        iterations=15,
        random_state=1,
        num_threads=_threads(),
    )
    return _factors(fold, engine, fold.train.matrix())


def _bpr(fold: Fold, told: tuple[int, int, float, float]) -> Rank:
    from implicit.bpr import BayesianPersonalizedRanking

    factors, rounds, penalty, rate = told
    engine = BayesianPersonalizedRanking(
        factors=factors,
        iterations=rounds,
        regularization=penalty,
        learning_rate=rate,
        random_state=1,
        num_threads=_threads(),
    )
    return _factors(fold, engine, fold.train.sets())


def _factors(fold: Fold, engine: Any, taken: sparse.csr_matrix) -> Rank:
    with warnings.catch_warnings(
        action="ignore"
    ):  # it warns of BLAS threads, which the caller has set
        engine.fit(taken, show_progress=False)
    shoppers, items = np.asarray(engine.user_factors), np.asarray(engine.item_factors)
    own = fold.shoppers
    assert own is not None
    return ranked(fold, lambda rows: shoppers[own[rows]] @ items.T)


def _threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS", "0"))
