"""What products are, judging by the products that look most like them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.jobs.certainty import Certainty
from reco_plugin.jobs.facts import CATEGORY, Field
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Floats, Ints, Key

VOTERS = 12
"""Products that are asked about each."""
MOST_MEASURED = 4_000
"""Products of known truth that a fact's guesses are measured on, drawn by lot."""
APPLIES = 0.5
"""Where a fact is rarer among products alike than this share of its rate everywhere, it is not missing:
a shirt has no heel."""
BLOCK = 2_000
DIGITS = 4
"""Decimals kept of a confidence."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Suggested:
    """A fact that a product's pictures speak for."""

    product: Key
    field: str
    value: str
    confidence: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Guessing:
    """Of one fact, what the products that lack it most likely are."""

    space: Directions
    groups: Ints
    """(n,) number of each product's group of variants."""
    field: Field
    unlearnt: npt.NDArray[np.bool_]
    """(n,) whose facts the encoder was not taught: only they show what its vectors say of others."""

    def suggestions(self, floor: float, check: Callable[[], None]) -> Iterator[Suggested]:
        """Those at least as certain as `floor`; `check` is called now and then."""
        if self.certainty is None:
            return
        keys = self.space.items
        for rows in _blocks(self.field.empty):
            check()
            values, strengths = self._votes(rows)
            sure = self.certainty.of(strengths)
            wanted = (sure >= floor) & (values >= 0) & self._lacking(rows)
            for at in np.flatnonzero(wanted).tolist():
                yield Suggested(
                    product=keys.key(int(rows[at])),
                    field=self.field.name,
                    value=self.field.words[values[at]],
                    confidence=round(float(sure[at]), DIGITS),
                )

    @cached_property
    def certainty(self) -> Certainty | None:
        """None where too few products have the fact to tell."""
        strengths, right = self._measured
        return Certainty.measured(strengths, right)

    def as_json(self) -> dict[str, Any]:
        """Counts, and the share of all guesses that is right where the truth is known."""
        _, right = self._measured
        return {
            "known": len(self.field.known),
            "empty": len(self.field.empty),
            "measured": len(right),
            "right": round(float(right.mean()), DIGITS) if len(right) else None,
        }

    @cached_property
    def _measured(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """(m,) strengths of guesses about products of known truth, and which are right."""
        rows = self.field.known[self.unlearnt[self.field.known]]
        if len(rows) > MOST_MEASURED:
            chosen = np.random.default_rng(0).choice(rows, MOST_MEASURED, replace=False)
            rows = np.sort(chosen)
        values, strengths = self._votes(rows)
        return strengths, self.field.right(rows, values)

    def _votes(self, rows: Rows) -> tuple[Ints, Floats]:
        """(m,) values and strengths; variants of a product, and itself, have no say where they know."""
        field, units = self.field, self.space.units
        known = field.known
        without = _pairs(self.groups[rows], self.groups[known])
        return vote(units[rows], units[known], field.values[known], without=without)

    def _lacking(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which products are of a sort that has such a fact."""
        if self.field.name == CATEGORY:
            return np.ones(len(rows), np.bool_)
        units, has = self.space.units, self.field.values >= 0
        without = _pairs(rows.astype(np.int32), np.arange(len(units), dtype=np.int32))
        near, _ = top_n(units[rows], units, _nothing(units), VOTERS, exclude=without)
        rate = np.where(near >= 0, has[near], False).mean(axis=1)
        return np.asarray(rate >= APPLIES * has.mean())


def vote(
    looks: Floats, known: Floats, values: Ints, *, without: sparse.csr_matrix | None = None
) -> tuple[Ints, Floats]:
    """Values (n,) that the nearest of `known` (m, d), of `values` (m,), give to `looks` (n, d); strengths.

    Vectors are unit rows; a vote weighs as much as its cosine (Dudani 1976). The strength, 0..1, is larger
    the nearer they are and the more agree. `without` is a CSR (n, m) of those that have no say. -1 where
    nobody has a say.
    """
    if not len(known) or not len(looks):
        return np.full(len(looks), -1, np.int32), np.zeros(len(looks), np.float32)
    rows, cosines = top_n(looks, known, _nothing(known), VOTERS, exclude=without)
    votes = np.where(rows >= 0, np.clip(cosines, 0, 1), 0)
    table = sparse.csr_matrix(
        (votes.ravel(), (np.arange(votes.size) // VOTERS, values[rows].ravel())),
        shape=(len(looks), int(values.max()) + 1),
    )
    most = np.asarray(table.max(axis=1).todense()).ravel()
    best = np.asarray(table.argmax(axis=1)).ravel()
    return np.where(most > 0, best, -1).astype(np.int32), (most / VOTERS).astype(np.float32)


def _pairs(groups: Ints, others: Ints) -> sparse.csr_matrix:
    """CSR (n, m): who is of one group with whom."""
    size = int(max(groups.max(initial=0), others.max(initial=0))) + 1
    return sparse.csr_matrix(_members(groups, size) @ _members(others, size).T)


def _members(groups: Ints, size: int) -> sparse.csr_matrix:
    ones = np.ones(len(groups), np.float32)
    return sparse.csr_matrix((ones, groups, np.arange(len(groups) + 1)), shape=(len(groups), size))


def _nothing(known: Floats) -> Floats:
    return np.zeros(len(known), np.float32)


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start, end in pairwise([*range(0, len(rows), BLOCK), len(rows)]):
        yield rows[start:end]
