"""Ask a freshly fitted run for lists, by the steps that serving asks the live one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import conf
from reco_plugin.datasets import EventLog, EventWeights
from reco_plugin.datasets.splits import NEGATIVE
from reco_plugin.jobs.histories import Histories, moment
from reco_plugin.pipeline import personal_vector
from reco_plugin.trainers.base import Learnt
from reco_plugin.trainers.foldin import mean_norm
from reco_plugin.trainers.popularity import popularity
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Dataset, Floats, Ints

Way: TypeAlias = Mapping[str, Any]
"""How a shopper's vector is come by, as `pipeline.personal_vector` reads it from Run.config."""
K = 10
MOST_SHOPPERS = 5_000
"""Most shoppers asked for, a seeded sample of those there are."""
DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Shoppers at a moment. Rows of `seen` follow `shoppers`."""

    shoppers: npt.NDArray[np.int64]
    """Rows of the log's shoppers."""
    seen: sparse.csr_matrix
    """float32 0/1 (n, n_items): what they had met by then."""
    histories: Histories
    at: int
    """The moment, µs since 1970 UTC."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A run that no store holds yet."""

    learnt: Learnt
    trained: npt.NDArray[np.bool_]
    """(n_shoppers,): who has a vector of their own, having been trained on."""
    norm: float
    """Mean norm of those vectors; what folded-in ones are rescaled to."""
    learnt_at: int = 0
    """End of what was learnt from, µs since 1970 UTC."""

    @classmethod
    def of(cls, dataset: Dataset, learnt: Learnt, *, learnt_at: int = 0) -> Self:
        """The trial of what was learnt from `dataset`."""
        trained = np.diff(dataset.interactions.indptr) > 0
        norm = mean_norm(learnt.shopper_vectors[trained])
        return cls(learnt=learnt, trained=trained, norm=norm, learnt_at=learnt_at)

    def lists(self, sample: Sample, way: Way, fallback: Ints) -> Ints:
        """int32 (n, K) item rows; a shopper without a vector gets their row of `fallback`."""
        queries, known = self.queries(sample, way)
        lists = fallback.copy()
        lists[known] = self._top(queries, sample, known)
        return lists

    def answers(self, sample: Sample, way: Way) -> tuple[Floats, Ints]:
        """The vectors (m, d) and the lists (m, K) of the shoppers of a sample who have a vector."""
        queries, known = self.queries(sample, way)
        return queries, self._top(queries, sample, known)

    def _top(self, queries: Floats, sample: Sample, known: npt.NDArray[np.int64]) -> Ints:
        learnt = self.learnt
        return top_n(
            queries, learnt.item_vectors, learnt.item_biases, K, exclude=sample.seen[known]
        )[0]

    def queries(self, sample: Sample, way: Way) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The (m, d) vectors of shoppers who have one, and the m rows of the sample they are."""
        found: list[Floats] = []
        known: list[int] = []
        weights = EventWeights.from_settings().weights
        for row, shopper in enumerate(sample.shoppers.tolist()):
            own = self.learnt.shopper_vectors[shopper] if self.trained[shopper] else None
            vector = personal_vector(
                sample.histories.of(shopper, self.learnt.item_vectors, own),
                way,
                weights=weights,
                norm=self.norm,
                learnt_at=moment(self.learnt_at),
                now=moment(sample.at),
            )
            if vector is not None:
                found.append(vector)
                known.append(row)
        empty = np.empty((0, self.learnt.item_vectors.shape[1]), dtype=np.float32)
        return np.stack(found) if found else empty, np.asarray(known, dtype=np.int64)


def sampled(past: EventLog, able: npt.NDArray[np.int64], at: int, seed: int) -> Sample:
    """At most MOST_SHOPPERS of the `able` rows."""
    if len(able) > MOST_SHOPPERS:
        able = np.sort(np.random.default_rng(seed).choice(able, MOST_SHOPPERS, replace=False))
    return Sample(
        shoppers=able,
        seen=pairs(past)[able],
        histories=Histories(past, conf.settings.HISTORY),
        at=at,
    )


def everyone(log: EventLog, seed: int) -> Sample:
    """Shoppers of the whole log, as of its last event."""
    able = np.unique(log.shopper).astype(np.int64)
    return sampled(log, able, int(log.at.max(initial=0)), seed)


def popular_lists(past: EventLog, sample: Sample) -> Ints:
    """int32 (n, K): most popular in the RECO_POPULAR_DAYS before the moment, without what was seen."""
    counts = _popular_before(past, sample.at)
    return top_n(
        np.zeros((len(sample.shoppers), 1), dtype=np.float32),
        np.zeros((len(counts), 1), dtype=np.float32),
        counts,
        K,
        exclude=sample.seen,
    )[0]


def _popular_before(past: EventLog, at: int) -> Floats:
    """float32 (n_items,): distinct shoppers in the window; in all of the past when it is too quiet."""
    wanted = ~np.isin(past.kind, NEGATIVE)
    for since in (at - conf.settings.POPULAR_DAYS * DAY, None):
        counts = popularity(
            past.shopper[wanted],
            past.item[wanted],
            n_items=len(past.items),
            at=past.at[wanted],
            since=since,
        )
        if np.count_nonzero(counts) >= K:
            break
    return counts


def pairs(log: EventLog) -> sparse.csr_matrix:
    """float32 0/1 CSR (n_shoppers, n_items): who did anything with what."""
    shape = (len(log.shoppers), len(log.items))
    ones = np.ones(len(log), dtype=np.float32)
    found = sparse.csr_matrix((ones, (log.shopper, log.item)), shape=shape)
    found.data[:] = 1.0
    return found
