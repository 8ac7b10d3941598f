"""What a model under comparison is: a name, settings to try, and a function from what may be learnt from to lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.ranking.folds import Fold

Lists: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.int64]
Rank: TypeAlias = Callable[[Rows, int], Lists]
"""(rows of the requests, k) → (len(rows), k) item rows, best first, -1 for an empty place."""
Score: TypeAlias = Callable[[Rows], Any]


class Sort(StrEnum):
    """What a model is in a comparison."""

    FLOOR = "floor"
    """What anything must beat."""
    SINGLE = "single"
    """One method of this product."""
    PEER = "peer"
    """Another library's."""
    PIPELINE = "pipeline"
    """Several sources together, as they are served."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model and the settings it is tried with."""

    name: str
    build: Callable[[Fold, Any], Rank]
    grid: Sequence[Any] = (None,)
    sort: Sort = Sort.PEER


def ranked(fold: Fold, score: Score) -> Rank:
    """Lists from dense (or sparse) scores, what is barred left out, equal scores by lower item row.

    A score of -inf is never answered.
    """

    def rank(rows: Rows, k: int) -> Lists:
        part = fold.requests.select(rows)
        values = score(rows)
        values = values.toarray() if sparse.issparse(values) else values
        values = np.array(values, dtype=np.float32)
        values[part.barred()] = -np.inf
        return best(values, k)

    return rank


def best(scores: npt.NDArray[np.floating[Any]], k: int) -> Lists:
    """int32 (n, k): the columns of highest score of each row, of equal ones the lower; -1 for -inf."""
    n, width = scores.shape
    most = min(k, width)
    edge = np.partition(scores, width - most, axis=1)[:, width - most, None]
    above, level = scores > edge, scores == edge
    missing = most - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= missing))
    found = np.nonzero(chosen)[1].reshape(n, most)
    values = np.take_along_axis(scores, found, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    found = np.take_along_axis(found, order, 1)
    known = np.take_along_axis(values, order, 1) > -np.inf
    lists = np.where(known, found, -1).astype(np.int32)
    return np.pad(lists, ((0, 0), (0, k - most)), constant_values=-1)
