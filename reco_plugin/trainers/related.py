"""What a trainer of behaviour hands back: for each product a short list of others, with the figures behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class RelatedLists:
    """r lists of m entries in all, each best first."""

    rows: Ints
    """(r,) item rows, ascending; items without an entry are left out."""
    starts: npt.NDArray[np.int64]
    """(r + 1,): list number l is starts[l]:starts[l + 1]."""
    items: Ints
    """(m,) item rows."""
    scores: Floats
    """(m,)"""
    facts: Mapping[str, npt.NDArray[Any]]
    """(m,) each, by name."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[int, slice]]:
        """(item row, its entries)"""
        for row, start, stop in zip(
            self.rows.tolist(), self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True
        ):
            yield row, slice(start, stop)


def best_of(
    rows: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    scores: npt.NDArray[np.floating[Any]],
    facts: Mapping[str, npt.NDArray[Any]],
    k: int,
) -> RelatedLists:
    """The `k` entries of largest score of each row; of equal ones those of lower items. All (m,).

    Scores count as float32, must be finite and not negative.
    """
    order = _best_first(rows, items, scores)
    rows = rows[order]
    begins = changes(rows)
    lengths = np.diff(np.append(begins, len(rows)))
    place = np.arange(len(rows)) - np.repeat(begins, lengths)
    order = order[place < k]
    return RelatedLists(
        rows=rows[begins].astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(np.minimum(lengths, k))]).astype(np.int64),
        items=items[order].astype(np.int32),
        scores=scores[order].astype(np.float32),
        facts={name: values[order] for name, values in facts.items()},
    )


def _best_first(
    rows: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    scores: npt.NDArray[np.floating[Any]],
) -> npt.NDArray[np.int64]:
    """The order by row, score (largest first) and item.

    Positive floats compare as their bits do, so one number holds row and score, and is sorted at once.
    """
    bits = np.abs(scores.astype(np.float32)).view(np.uint32)  # -0.0 is 0.0
    keys = (rows.astype(np.uint64) << np.uint64(32)) | ~bits
    order = np.argsort(keys)
    keys = keys[order]
    equal = np.zeros(len(keys), dtype=np.bool_)
    equal[1:] = keys[1:] == keys[:-1]
    equal[:-1] |= equal[1:]
    tied = np.flatnonzero(equal)
    order[tied] = order[tied][np.lexsort((items[order[tied]], keys[tied]))]
    return order


def changes(*columns: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Where, among entries sorted by these columns, another value begins; 0 is the first such place."""
    begins = np.zeros(len(columns[0]), dtype=np.bool_)
    begins[:1] = True
    for values in columns:
        begins[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(begins)


def joined(parts: Sequence[RelatedLists]) -> RelatedLists:
    """One after another; the rows of a part must lie above those of the part before."""
    names = parts[0].facts if parts else ()
    empty = np.zeros(0, np.int32)
    counts = [np.diff(part.starts) for part in parts]
    return RelatedLists(
        rows=np.concatenate([empty, *[part.rows for part in parts]]),
        starts=np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts]))]),
        items=np.concatenate([empty, *[part.items for part in parts]]),
        scores=np.concatenate([np.zeros(0, np.float32), *[part.scores for part in parts]]),
        facts={name: np.concatenate([part.facts[name] for part in parts]) for name in names},
    )
