"""Looks: which kinds of picture there are in a catalogue, and how much of each a product has.

Image vectors are grouped by spherical k-means (Dhillon & Modha 2001). A product has something of the few
kinds nearest to it, so that what is learnt of a look from products with a past goes to the products that
resemble them, at a handful of numbers a product instead of hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.types import Features, Floats, Ints

FAMILY = "look"
GRAINS = (256,)
"""Kinds that a large catalogue is divided into; a small one has fewer. Coarser ones beside them say what
categories say anyway, and cost (benchmark visual_cold_start)."""
PER_KIND = 8
"""Products with a picture there must be for each kind, on average."""
NEAREST = 6
"""Kinds of one grain that a product has something of, at most, and at most a third of them."""
SAMPLE = 32_768
"""Products the kinds are found from: more do not move them."""
ROUNDS = 25
ANCHORS = 16
"""Products kept of each kind, by which it is found again among vectors of another encoder."""
_BLOCK = 8_192
_NOBODY = -2.0
"""In the place of a cosine with a kind that is no more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """The kinds of picture in a catalogue."""

    centres: tuple[Floats, ...]
    """Per grain (k, d), rows of length 1."""
    anchors: tuple[Ints, ...]
    """Per grain (k, ANCHORS): rows of the products nearest to each centre, -1 where there are no more."""

    @classmethod
    def find(cls, vectors: Floats, *, grains: Sequence[int] = GRAINS, seed: int = 0) -> Self | None:
        """The kinds among `vectors` (n, d); a row of zeros has no picture. None where there are too few."""
        units = unit_rows(vectors)
        rows = np.flatnonzero(units.any(axis=1))
        sizes = sorted({min(grain, len(rows) // PER_KIND) for grain in grains})
        sizes = [size for size in sizes if size >= 2]
        if not sizes:
            return None
        random = np.random.default_rng(seed)
        if len(rows) > SAMPLE:
            rows = np.sort(random.choice(rows, SAMPLE, replace=False))
        sample = units[rows]
        centres = tuple(_centres(sample, size, random) for size in sizes)
        anchors = tuple(_anchors(sample, found, rows) for found in centres)
        return cls(centres=centres, anchors=anchors)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Kinds of each grain."""
        return tuple(len(found) for found in self.centres)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """'look:32/7' is the eighth of 32 kinds."""
        return tuple(f"{FAMILY}:{size}/{kind}" for size in self.sizes for kind in range(size))

    def features(self, vectors: Floats) -> Features:
        """What each of `vectors` (n, d) has of each kind; rows add up to 1, grains weigh the same.

        Without a jump: what comes nearest to a kind last has nothing of it yet. A row of zeros has no look.
        """
        units = unit_rows(vectors)
        has = units.any(axis=1).astype(np.float32) / len(self.centres)
        parts = [sparse.diags(has) @ _shares(units, found) for found in self.centres]
        matrix = sparse.csr_matrix(sparse.hstack(parts, format="csr", dtype=np.float32))
        matrix.eliminate_zeros()
        return Features(matrix=matrix, names=self.names)

    def among(self, anchors: Floats) -> Self:
        """The same kinds in another space of vectors, from where it has the products in `anchors`.

        `anchors` are the (n, d) vectors of the rows `anchor_rows`; zeros for one that has none there. A
        kind none of whose products is left is nobody's.
        """
        units = unit_rows(anchors)
        at = {row: place for place, row in enumerate(self.anchor_rows.tolist())}
        centres = tuple(_moved(kinds, units, at) for kinds in self.anchors)
        return replace(self, centres=centres)

    @cached_property
    def anchor_rows(self) -> npt.NDArray[np.int64]:
        """The rows of all products that stand for a kind, each once."""
        rows = np.unique(np.concatenate([found.ravel() for found in self.anchors]))
        return rows[rows >= 0].astype(np.int64)


def unit_rows(vectors: Floats) -> Floats:
    """Rows of length 1; a row of zeros, or that holds a number that is none, is zeros."""
    found = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.divide(found, norms, out=np.zeros_like(found), where=norms > 0), "f4")


# --- finding -------------------------------------------------------------------------------------


def _centres(units: Floats, size: int, random: np.random.Generator) -> Floats:
    """(size, d): from a start that is spread out (k-means++), until nothing moves any more."""
    centres = units[_spread(units, size, random)]
    before: npt.NDArray[np.int64] | None = None
    for _ in range(ROUNDS):
        cosines = units @ centres.T
        kinds = cosines.argmax(axis=1)
        if before is not None and np.array_equal(kinds, before):
            break
        before = kinds
        centres = _means(units, kinds, cosines.max(axis=1), size)
    return centres


def _spread(units: Floats, size: int, random: np.random.Generator) -> list[int]:
    """Rows that are far from each other (Arthur & Vassilvitskii 2007)."""
    chosen = [int(random.integers(len(units)))]
    far = np.full(len(units), np.inf)
    while len(chosen) < size:
        far = np.minimum(far, np.clip(1 - units @ units[chosen[-1]], 0, None))
        total = far.sum()
        odds = far / total if total > 0 else None
        chosen.append(int(random.choice(len(units), p=odds)))
    return chosen


def _means(units: Floats, kinds: npt.NDArray[np.int64], near: Floats, size: int) -> Floats:
    """Directions of the kinds; one that nothing belongs to becomes the row that is worst off."""
    ones = np.ones(len(units), np.float32)
    belongs = sparse.csr_matrix((ones, (kinds, np.arange(len(units)))), shape=(size, len(units)))
    means = unit_rows(np.asarray(belongs @ units))
    empty = np.flatnonzero(~means.any(axis=1))
    means[empty] = units[np.argsort(near, kind="stable")[: len(empty)]]
    return means


def _anchors(units: Floats, centres: Floats, rows: npt.NDArray[np.int64]) -> Ints:
    cosines = units @ centres.T
    found = np.full((len(centres), ANCHORS), -1, dtype=np.int32)
    kinds = cosines.argmax(axis=1)
    for kind in range(len(centres)):
        own = np.flatnonzero(kinds == kind)
        best = own[np.argsort(-cosines[own, kind], kind="stable")[:ANCHORS]]
        found[kind, : len(best)] = rows[best]
    return found


def _moved(kinds: Ints, units: Floats, at: dict[int, int]) -> Floats:
    means = np.zeros((len(kinds), units.shape[1]), np.float32)
    for kind, rows in enumerate(kinds.tolist()):
        means[kind] = units[[at[row] for row in rows if row >= 0]].sum(axis=0)
    return unit_rows(means)


# --- belonging -----------------------------------------------------------------------------------


def _shares(units: Floats, centres: Floats) -> sparse.csr_matrix:
    """(n, k): of the nearest kinds, each by how much nearer it is than the first that is left out."""
    edges = [*range(0, len(units), _BLOCK), len(units)]
    blocks = [_block(units[start:end], centres) for start, end in pairwise(edges)]
    empty = sparse.csr_matrix((0, len(centres)), dtype=np.float32)
    return sparse.csr_matrix(sparse.vstack(blocks or [empty], format="csr"))


def _block(units: Floats, centres: Floats) -> sparse.csr_matrix:
    cosines = np.where(centres.any(axis=1), units @ centres.T, _NOBODY)
    most = max(1, min(NEAREST, len(centres) // 3))
    order = np.argsort(-cosines, axis=1, kind="stable")[:, : most + 1]
    found = np.take_along_axis(cosines, order, axis=1)
    gains = found[:, :most] - found[:, most:]
    gains[gains.sum(axis=1) <= 0] = 1
    gains *= found[:, :most] > _NOBODY
    shares = gains / np.maximum(gains.sum(axis=1, keepdims=True), 1e-12)
    starts = np.arange(len(units) + 1) * most
    return sparse.csr_matrix(
        (shares.astype(np.float32).ravel(), order[:, :most].ravel(), starts),
        shape=cosines.shape,
    )
