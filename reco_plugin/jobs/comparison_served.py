"""The personal run of a comparison: LightFM trained as this product trains it, and the pipeline that serves it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from reco_plugin import conf
from reco_plugin.datasets import EventLog, EventWeights, build, time_split
from reco_plugin.evaluation.contract import Lists, Rank, Rows, best
from reco_plugin.evaluation.measuring import Question
from reco_plugin.jobs.artefacts import folder
from reco_plugin.jobs.behaviour_events import events_of
from reco_plugin.jobs.blend_material import in_order
from reco_plugin.jobs.blend_trial import Then
from reco_plugin.jobs.comparison_log import Asked
from reco_plugin.jobs.evaluate import VALIDATION_SHARE, WAYS, chosen, period, way
from reco_plugin.jobs.histories import Histories, moment
from reco_plugin.jobs.material import Material
from reco_plugin.jobs.trial import Trial
from reco_plugin.pipeline import ordered, personal_vector
from reco_plugin.ranking import process
from reco_plugin.ranking.served import Served, Settings
from reco_plugin.retrieval import SOURCES, Query
from reco_plugin.stores.base import History, PastEvent
from reco_plugin.trainers.base import Learnt
from reco_plugin.trainers.behaviour import configs, count
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.types import Dataset, EventKind, Features, Floats

DAY = 86_400_000_000
LIGHTFM, PERSONAL, BLENDED = "lightfm", "personal", "personal+blend"
LEAST_FETCH, MOST_FETCH, OVERFETCH = 32, 200, 4
"""Candidates of a lookup, as serving asks for them."""

Learn = Callable[[Mapping[str, Any], Dataset], Learnt]
"""(hyper-parameters, dataset) → what a fresh process learnt."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Taught:
    """A personal run, learnt from what the cut leaves."""

    learnt: Learnt
    trial: Trial
    way: Mapping[str, Any]
    known: EventLog
    seconds: float
    """Of the last fit; what the validation period took is not in it, as with every model."""


def teach(material: Material, asked: Asked, learn: Learn, *, seed: int) -> Taught:
    """Epochs and the way to a shopper's vector from a validation period, then a fit on all that is known."""
    part = replace(material, log=asked.known, whole=_built(material, asked.known))
    config, served = dict(conf.settings.TRAINER_CONFIG), way(WAYS[0], 0.8)
    past, unseen, at = time_split(asked.known, share=VALIDATION_SHARE)
    if len(past) and len(unseen):
        dataset = part.part(past, unseen)
        trial = Trial.of(dataset, first := learn(config, dataset), learnt_at=at)
        served = chosen(trial, period(past, unseen, at, seed))
        config["epochs"] = first.epochs
    whole = part.dataset()
    began = time.perf_counter()
    learnt = learn(config, whole)
    last = int(asked.known.at.max(initial=0))
    return Taught(
        learnt=learnt,
        trial=Trial.of(whole, learnt, learnt_at=last),
        way=served,
        known=asked.known,
        seconds=time.perf_counter() - began,
    )


def _built(material: Material, known: EventLog) -> Dataset:
    return build(known, weights=material.weights, item_features=material.features)


