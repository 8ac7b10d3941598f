"""Lists as a page would make them at a moment long past: the very source that serves, its lookups answered from
what was known then.

Keys are item rows here. What a shopper had met is neither shown nor looked for, as in every hold-out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from reco_plugin import conf
from reco_plugin.datasets import EventWeights
from reco_plugin.jobs.evaluate import Period
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.trial import K, Trial
from reco_plugin.pipeline import personal_vector
from reco_plugin.ranking.served import Served
from reco_plugin.ranking.votes import NOBODY, owed_to, ranked
from reco_plugin.retrieval.base import (
    Answers,
    Blended,
    Lookup,
    Nearest,
    Neighbours,
    Query,
    Related,
)
from reco_plugin.retrieval.blended import OF
from reco_plugin.retrieval.personal import Personal
from reco_plugin.stores.base import Scored
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.types import Floats, Ints

LEAST_FETCH, MOST_FETCH = 32, 200
"""Candidates a page asks for, at least and at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Then:
    """What was known at a moment, asked as `pipeline.Reader` is asked."""

    behaviour: Mapping[str, RelatedLists] = field(default_factory=dict)
    """By relation."""
    trial: Trial | None = None
    """A personal run of then; None where there is none."""
    way: Mapping[str, Any] = field(default_factory=dict)
    """How it comes by a shopper's vector."""
    blend: Served | None = None

    def answer(self, lookups: Iterable[Lookup]) -> Answers:
        """An answer for each lookup that anything was known for."""
        return {one: self._one(one) for one in lookups}

    def _one(self, lookup: Lookup) -> Sequence[Scored]:
        if isinstance(lookup, Blended):
            return self._blended(lookup)
        if isinstance(lookup, Related):
            return self._related(lookup)
        if isinstance(lookup, Nearest | Neighbours) and self.trial and lookup.of == "personal":
            return self._near(self.trial, lookup)
        return ()

    def _related(self, lookup: Related) -> Sequence[Scored]:
        if lookup.of == OF:
            return self._of_blend(lookup)
        lists = self.behaviour.get(lookup.relation)
        if lists is None:
            return ()
        at = int(np.searchsorted(lists.rows, lookup.key))  # type: ignore[call-overload]
        if at == len(lists.rows) or lists.rows[at] != lookup.key:
            return ()
        part = slice(int(lists.starts[at]), int(lists.starts[at + 1]))
        return _scored(lists.items[part].tolist(), lists.scores[part].tolist())

    def _of_blend(self, lookup: Related) -> Sequence[Scored]:
        item: Any = lookup.key
        heard = self.blend.packed.heard(item, self.blend.prior) if self.blend else None
        return _scored(heard.keys, heard.prior) if heard is not None else ()

    def _near(self, trial: Trial, lookup: Nearest | Neighbours) -> Sequence[Scored]:
        learnt = trial.learnt
        if isinstance(lookup, Nearest):
            scores = learnt.item_vectors @ lookup.vector + learnt.item_biases
        else:
            scores = self._directions @ self._directions[lookup.key]  # type: ignore[call-overload]
            scores[lookup.key] = -np.inf
        most = lookup.k if isinstance(lookup, Nearest) else min(lookup.k, conf.settings.NEIGHBOURS)
        if (k := min(most, len(scores))) < 1:
            return ()
        best = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
        best = best[np.argsort(-scores[best], kind="stable")]
        return _scored(best.tolist(), scores[best].tolist())

    @cached_property
    def _directions(self) -> Floats:
        assert self.trial is not None
        vectors = self.trial.learnt.item_vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)

    @cached_property
    def _beside(self) -> dict[int, float]:
        assert self.blend is not None
        return self.blend.beside()

    def _blended(self, lookup: Blended) -> Sequence[Scored]:
        if self.blend is None:
            return ()
        keys: list[Any] = list(lookup.keys[: self.blend.recipe.newest])
        steps = lookup.steps[: self.blend.recipe.newest]
        found = self.blend.votes(keys, steps, self._beside)
        places, scored = ranked(self.blend.recipe, found, lookup.k)
        owed = owed_to(self.blend.recipe, found, places)
        return [
            Scored(
                key=found.candidates[place],
                score=float(scored[place]),
                beside=None if at == NOBODY else keys[at],
            )
            for place, at in zip(places, owed, strict=True)
        ]


def lists(then: Then, period: Period, fallback: Ints, tick: Callable[[int, int], object]) -> Ints:
    """int32 (n, K) item rows for the shoppers of a period; what fills up is `fallback` (n, K)."""
    seen, sample = period.sample.seen, period.sample
    found = np.full((len(sample.shoppers), K), -1, np.int32)
    for row, shopper in enumerate(sample.shoppers.tolist()):
        met = set(seen[row].indices.tolist())
        query = _query(then, period, shopper, len(met))
        wanted = Personal().candidates(query, then.answer(Personal().lookups(query)))
        keys: list[Any] = [one.key for one in wanted if one.key not in met][:K]
        keys += [item for item in fallback[row].tolist() if item not in keys]
        found[row] = keys[:K]
        tick(row + 1, len(found))
    return found


def _query(then: Then, period: Period, shopper: int, met: int) -> Query:
    sample, trial = period.sample, then.trial
    vectors = trial.learnt.item_vectors if trial else np.zeros((len(period.past.items), 1))
    own = trial.learnt.shopper_vectors[shopper] if trial and trial.trained[shopper] else None
    history = sample.histories.of(shopper, vectors.astype(np.float32, copy=False), own)
    now = moment(sample.at)
    return Query(
        vector=_vector(then, history, now),
        events=history.events,
        k=min(MOST_FETCH, max(LEAST_FETCH, 4 * K + 2 * met)),
        now=now,
        blends=then.blend.recipe.newest if then.blend else 0,
    )


def _vector(then: Then, history: Any, now: Any) -> Floats | None:
    if then.trial is None:
        return None
    return personal_vector(
        history,
        then.way,
        weights=EventWeights.from_settings().weights,
        norm=then.trial.norm,
        learnt_at=moment(then.trial.learnt_at),
        now=now,
    )


def _scored(keys: Sequence[int], scores: Sequence[float]) -> list[Scored]:
    return [Scored(key=key, score=score) for key, score in zip(keys, scores, strict=True)]
