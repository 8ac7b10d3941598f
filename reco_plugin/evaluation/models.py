"""What this product can be asked with, each by itself and as it ships, and the floors it must beat."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from reco_plugin.evaluation.contract import Model, Rank, Rows, Sort, ranked
from reco_plugin.evaluation.measuring import Entry, Question
from reco_plugin.evaluation.protocols import visits as visits_of
from reco_plugin.ranking import blend
from reco_plugin.ranking.folds import Fold
from reco_plugin.ranking.members import TOGETHER
from reco_plugin.trainers.again import Again
from reco_plugin.trainers.content import Content
from reco_plugin.trainers.deep import torches
from reco_plugin.trainers.deep.lightgcn import LightGCN
from reco_plugin.trainers.deep.sasrec import SASRec
from reco_plugin.trainers.ease import Ease
from reco_plugin.trainers.foldin import RECENCY
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.itemknn import WEIGHTS, ItemKNN
from reco_plugin.trainers.sequential import SequentialRules
from reco_plugin.trainers.transitions import NeighbourTrainer, query
from reco_plugin.trainers.trending import Trending
from reco_plugin.trainers.visits import VisitKNN

BLEND = "blend"
CHANCE, POPULARITY = "chance", "popularity"


def entries() -> tuple[Entry, ...]:
    """Every model of this product that learns from histories alone, floors first."""
    return (
        Entry(name=CHANCE, words="any eligible item, drawn by lot", make=_floor(chance)),
        Entry(name=POPULARITY, words="how many took an item", make=_floor(popularity)),
        Entry(
            name="trending",
            words="how many took an item in the 30 days before the request",
            make=_floor(trending),
            can=lambda question: question.fold.requests.now is not None,
        ),
        _neighbours("sequential", "what followed the last items", SequentialRules),
        _neighbours("itemknn", "what is taken by the same shoppers", ItemKNN, _WEIGHTINGS),
        _neighbours("ease", "EASE, a linear model of items by items", Ease),
        Entry(
            name="together",
            words="EASE on baskets",
            make=lambda question: _single("together", partial(_of_baskets, question=question)),
            can=_has_baskets,
        ),
        _neighbours("content", "what is like it by its features", Content, can=_has_features),
        _neighbours("again", "what the shopper took before", Again, can=_may_repeat),
        Entry(
            name="visits",
            words="session-KNN: visits most like this one",
            make=lambda question: _single("visits", visits),
        ),
        _deep("sasrec", "SASRec: attention over the newest events (torch)", attention),
        _deep("lightgcn", "LightGCN: a graph of who took what (torch)", convolved),
        Entry(
            name=BLEND,
            words="all sources, weighed by a ranker learnt on this log",
            make=lambda question: Model(
                name=BLEND, build=partial(blended, question=question), sort=Sort.PIPELINE
            ),
        ),
    )


# --- floors --------------------------------------------------------------------------------------


def chance(fold: Fold, _: Any) -> Rank:
    """Each request's own draw, the same whenever it is asked."""
    n_items = fold.train.n_items

    def score(rows: Rows) -> Any:
        return np.stack([np.random.default_rng(int(row)).random(n_items) for row in rows])

    return ranked(fold, score)


def popularity(fold: Fold, _: Any) -> Rank:
    counts = fold.train.counts()
    return ranked(fold, lambda rows: np.tile(counts, (len(rows), 1)))


# --- single methods ------------------------------------------------------------------------------


def trending(fold: Fold, _: Any) -> Rank:
    trends, now = Trending().fit(fold.train), fold.requests.now
    return ranked(
        fold, lambda rows: trends.score(None if now is None else now[rows], rows=len(rows))
    )


def learnt_from(
    fold: Fold, setting: Any, *, trainer: type[NeighbourTrainer], question: Question
) -> Rank:
    """A trainer of item → items, asked of what goes on where something does, else of the past."""
    found = trainer(setting).fit(
        fold.train, features=question.features, seed=question.seed, threads=question.threads
    )
    return _of(fold, found.score)


def visits(fold: Fold, _: Any) -> Rank:
    return _of(fold, VisitKNN().fit(fold.train).score)


def _of_baskets(fold: Fold, _: Any, *, question: Question) -> Rank:
    found = Ease().fit(fold.train.by_basket(), seed=question.seed, threads=question.threads)
    return _of(fold, found.score)