@dataclass(frozen=True, kw_only=True, eq=False)
class Asking:
    """What serving would know of each request: newest events first, and the vector they fold into."""

    taught: Taught
    question: Question
    owner: Rows
    weights: Mapping[EventKind, float] = field(
        default_factory=lambda: EventWeights.from_settings().weights
    )

    @cached_property
    def _past(self) -> Histories:
        return Histories(self.taught.known, conf.settings.HISTORY)

    @cached_property
    def popular(self) -> Floats:
        """(n_items,) what serving falls back to."""
        return self.question.fold.train.counts()

    def now(self, row: int) -> dt.datetime | None:
        now = self.question.fold.requests.now
        return None if now is None else moment(int(now[row]))

    def events(self, row: int) -> tuple[tuple[PastEvent, ...], Floats | None]:
        """What goes on, then what was before; and the trained vector, where there is one."""
        learnt, shopper = self.taught.learnt, int(self.owner[row])
        here = self._here(row)
        if self.question.protocol.sessions:
            return here, None
        own = learnt.shopper_vectors[shopper] if self.taught.trial.trained[shopper] else None
        past = self._past.of(shopper, learnt.item_vectors, own)
        return (*here, *past.events)[: conf.settings.HISTORY], own

    def _here(self, row: int) -> tuple[PastEvent, ...]:
        here, now = self.question.fold.requests.here, self.now(row)
        if here is None:
            return ()
        kind = EventKind.VIEW_ITEM if self.question.protocol.sessions else EventKind.ADD_TO_CART
        items = here.items[here.starts[row] : here.starts[row + 1]][::-1]
        vectors = self.taught.learnt.item_vectors
        at = now or moment(self.taught.trial.learnt_at)
        return tuple(
            PastEvent(key=int(item), kind=kind, occurred_at=at, vector=vectors[item])
            for item in items
        )

    def vector(self, row: int, events: Sequence[PastEvent], own: Floats | None) -> Floats | None:
        return personal_vector(
            History(events=tuple(events), vector=own),
            self.taught.way,
            weights=self.weights,
            norm=self.taught.trial.norm,
            learnt_at=moment(self.taught.trial.learnt_at),
            now=self.now(row),
        )

    def query(self, row: int) -> Query:
        """As serving asks its sources."""
        events, own = self.events(row)
        exclude = self.question.fold.requests.exclude
        out = 0 if exclude is None else int(exclude.indptr[row + 1] - exclude.indptr[row])
        k = OVERFETCH * self.question.depth + 2 * min(out, MOST_FETCH)
        return Query(
            vector=self.vector(row, events, own),
            events=tuple(events),
            k=min(MOST_FETCH, max(LEAST_FETCH, k)),
            now=self.now(row),
        )

    @cached_property
    def behaviour(self) -> dict[str, RelatedLists]:
        """The lists of the behaviour run, counted from what is known of the RECO_BEHAVIOUR_DAYS before."""
        log, days = self.taught.known, conf.settings.BEHAVIOUR_DAYS
        if days > 0:
            log = log.select(log.at > log.at.max(initial=0) - days * DAY)
        limits = {
            "shoppers": conf.settings.MIN_PAIR_SHOPPERS,
            "support": conf.settings.MIN_SUPPORT,
            "confidence": conf.settings.MIN_CONFIDENCE,
        }
        ranked = configs(limits)
        return {name: pairs.lists(ranked[name]) for name, pairs in count(events_of(log)).items()}


def by_vectors(asking: Asking) -> Rank:
    """LightFM alone: the vector at the request's moment, popularity for whoever has none."""
    learnt, fold = asking.taught.learnt, asking.question.fold

    def rank(rows: Rows, k: int) -> Lists:
        scores = np.tile(asking.popular, (len(rows), 1)).astype(np.float32)
        for place, row in enumerate(rows.tolist()):
            vector = asking.vector(row, *asking.events(row))
            if vector is not None:
                scores[place] = learnt.item_vectors @ vector + learnt.item_biases
        scores[fold.requests.select(rows).barred()] = -np.inf
        return best(scores, k)

    return rank


def as_served(asking: Asking, blend: Served | None = None) -> Rank:
    """The source `personal` and, where it comes short, popularity: the steps that a page takes.

    With `blend`, as where a learnt blend is live.
    """
    fold, source = asking.question.fold, SOURCES[PERSONAL]
    then = Then(
        behaviour=asking.behaviour,
        trial=asking.taught.trial,
        way=asking.taught.way,
        blend=blend,
    )
    blends = blend.recipe.newest if blend else 0

    def rank(rows: Rows, k: int) -> Lists:
        scores = np.tile(asking.popular, (len(rows), 1)).astype(np.float32)
        first = float(asking.popular.max(initial=0)) + 1
        for place, row in enumerate(rows.tolist()):
            query = replace(asking.query(row), blends=blends)
            answers = then.answer(source.lookups(query))
            found = ordered(source.candidates(query, answers))
            for order, candidate in enumerate(reversed(found)):
                scores[place, cast("int", candidate.key)] = first + order
        scores[fold.requests.select(rows).barred()] = -np.inf
        return best(scores, k)

    return rank


def blended(asked: Asked, features: Features, *, threads: int, timeout: float | None) -> Served:
    """The blend of what is known, in a process of its own. Raises NotEnoughData, TrainingFailed."""
    whole = in_order(asked.known)
    assert whole.at is not None
    moment = time_split(asked.known, share=VALIDATION_SHARE)[2]
    settings = Settings(
        newest=min(Settings().newest, conf.settings.HISTORY),
        fewest=conf.settings.MIN_PAIR_SHOPPERS,
        threads=threads,
    )
    learnt = process.run(
        whole,
        moment,
        features=features,
        settings=settings,
        timeout=timeout,
        memory_mb=conf.settings.TRAIN_MEMORY_MB,
        folder=folder(),
    )
    return learnt.final
