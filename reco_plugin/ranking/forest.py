"""What a ranker of trees answers, by NumPy alone: whoever ranks by it needs no library of trees.

All splits of all trees are asked at once, and the answers of a tree, read as a number, say which leaf it is; after
QuickScorer (Lucchese et al. 2015).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats

SPLITS = 7
"""Of a tree, at most: their answers are one of 128."""
PATTERNS = 1 << SPLITS
AT_ONCE = 4096
"""Rows answered at once: what is compared stays small."""
_KINDS = {"features": "<i2", "thresholds": "<f4", "low": "i1", "high": "i1", "leaves": "<f4"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """t trees, whose answers are added up. JSON-able both ways."""

    columns: tuple[str, ...]
    """What it is told of a candidate."""
    features: npt.NDArray[np.int16]
    """(t, SPLITS) the column each split looks at."""
    thresholds: Floats
    """(t, SPLITS) what is at most that large goes low."""
    low: npt.NDArray[np.int8]
    """(t, SPLITS) the split that follows, or the complement of a leaf."""
    high: npt.NDArray[np.int8]
    leaves: Floats
    """(t, SPLITS + 1)"""
    believed: tuple[float, ...] = ()
    """(columns,) what each column gained in training, as shares of all."""

    def __len__(self) -> int:
        return len(self.features)

    def score(self, told: Floats) -> Floats:
        """float32 (n,) of (n, columns)."""
        parts = [
            self._score(told[start : start + AT_ONCE]) for start in range(0, len(told), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _score(self, told: Floats) -> Floats:
        across = np.ascontiguousarray(told.T)
        low = across[self.features.ravel()] <= self.thresholds.reshape(-1, 1)
        answers = low.reshape(len(self), SPLITS, len(told)).view(np.uint8)
        pattern = answers[:, 0].copy()
        for split in range(1, SPLITS):
            pattern |= answers[:, split] << split
        place = pattern + np.arange(len(self), dtype=np.int32)[:, None] * PATTERNS
        return np.asarray(self._values.take(place).sum(axis=0), dtype=np.float32)

    @cached_property
    def _values(self) -> npt.NDArray[np.float64]:
        """(t x PATTERNS,) the leaf's value for each answer of all splits."""
        trees = np.arange(len(self))[:, None]
        at = np.zeros((len(self), PATTERNS), np.int64)
        for _ in range(SPLITS):
            split = np.maximum(at, 0)
            goes_low = (np.arange(PATTERNS)[None, :] >> split) & 1
            then = np.where(goes_low, self.low[trees, split], self.high[trees, split])
            at = np.where(at >= 0, then, at)
        return self.leaves.astype(np.float64)[trees, np.where(at < 0, ~at, 0)].ravel()

    def as_json(self) -> dict[str, Any]:
        """For Run.config."""
        told: dict[str, Any] = {
            name: base64.b64encode(getattr(self, name).astype(kind).tobytes()).decode()
            for name, kind in _KINDS.items()
        }
        told |= {"columns": list(self.columns), "believed": [round(x, 4) for x in self.believed]}
        return {**told, "sha256": _digest(told)}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what `as_json` did not write."""
        rest = {name: value for name, value in told.items() if name != "sha256"}
        if _digest(rest) != told["sha256"]:
            raise ValueError("The trees do not match their checksum.")
        read = {
            name: np.frombuffer(base64.b64decode(told[name], validate=True), kind)
            for name, kind in _KINDS.items()
        }
        width = {name: SPLITS + (name == "leaves") for name in _KINDS}
        return cls(
            columns=tuple(told["columns"]),
            believed=tuple(told["believed"]),
            **{name: found.reshape(-1, width[name]) for name, found in read.items()},
        )


def columns_of(shares: Floats, facts: Floats, linear: Floats) -> Floats:
    """(c, ...) what trees are told: shares of sources, facts, the linear score, and how many sources know it.

    Nothing of it depends on who else is on offer, so that a draw of the candidates teaches what holds for all.
    """
    known = (shares > 0).sum(axis=1)
    return np.column_stack([shares, facts, linear, known]).astype(np.float32)


def named(shares: Sequence[str], facts: Sequence[str]) -> tuple[str, ...]:
    """What the columns of `columns_of` are."""
    return (*shares, *facts, "linear", "sources")


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