def _of(fold: Fold, score: Callable[[Histories], Any]) -> Rank:
    """What scores nothing is not answered, as it would not be served."""
    events = fold.requests.here if fold.requests.here is not None else fold.requests.past

    def known(rows: Rows) -> Any:
        found = score(events.select(rows)).toarray()
        return np.where(found > 0, found, -np.inf)

    return ranked(fold, known)


def attention(fold: Fold, _: Any, *, question: Question) -> Rank:
    """SASRec, of the visits or baskets where one is going on, else of the shoppers."""
    found = SASRec({"repeats": question.protocol.repeats}).fit(
        _ongoing(fold), seed=question.seed, threads=question.threads
    )
    return _of_known(fold, lambda rows: found.score(_asked(fold).select(rows)))


def convolved(fold: Fold, _: Any, *, question: Question) -> Rank:
    """LightGCN: a shopper's own vector, or one folded in from what is going on."""
    found = LightGCN().learn(_ongoing(fold), seed=question.seed, threads=question.threads)
    own = fold.shoppers

    def vectors(rows: Rows) -> Any:
        if own is not None and fold.requests.here is None:
            return found.shopper_vectors[own[rows]]
        return query(_asked(fold).select(rows), decay=RECENCY) @ found.item_vectors

    def score(rows: Rows) -> Any:
        asks = vectors(rows)
        nobody = ~asks.any(axis=1, keepdims=True)
        return np.where(nobody, -np.inf, asks @ found.item_vectors.T)

    return _of_known(fold, score)


def _ongoing(fold: Fold) -> Histories:
    return fold.train if fold.requests.here is None else visits_of(fold.train)


def _asked(fold: Fold) -> Histories:
    return fold.requests.past if fold.requests.here is None else fold.requests.here


def _of_known(fold: Fold, score: Callable[[Rows], Any]) -> Rank:
    """Of items nobody took nothing is learnt, though they have a vector."""
    known = fold.train.counts() > 0
    return ranked(fold, lambda rows: np.where(known, score(rows), -np.inf))


def blended(fold: Fold, _: Any, *, question: Question) -> Rank:
    """The two-stage pipeline; its ranker is fitted on the inner cut."""
    found = blend.fit(
        fold.train,
        question.protocol.inner,
        fold.requests,
        features=question.features,
        seed=question.seed,
        threads=question.threads,
    )
    return lambda rows, k: found.rank(fold.requests.select(rows), k)


# --- how they enter ------------------------------------------------------------------------------


_WEIGHTINGS = tuple({"weighting": name} for name in WEIGHTS)


def _floor(build: Callable[[Fold, Any], Rank]) -> Callable[[Question], Model]:
    return lambda question: Model(name=build.__name__, build=build, sort=Sort.FLOOR)


def _single(name: str, build: Callable[[Fold, Any], Rank], grid: Any = (None,)) -> Model:
    return Model(name=name, build=build, sort=Sort.SINGLE, grid=grid)


def _neighbours(
    name: str,
    words: str,
    trainer: type[NeighbourTrainer],
    grid: Any = (None,),
    can: Callable[[Question], bool] = lambda question: True,
) -> Entry:
    def make(question: Question) -> Model:
        return _single(name, partial(learnt_from, trainer=trainer, question=question), grid)

    return Entry(name=name, words=words, make=make, can=can)


def _deep(name: str, words: str, build: Callable[..., Rank]) -> Entry:
    def make(question: Question) -> Model:
        return _single(name, partial(build, question=question))

    return Entry(
        name=name, words=words, make=make, can=_can_learn_deep, lacks=torches.what_is_missing
    )


def _can_learn_deep(question: Question) -> bool:
    """They know of an item what shoppers did with it, so nothing of new ones."""
    return torches.is_installed() and not question.protocol.needs_features


def _has_features(question: Question) -> bool:
    return question.features is not None and bool(question.features.matrix.nnz)


def _has_baskets(question: Question) -> bool:
    train = question.fold.train
    return train.basket is not None and len(train.items) >= TOGETHER * len(np.unique(train.step))


def _may_repeat(question: Question) -> bool:
    return question.protocol.repeats and bool(len(question.fold.requests.past.items))
