"""Who takes part in the blend: decided by what the log and the requests hold, never by whose log it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.ranking.evidence import Facts, Source
from reco_plugin.ranking.facts import PairFacts, TrendFacts
from reco_plugin.ranking.requests import Requests
from reco_plugin.trainers.again import Again
from reco_plugin.trainers.content import Content
from reco_plugin.trainers.ease import Ease
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.itemknn import ItemKNN
from reco_plugin.trainers.newitems import FORMS, NewItems
from reco_plugin.trainers.sequential import SequentialRules
from reco_plugin.trainers.transitions import NeighbourTrainer, Transitions, query
from reco_plugin.trainers.trending import Trending, Trends
from reco_plugin.trainers.visits import VisitIndex, VisitKNN
from reco_plugin.types import Features

_Reading = Callable[[Histories], Histories]
IN_ORDER = "in order"
DECAYS = (1.0, 0.8, 0.4)
"""Weights of a basket relative to the next newer one: all alike, fading, and hardly more than the newest."""
HERE = (1.0, 0.5)
REACHES = (0.0, 3.0)
"""Of the votes of like visits: all their items alike, and those near what is shared."""
PROPOSED = 50
"""Candidates of a source for a request."""
NEW = 2_000
"""New items of a source for a request: among items nobody took, a source knows less surely which to leave out."""
TOGETHER = 1.5
"""Mean items of a basket from which on baskets tell what goes together."""
PAUSE = 30 * 60 * 1_000_000
"""Microseconds: a request that soon after the shopper's newest event belongs to the same visit (a sitting, as web
analytics have it)."""
ONGOING = 0.1
"""Share of such requests from which on the order inside baskets is worth reading."""
SHORT = 1.5
"""EASE's relative ridge on baskets: one basket holds fewer items by chance than a whole history does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What there is to go by."""

    past: bool
    here: bool
    repeats: bool
    timed: bool
    baskets: bool
    visits: bool
    ongoing: bool
    """Do requests come in the middle of a basket? Then what was taken last says more than the basket as a whole."""
    features: bool
    new: bool
    """Is only to be answered what nobody has taken yet?"""


def traits(train: Histories, asked: Requests, features: Features | None) -> Traits:
    """Read from the log and from what will be asked."""
    baskets = len(np.unique(train.step))
    return Traits(
        past=bool(len(asked.past.items)),
        here=asked.here is not None and bool(len(asked.here.items)),
        repeats=_repeats(asked),
        timed=train.at is not None and asked.now is not None,
        baskets=train.basket is not None and len(train.items) >= TOGETHER * max(baskets, 1),
        visits=asked.here is not None,
        ongoing=train.basket is not None and _ongoing(asked),
        features=features is not None and bool(features.matrix.nnz),
        new=asked.eligible is not None and not train.counts()[asked.eligible].any(),
    )


def _repeats(asked: Requests) -> bool:
    """May anything be answered that the shopper has met before?"""
    if asked.exclude is None:
        return True
    seen = asked.past.sets()
    return bool((seen - seen.multiply(asked.exclude > 0)).nnz)


def _ongoing(asked: Requests) -> bool:
    """Are many asked right after the shopper's newest event?"""
    past = asked.past
    if past.at is None or asked.now is None or not len(past.items):
        return False
    known = np.flatnonzero(past.lengths)
    gap = asked.now[known] - past.at[past.starts[known + 1] - 1]
    return bool(((gap >= 0) & (gap <= PAUSE)).sum() >= ONGOING * len(past))


