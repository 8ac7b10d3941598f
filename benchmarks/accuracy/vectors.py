"""LightFM as this product trains and asks it, beside the library as its documentation uses it.

The product's way: weights by recency, side features beside identities, epochs by early stopping, and the way from a
shopper's events to a vector (their own, or folded in from the newest, forgetting at one of three paces), all chosen on
a validation period. Stock LightFM: WARP over who took what at several settings, the best on the inner cut.
Needs no database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from reco_plugin.evaluation import judging
from reco_plugin.evaluation.judging import Measured
from reco_plugin.evaluation.measuring import Question, chosen, in_batches
from reco_plugin.evaluation.peers import lightfms
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.ranking.folds import Fold
from reco_plugin.types import Features

NAME = "LightFM path"
BAR = 1.0
WIDE = (128, 60, 0.02)
"""The setting that was best on Amazon Beauty, beside those a comparison tries."""
SECOND = 1_000_000
"""Microseconds between two baskets of a log that only knows their order: too short to forget anything in."""
START = 1_577_836_800 * SECOND
"""A moment for such a log to begin: 1 January 2020."""


class CannotAsk(Exception):
    """Vectors are of known shoppers, and this protocol asks of nobody known."""


def measured(
    fold: Fold, protocol: Protocol, features: Features | None, *, seed: int, threads: int
) -> list[Measured]:
    """Stock LightFM and ours. Raises CannotAsk."""
    if fold.shoppers is None or fold.requests.here is not None:
        raise CannotAsk(
            "LightFM's vectors are of known shoppers: take --protocol leave-last-out, last-basket, next-basket "
            "or time with --lightfm."
        )
    os.environ["OMP_NUM_THREADS"] = str(threads)
    question = Question(fold=fold, protocol=protocol, features=features, seed=seed, threads=threads)
    return [_stock(question), _ours(question)]


def _stock(question: Question) -> Measured:
    fold, protocol = question.fold, question.protocol
    model = lightfms.model((*lightfms.GRID, WIDE))
    setting = chosen(model, protocol.inner(fold.train), protocol, question.seed)
    began = time.perf_counter()
    rank = model.build(fold, setting)
    fit_s = time.perf_counter() - began
    return _judged(model.name, rank, question, fit_s, note=f"best of {len(model.grid)}: {setting}")


def _ours(question: Question) -> Measured:
    _set_up()
    from reco_plugin import conf
    from reco_plugin.jobs.comparison_served import Asking, by_vectors, teach
    from reco_plugin.trainers import process
    from reco_plugin.trainers.base import Learnt
    from reco_plugin.types import Dataset

    def learn(config: Mapping[str, Any], dataset: Dataset) -> Learnt:
        return process.run(
            conf.settings.TRAINER,
            config,
            dataset,
            seed=question.seed,
            threads=question.threads,
        )

    asked, material = _shop(question)
    taught = teach(material, asked, learn, seed=question.seed)
    asking = Asking(taught=taught, question=question, owner=asked.owner)
    way = ", ".join(f"{name} {value}" for name, value in taught.way.items())
    note = f"{taught.learnt.epochs} epochs, {way}"
    return _judged(NAME, by_vectors(asking), question, taught.seconds, note=note, ours=True)


def _judged(
    name: str, rank: Any, question: Question, fit_s: float, *, note: str, ours: bool = False
) -> Measured:
    count = len(question.fold.requests)
    began = time.perf_counter()
    lists = in_batches(rank, count, question.depth)
    return judging.judged(
        name,
        lists,
        question.fold,
        question.protocol.k,
        fit_s=fit_s,
        ms=(time.perf_counter() - began) * 1000 / max(count, 1),
        default=ours,
        own=ours,
        note=note,
    )


def _set_up() -> None:
    """Settings, and no database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.accuracy.settings")
    import django

    django.setup()


def _shop(question: Question) -> tuple[Any, Any]:
    """What may be learnt from, as a shop's log of purchases."""
    from reco_plugin.datasets import EventLog, EventWeights, build_reported
    from reco_plugin.jobs.comparison_log import Asked
    from reco_plugin.jobs.material import Material
    from reco_plugin.types import EventKind, IdMap

    fold, train = question.fold, question.fold.train
    count = len(train.items)
    log = EventLog(
        shopper=train.rows.astype(np.int32),
        item=train.items.astype(np.int32),
        kind=np.full(count, EventKind.PURCHASE, np.uint8),
        at=START - train.steps_back * SECOND if train.at is None else train.at,
        quantity=np.ones(count, np.int32),
        rating=np.full(count, np.nan, np.float32),
        shoppers=IdMap(keys=np.arange(len(train))),
        items=IdMap(keys=np.arange(train.n_items)),
        read=count,
    )
    features, weights = question.features or _none(train.n_items), EventWeights.from_settings()
    built = build_reported(log, weights=weights, item_features=features)
    material = Material(
        log=log, features=features, whole=built.dataset, quality=built.report, weights=weights
    )
    assert fold.shoppers is not None
    return Asked(fold=fold, owner=fold.shoppers, known=log, lost={}), material


def _none(n_items: int) -> Features:
    from scipy import sparse

    return Features(matrix=sparse.csr_matrix((n_items, 0), dtype=np.float32), names=())
