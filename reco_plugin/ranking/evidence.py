"""First stage: every source proposes its best, and says of every proposal what it thinks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.ranking.requests import Requests
from reco_plugin.types import Floats, Ints

BATCH_NUMBERS = 1 << 23
"""Requests x items worked on at once."""
PLAIN = 5.0
"""How much likelier, in logarithms, what all sources put first is than what none knows."""
LITTLE = 0.01
"""What is added to a share before its logarithm is taken."""
FORMS = ("share", "root", "log")
"""How a ranker is told what a source thinks of a candidate; see `forms`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Scores by request and item."""

    name: str
    score: Callable[[Requests], sparse.csr_matrix]
    """float32 CSR (n, n_items) of scores; only those above 0 propose."""
    proposes: int = 50
    """How many candidates it may bring to a request."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What is known of an item, or of a shopper and an item, whoever proposed it."""

    names: tuple[str, ...]
    at: Callable[[Requests, npt.NDArray[np.int64], npt.NDArray[np.int64]], Floats]
    """(requests, rows (c,), items (c,)) → float32 (c, len(names))."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Candidates of some requests, one list after another, and their features."""

    counts: npt.NDArray[np.int64]
    """(n,) candidates of each request."""
    items: Ints
    """(c,) ascending within a request."""
    features: Floats
    """(c, f)"""

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """(c,) the request of each candidate."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def best(self, scores: Floats, k: int) -> Ints:
        """int32 (n, k): the items of highest score of each request, best first, -1 for an empty place."""
        order = np.lexsort((self.items, -scores, self.rows))
        place = np.arange(len(order)) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)
        found = np.full((len(self.counts), k), -1, dtype=np.int32)
        top = place < k
        found[self.rows[top], place[top]] = self.items[order][top]
        return found

    def marked(self, wanted: sparse.csr_matrix) -> npt.NDArray[np.bool_]:
        """(c,) which candidates are in `wanted` (n, n_items)."""
        wanted.sort_indices()
        width = wanted.shape[1]
        known = (
            np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr)) * width + wanted.indices
        )
        return np.isin(self.rows * width + self.items, known)


def gather(
    requests: Requests, sources: Sequence[Source], facts: Sequence[Facts]
) -> Iterator[Evidence]:
    """Evidence of the requests, some at a time, in order."""
    batch = max(1, min(512, BATCH_NUMBERS // max(requests.n_items, 1), len(requests)))
    table = np.zeros((batch, requests.n_items), np.float32)
    for start in range(0, len(requests), batch):
        part = requests.select(np.arange(start, min(start + batch, len(requests))))
        yield _of_batch(part, sources, facts, table)


def names(sources: Sequence[Source], facts: Sequence[Facts]) -> list[str]:
    """What the columns of `features` are."""
    found = [f"{source.name} {form}" for source in sources for form in FORMS]
    return found + [name for fact in facts for name in fact.names]


def plain(sources: Sequence[Source], facts: Sequence[Facts]) -> npt.NDArray[np.float64]:
    """(f,) weights of a plain blend, for a log too small to learn better: the mean of all shares."""
    labels = names(sources, facts)
    shares = np.array([label.endswith(" share") for label in labels], dtype=np.float64)
    return np.asarray(shares * (PLAIN / max(shares.sum(), 1.0)), dtype=np.float64)


def _of_batch(
    requests: Requests, sources: Sequence[Source], facts: Sequence[Facts], table: Floats
) -> Evidence:
    barred = requests.barred()
    scores = [_allowed(source.score(requests), barred) for source in sources]
    candidates = np.zeros(barred.shape, dtype=np.bool_)
    for source, found in zip(sources, scores, strict=True):
        _propose(candidates, found, source.proposes)
    rows, items = np.nonzero(candidates)
    columns = [column for found in scores for column in _forms(found, table, rows, items)]
    known = [fact.at(requests, rows, items) for fact in facts]
    return Evidence(
        counts=np.bincount(rows, minlength=len(requests)),
        items=items.astype(np.int32),
        features=np.hstack([np.reshape(columns, (len(columns), len(rows))).T, *known]).astype(
            np.float32
        ),
    )


def _allowed(scores: sparse.csr_matrix, barred: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    scores.data[barred[rows, scores.indices] | (scores.data < 0)] = 0
    return scores


def _propose(candidates: npt.NDArray[np.bool_], scores: sparse.csr_matrix, most: int) -> None:
    if not most:
        return
    for row, (start, stop) in enumerate(zip(scores.indptr[:-1], scores.indptr[1:], strict=True)):
        values, items = scores.data[start:stop], scores.indices[start:stop]
        if len(values) > most:
            best = np.argpartition(values, len(values) - most)[len(values) - most :]
            values, items = values[best], items[best]
        candidates[row, items[values > 0]] = True


def forms(share: Floats) -> Floats:
    """(…, len(FORMS), n) of (…, n): a score as a share of the request's best; its root and its logarithm tell
    small ones apart."""
    return np.stack([share, np.sqrt(share), np.log(share + np.float32(LITTLE))], axis=-2)


def _forms(scores: sparse.csr_matrix, table: Floats, rows: Any, items: Any) -> list[Floats]:
    at = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    table[at, scores.indices] = scores.data
    found = table[rows, items]
    table[at, scores.indices] = 0
    best = np.zeros(scores.shape[0], np.float32)
    filled = np.flatnonzero(np.diff(scores.indptr))
    if len(filled):
        best[filled] = np.maximum.reduceat(scores.data, scores.indptr[filled])
    share = found / np.maximum(best, 1e-12)[rows]
    return list(forms(share))