@dataclass(kw_only=True, eq=False)
class Members:
    """Fitted sources and facts, and what each took."""

    sources: list[Source] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def fit(
    train: Histories,
    of: Traits,
    *,
    features: Features | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Members:
    """All members the traits allow. Raises NotEnoughData when there is no event."""
    found = Members()
    matrices = learn(train, of, found, features=features, seed=seed, threads=threads)
    for name, learnt in matrices.items():
        found.sources += _asked(name, learnt, of)
    if of.visits:
        _visits(found, train)
    if not of.new:
        _trends(found, train, of)
    return found


def learn(
    train: Histories,
    of: Traits,
    found: Members,
    *,
    features: Features | None = None,
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Transitions]:
    """The item → item matrices of all members the traits allow, by name; `found` learns what each took, and
    who could not take part. Raises NotEnoughData when there is no event."""
    matrices: dict[str, Transitions] = {}
    for name, trainer, seen in _taking_part(of):
        began = time.perf_counter()
        try:
            matrices[name] = trainer.fit(seen(train), features=features, seed=seed, threads=threads)
        except NotEnoughData as error:
            found.notes.append(f"{name}: {error}")
            continue
        found.seconds[name] = time.perf_counter() - began
    return matrices


def _taking_part(of: Traits) -> Iterator[tuple[str, NeighbourTrainer, _Reading]]:
    """(name, trainer, how it reads the histories)"""
    if of.new:
        for form in FORMS:
            yield form, NewItems({"form": form, "neighbours": NEW}), _as_told
        return
    yield "sequential", SequentialRules(), _as_told
    if of.ongoing:
        yield IN_ORDER, SequentialRules(), _one_by_one
    yield "itemknn", ItemKNN(), _as_told
    yield "ease", Ease(), _as_told
    if of.baskets:
        yield "together", Ease({"relative": SHORT}), Histories.by_basket
        yield "beside", ItemKNN({"weighting": "cosine"}), Histories.by_basket
    if of.features:
        yield "content", Content(), _as_told
    if of.repeats and of.past:
        yield "again", Again(), _as_told


def _as_told(past: Histories) -> Histories:
    return past


def _one_by_one(past: Histories) -> Histories:
    """Events in their order, whatever basket they lie in."""
    return replace(past, basket=None)


def _asked(name: str, learnt: Transitions, of: Traits) -> list[Source]:
    """A matrix is asked of the past and of what is going on, at several paces of forgetting."""
    parts: list[tuple[str, Callable[[Requests], Histories], Sequence[float]]] = []
    if of.past and name != IN_ORDER:
        parts.append(("", _past, DECAYS))
    if of.past and of.ongoing:
        parts.append((" one by one", lambda requests: _one_by_one(requests.past), DECAYS[1:]))
    if of.here and name != "again":
        parts.append((" here", _here, HERE))
    return [
        Source(
            name=f"{name}{part} {decay:g}",
            score=_Asking(learnt.matrix, pick, decay),
            proposes=NEW if of.new else PROPOSED,
        )
        for part, pick, decays in parts
        for decay in decays
    ]


@dataclass(frozen=True, eq=False)
class _Asking:
    matrix: sparse.csr_matrix
    pick: Callable[[Requests], Histories]
    decay: float

    def __call__(self, requests: Requests) -> sparse.csr_matrix:
        return (query(self.pick(requests), decay=self.decay) @ self.matrix).tocsr()


def _past(requests: Requests) -> Histories:
    return requests.past


def _here(requests: Requests) -> Histories:
    assert requests.here is not None
    return requests.here


class _Visits:
    """Two readings of the same neighbours: those of the last requests are kept for the second."""

    def __init__(self, index: VisitIndex) -> None:
        self.index = index
        self._last: tuple[Requests, list[sparse.csr_matrix]] | None = None

    def read(self, requests: Requests, which: int) -> sparse.csr_matrix:
        last = self._last
        if last is None or last[0] is not requests:
            last = (requests, self.index.scores(_here(requests), REACHES))
            self._last = last
        return last[1][which].copy()


def _visits(found: Members, train: Histories) -> None:
    began = time.perf_counter()
    visits = _Visits(VisitKNN().fit(train))
    found.sources.append(Source(name="visits", score=lambda asked: visits.read(asked, 0)))
    found.sources.append(Source(name="visits near", score=lambda asked: visits.read(asked, 1)))
    found.seconds["visits"] = time.perf_counter() - began


def _trends(found: Members, train: Histories, of: Traits) -> None:
    began = time.perf_counter()
    trends: Trends = Trending().fit(train)
    facts = TrendFacts(trends, timed=of.timed)
    found.sources.append(Source(name="trending", score=facts.lists, proposes=20))
    found.facts.append(Facts(names=facts.names, at=facts))
    if of.past and of.repeats:
        found.facts.append(PairFacts(part="past").facts())
    if of.here and of.visits:
        found.facts.append(PairFacts(part="here").facts())
    found.seconds["trending"] = time.perf_counter() - began
