"""What a peer is: a name, settings to try, and a function from what may be learnt from to lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.ranking.folds import Fold

Lists: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.int64]
Rank: TypeAlias = Callable[[Rows, int], Lists]
Score: TypeAlias = Callable[[Rows], Any]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One model and the settings it is tried with."""

    name: str
    build: Callable[[Fold, Any], Rank]
    grid: Sequence[Any] = (None,)


def ranked(fold: Fold, score: Score) -> Rank:
    """Lists from dense scores, what is barred left out, equal scores by lower item row."""

    def rank(rows: Rows, k: int) -> Lists:
        part = fold.requests.select(rows)
        values = score(rows)
        values = values.toarray() if sparse.issparse(values) else values
        values = np.array(values, dtype=np.float32)
        barred = part.barred()
        values[barred] = -np.inf
        most = min(k, values.shape[1])
        best = np.sort(np.argpartition(-values, most - 1, axis=1)[:, :most], axis=1)
        order = np.argsort(-np.take_along_axis(values, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1).astype(np.int32)
        best[np.take_along_axis(barred, best.astype(np.int64), 1)] = -1
        return np.pad(best, ((0, 0), (0, k - most)), constant_values=-1)

    return rank
