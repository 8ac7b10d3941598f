"""Stock LightFM: the library as its own documentation uses it, WARP over who took what, without features."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from reco_plugin.evaluation.contract import Model, Rank, ranked
from reco_plugin.evaluation.measuring import Entry, Question
from reco_plugin.evaluation.peers.implicits import threads
from reco_plugin.ranking.folds import Fold

NAME = "LightFM (stock)"
GRID = ((10, 30, 0.05), (64, 30, 0.05), (64, 60, 0.02))
"""(components, epochs, learning rate), the first the library's own defaults."""


def entries() -> tuple[Entry, ...]:
    return (Entry(name=NAME, words="WARP, no features", make=lambda question: model(), can=_can),)


def model(grid: Sequence[tuple[int, int, float]] = GRID) -> Model:
    """The library with the settings it is tried with."""
    return Model(name=NAME, build=_stock, grid=grid)


def _can(question: Question) -> bool:
    there = find_spec("lightfm") is not None
    return there and question.fold.shoppers is not None and question.fold.requests.here is None


def _stock(fold: Fold, told: tuple[int, int, float]) -> Rank:
    from lightfm import LightFM

    components, epochs, rate = told
    engine = LightFM(no_components=components, loss="warp", learning_rate=rate, random_state=1)
    engine.fit(fold.train.sets().tocoo(), epochs=epochs, num_threads=max(threads(), 1))
    biases, items = engine.get_item_representations()
    _, shoppers = engine.get_user_representations()
    own = fold.shoppers
    assert own is not None
    return ranked(fold, lambda rows: np.asarray(shoppers[own[rows]] @ items.T + biases))
