"""Peers that complete a cart from what was bought together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.accuracy.peers.base import Peer, Rank, Rows, ranked
from benchmarks.accuracy.peers.shoppers import ease_weights, popularity
from reco_plugin.ranking.folds import Fold


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


def peers(small: bool) -> list[Peer]:
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
