"""Peers that know a shopper by the whole history: popularity, item-KNN, EASE, sequential rules, personal frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from benchmarks.accuracy.peers.base import Peer, Rank, Rows, ranked
from reco_plugin.ranking.folds import Fold
from reco_plugin.trainers.histories import Histories

DAY = 86_400_000_000


def popularity(fold: Fold, _: Any) -> Rank:
    counts = fold.train.counts()
    return ranked(fold, lambda rows: np.tile(counts, (len(rows), 1)))


def recent_popularity(fold: Fold, days: float) -> Rank:
    train = fold.train
    assert train.at is not None
    late = train.keep(train.at > train.at.max() - days * DAY).matrix()
    counts = np.asarray(late.sum(axis=0)).ravel()
    return ranked(fold, lambda rows: np.tile(counts, (len(rows), 1)))


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
    weighted, other = weighted.tocsr(), weighted.T.tocsr()
    size = weighted.shape[0]
    parts = [_best_of(weighted[at : at + 1_000] @ other, k) for at in range(0, size, 1_000)]
    return sparse.vstack(parts, format="csr", dtype=np.float32)


def _best_of(found: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    for row in range(found.shape[0]):
        values = found.data[found.indptr[row] : found.indptr[row + 1]]
        if len(values) > k:
            values[values < np.partition(values, len(values) - k)[len(values) - k]] = 0
    found.eliminate_zeros()
    return found


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


def peers(small: bool) -> list[Peer]:
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


def again(small: bool) -> list[Peer]:
    found = [Peer(name="personal frequency", build=personal, grid=(1.0, 0.9, 0.8, 0.6))]
    if small:
        both = [(1000.0, share) for share in (0.1, 0.3)]
        found.append(Peer(name="personal frequency + EASE", build=personal_and_ease, grid=both))
    return found
