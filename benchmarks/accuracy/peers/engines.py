"""Peers of `implicit`, where it is installed."""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.accuracy.peers.base import Peer, Rank, ranked
from reco_plugin.ranking.folds import Fold


def installed() -> bool:
    """Is `implicit` there?"""
    return importlib.util.find_spec("implicit") is not None


def peers() -> list[Peer]:
    if not installed():
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
        num_threads=threads(),
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
        num_threads=threads(),
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


def threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS", "0"))
