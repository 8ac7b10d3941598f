"""A model's settings chosen on the inner cut, fitted again on all there is to learn from, asked, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reco_plugin.evaluation.contract import Lists, Model, Rank, Rows
from reco_plugin.evaluation.judging import AT, judged
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.ranking.folds import Fold
from reco_plugin.types import Features

BATCH = 256
TUNED_ON = 2_000
"""Most requests a model's settings are chosen on."""
ALONE = 200
"""Requests that are timed one at a time."""
SCORES = 4_000_000
"""Most places of the lists that are ranked to their end, for the AUC."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What all models are asked alike."""

    fold: Fold
    protocol: Protocol
    features: Features | None = None
    seed: int = 0
    threads: int = 1

    @property
    def depth(self) -> int:
        """How long lists are."""
        return max(self.protocol.k, AT)

    @property
    def sample(self) -> Rows:
        """Rows of the requests whose lists are ranked to their end."""
        asked = len(self.fold.requests)
        most = min(asked, max(SCORES // max(self.fold.train.n_items, 1), 1))
        return np.unique(np.linspace(0, asked - 1, most).astype(np.int64)) if asked else _none()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model by name, and when it can take part."""

    name: str
    words: str
    make: Callable[[Question], Model]
    can: Callable[[Question], bool] = lambda question: True
    """Is there what it needs: times, features, baskets, a library?"""
    lacks: Callable[[], str] = lambda: ""
    """Which library is not there, and how to come by it; empty when all are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one model answered, and what that cost."""

    lists: Lists
    """(requests, depth)"""
    whole: Lists
    """(sample, n_items): the same to their end, of the question's sample."""
    fit_s: float
    ms_per_request: float
    memory_mb: float | None = None
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def answers(model: Model, question: Question) -> Answers:
    """Raises what the model raises where it cannot learn from this."""
    fold = question.fold
    setting = tuned(model, question)
    began = time.perf_counter()
    rank = model.build(fold, setting)
    fit_s = time.perf_counter() - began
    note = "" if len(model.grid) < 2 else f"best of {len(model.grid)} settings: {setting}"
    return asked(rank, question, fit_s=fit_s, note=note)


def asked(rank: Rank, question: Question, *, fit_s: float, note: str = "") -> Answers:
    """Lists of all requests, and to their end of the sample."""
    fold = question.fold
    began = time.perf_counter()
    lists = in_batches(rank, len(fold.requests), question.depth)
    ms = (time.perf_counter() - began) * 1000 / max(len(lists), 1)
    return Answers(
        lists=lists,
        whole=_to_the_end(rank, question),
        fit_s=fit_s,
        ms_per_request=ms,
        note=note,
    )


def _to_the_end(rank: Rank, question: Question) -> Lists:
    rows, n_items = question.sample, question.fold.train.n_items
    parts = [rank(rows[at : at + BATCH], n_items) for at in range(0, len(rows), BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, n_items), np.int32)


def tuned(model: Model, question: Question) -> Any:
    """The setting of the grid that does best on the inner cut, of equal ones the first."""
    if len(model.grid) < 2:
        return model.grid[0]
    inner = question.protocol.inner(question.fold.train)
    return chosen(model, inner, question.protocol, question.seed)


def chosen(model: Model, inner: Fold, protocol: Protocol, seed: int) -> Any:
    """As `tuned`, where the inner cut is made already."""
    if len(model.grid) < 2 or not len(inner.requests):
        return model.grid[0]
    rows = np.arange(len(inner.requests))
    if len(rows) > TUNED_ON:
        rows = np.sort(np.random.default_rng(seed).choice(rows, TUNED_ON, replace=False))
    part = inner.select(rows)

    def quality(setting: Any) -> float:
        lists = in_batches(model.build(part, setting), len(rows), max(protocol.k, AT))
        found = judged("", lists, part, protocol.k, fit_s=0, ms=0)
        return float(found.figures[protocol.metric].mean())

    return max(model.grid, key=quality)


def in_batches(rank: Rank, count: int, k: int) -> Lists:
    """Lists of requests 0..count - 1."""
    parts = [
        rank(np.arange(start, min(start + BATCH, count)), k) for start in range(0, count, BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, k), np.int32)


def alone(rank: Callable[[Rows], Any], count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Milliseconds of single requests, evenly drawn."""
    took = []
    for row in np.linspace(0, count - 1, min(ALONE, count)).astype(np.int64):
        began = time.perf_counter()
        rank(np.array([row]))
        took.append((time.perf_counter() - began) * 1000)
    return np.array(took)


def _none() -> Rows:
    return np.zeros(0, np.int64)
