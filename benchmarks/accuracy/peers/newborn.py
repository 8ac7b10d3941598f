"""Peers for items nobody has taken yet: by what they are like, and by the factors their features predict."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from benchmarks.accuracy.peers.base import Peer, Rank, Rows, ranked
from benchmarks.accuracy.peers.engines import installed, threads
from reco_plugin.ranking.folds import Fold
from reco_plugin.types import Features


def peers(features: Features, *, external: bool) -> list[Peer]:
    """Chance, content, latent content, and ALS with a ridge regression where `implicit` is installed."""
    found = [
        Peer(name="chance", build=chance),
        Peer(name="content kNN", build=partial(content, features=features)),
        Peer(name="latent content", build=partial(latent, features=features)),
    ]
    if external and installed():
        grid = [(64, 5.0, ridge) for ridge in (1.0, 3.0)]
        found.append(
            Peer(name="ALS + ridge", build=partial(als_ridge, features=features), grid=grid)
        )
    return found


def weighted(features: Features) -> sparse.csr_matrix:
    """TF-IDF as scikit-learn has it: smoothed, rows of length one."""
    matrix = features.matrix.astype(np.float64)
    having = np.bincount(matrix.indices, minlength=matrix.shape[1])
    found = matrix @ sparse.diags(np.log((1 + matrix.shape[0]) / (1 + having)) + 1)
    size = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    return (sparse.diags(1 / np.maximum(size, 1e-12)) @ found).tocsr()


def chance(fold: Fold, _: Any) -> Rank:
    random = np.random.RandomState(0)
    return ranked(fold, lambda rows: random.rand(len(rows), fold.train.n_items))


def content(fold: Fold, _: Any, *, features: Features) -> Rank:
    rows = weighted(features)
    query = fold.requests.past.sets()
    return ranked(fold, lambda asked: (query[asked] @ rows) @ rows.T)


def latent(fold: Fold, _: Any, *, features: Features) -> Rank:
    words = weighted(features)
    size = min(64, min(words.shape) - 1)
    left, values, _rest = svds(words, k=size) if size else (words.toarray(), 1.0, None)
    rows = left * values
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    query = fold.requests.past.sets()
    return ranked(fold, lambda asked: (query[asked] @ rows) @ rows.T)


def als_ridge(fold: Fold, told: tuple[int, float, float], *, features: Features) -> Rank:
    """ALS over what was taken; a new item's factors by ridge regression from its words."""
    from implicit.als import AlternatingLeastSquares

    factors, alpha, ridge = told
    taken = fold.train.sets()
    engine = AlternatingLeastSquares(
        factors=factors,
        regularization=0.05,
        alpha=alpha,
        iterations=15,
        random_state=1,
        num_threads=threads(),
    )
    with warnings.catch_warnings(action="ignore"):
        engine.fit(taken, show_progress=False)
    known = np.flatnonzero(np.bincount(taken.indices, minlength=taken.shape[1]))
    rows = weighted(features)
    seen = rows[known].toarray()
    system = seen.T @ seen + ridge * np.eye(rows.shape[1])
    expected = rows @ np.linalg.solve(system, seen.T @ np.asarray(engine.item_factors)[known])
    shoppers, own = np.asarray(engine.user_factors), fold.shoppers
    assert own is not None

    def score(asked: Rows) -> Any:
        return shoppers[own[asked]] @ expected.T

    return ranked(fold, score)
