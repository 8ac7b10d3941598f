"""ALS and BPR of `implicit`."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy import sparse

from reco_plugin.evaluation.contract import Model, Rank, ranked
from reco_plugin.evaluation.measuring import Entry, Question
from reco_plugin.ranking.folds import Fold

ALS = "ALS (implicit)"
BPR = "BPR (implicit)"


def installed() -> bool:
    """Is `implicit` there?"""
    return find_spec("implicit") is not None


def entries() -> tuple[Entry, ...]:
    return tuple(
        Entry(name=model.name, words=words, make=_given(model), can=_can)
        for model, words in zip(
            models(), ("alternating least squares", "Bayesian personalised ranking"), strict=True
        )
    )


def models() -> list[Model]:
    """Both, with the settings they are tried with."""
    als = [(64, 0.05, 1.0), (64, 0.05, 5.0), (128, 0.05, 10.0)]
    return [
        Model(name=ALS, build=_als, grid=als),
        Model(name=BPR, build=_bpr, grid=((64, 100, 0.01, 0.05),)),
    ]


def _given(model: Model) -> Any:
    return lambda question: model


def _can(question: Question) -> bool:
    """Factors are of shoppers who were learnt of, not of a visit by anyone."""
    return (
        installed() and question.fold.shoppers is not None and question.fold.requests.here is None
    )


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
    """As the environment says; 0 is all there are."""
    return int(os.environ.get("OMP_NUM_THREADS", "0"))
