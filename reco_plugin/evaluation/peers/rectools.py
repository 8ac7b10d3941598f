"""Two neighbourhood models of RecTools: item-KNN by TF-IDF and EASE, as its documentation uses them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from reco_plugin.evaluation.contract import Lists, Model, Rank, Rows
from reco_plugin.evaluation.measuring import Entry, Question
from reco_plugin.ranking.folds import Fold

KNN = "TF-IDF (RecTools)"
EASE = "EASE (RecTools)"
DENSE_ITEMS = 16_000
"""Its EASE inverts a dense items x items matrix."""


def entries() -> tuple[Entry, ...]:
    knn = Model(name=KNN, build=_knn, grid=(50, 200))
    ease = Model(name=EASE, build=_ease, grid=(100.0, 500.0))
    return (
        Entry(name=KNN, words="item-KNN", make=lambda question: knn, can=_can_knn),
        Entry(name=EASE, words="a linear model", make=lambda question: ease, can=_can_ease),
    )


def _can(question: Question) -> bool:
    there = find_spec("rectools") is not None
    return there and question.fold.shoppers is not None and question.fold.requests.here is None


def _can_knn(question: Question) -> bool:
    return _can(question) and find_spec("implicit") is not None


def _can_ease(question: Question) -> bool:
    return _can(question) and question.fold.train.n_items <= DENSE_ITEMS


def _knn(fold: Fold, neighbours: int) -> Rank:
    from implicit.nearest_neighbours import TFIDFRecommender
    from rectools.models import ImplicitItemKNNWrapperModel

    return _fitted(fold, ImplicitItemKNNWrapperModel(TFIDFRecommender(K=neighbours)))


def _ease(fold: Fold, ridge: float) -> Rank:
    from rectools.models import EASEModel

    return _fitted(fold, EASEModel(regularization=ridge))


def _fitted(fold: Fold, model: Any) -> Rank:
    dataset = _dataset(fold)
    model.fit(dataset)
    return lambda rows, k: _lists(fold, model, dataset, rows, k)


def _dataset(fold: Fold) -> Any:
    import pandas as pd
    from rectools.dataset import Dataset

    train = fold.train
    frame = pd.DataFrame(
        {
            "user_id": train.rows,
            "item_id": train.items.astype(np.int64),
            "weight": 1.0,
            "datetime": pd.Timestamp(0)
            if train.at is None
            else pd.to_datetime(train.at, unit="us"),
        }
    )
    return Dataset.construct(frame)


def _lists(fold: Fold, model: Any, dataset: Any, rows: Rows, k: int) -> Lists:
    """It leaves out what it is told for all alike; what a request excludes is left out of a longer list."""
    own = fold.shoppers
    assert own is not None
    barred = fold.requests.select(rows).barred()
    longest = int(min(k + barred.sum(axis=1).max(initial=0), fold.train.n_items))
    asked = np.unique(own[rows])
    found = model.recommend(users=asked, dataset=dataset, k=longest, filter_viewed=False)
    by_shopper = {shopper: part.to_numpy() for shopper, part in found.groupby("user_id")["item_id"]}
    lists = np.full((len(rows), k), -1, np.int32)
    for place, shopper in enumerate(own[rows].tolist()):
        items = by_shopper.get(shopper, np.zeros(0, np.int64)).astype(np.int64)
        allowed = items[~barred[place, items]][:k]
        lists[place, : len(allowed)] = allowed
    return lists
