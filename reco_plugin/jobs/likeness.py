"""Lists of products that nobody has taken: what is like them by their features, as their place among the others
tells nothing yet.

Such a list has the cosines that the product's nearest in the space have, in their order: so it can be
mixed with lists of others, and be joined by products that come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

from scipy import sparse

from reco_plugin.jobs import newborn
from reco_plugin.jobs.artefacts import Artefact
from reco_plugin.jobs.neighbours import Directions
from reco_plugin.models import Run
from reco_plugin.trainers.alike import Alike
from reco_plugin.types import Floats, IdMap, Ints, Key

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Likeness:
    """What the artefact of a run knows of the features of its items."""

    run: Run
    artefact: Artefact
    features: sparse.csr_matrix
    taken: Floats

    @classmethod
    def of(cls, run: Run) -> Self | None:
        """None where the run has no artefact that can be read, or one of before features were kept in it."""
        artefact = newborn.learnt_by(run)
        if artefact is None or artefact.features is None or artefact.taken is None:
            return None
        return cls(run, artefact, artefact.features, artefact.taken)

    def lists(self, keys: Sequence[Key], k: int) -> dict[Key, list[Key]]:
        """Of those of `keys` that nobody has taken, at most `k` items each, best first; none of a product
        that has nothing in common with any."""
        found: dict[Key, list[Key]] = {}
        for batch, rows in self._features_of([key for key in keys if not self._is_taken(key)]):
            for key, near in zip(batch, self._alike.lists(rows, k + 1), strict=True):
                others = [self.artefact.items.key(row) for row in near.tolist()]
                found[key] = [other for other in others if other != key][:k]
        return {key: others for key, others in found.items() if others}

    def in_place_of(self, space: Directions, rows: slice, near: Ints) -> Ints:
        """`near` (m, depth), of the items `rows` of `space`, with those lists in it."""
        keys = IdMap(keys=space.items.keys[rows]).to_python()
        found = near.copy()
        for key, others in self.lists(keys, near.shape[1]).items():
            at = (space.items.row(key) or 0) - rows.start
            known = [row for row in map(space.items.row, others) if row is not None]
            merged = before(known, near[at][near[at] >= 0].tolist())
            found[at, : len(merged)] = merged
        return found

    @cached_property
    def _alike(self) -> Alike:
        return Alike(self.features, self.taken)

    def _is_taken(self, key: Key) -> bool:
        row = self.artefact.items.row(key)
        return row is not None and bool(self.taken[row] > 0)

    def _features_of(
        self, keys: Sequence[Key]
    ) -> Iterator[tuple[Sequence[Key], sparse.csr_matrix]]:
        """As the artefact has them, or, of what came later, as the catalogue told."""
        rows = {key: self.artefact.items.row(key) for key in keys}
        known = {key: row for key, row in rows.items() if row is not None}
        if known:
            yield list(known), self.features[list(known.values())]
        later = [key for key, row in rows.items() if row is None]
        yield from newborn.rows_of(self.run, self.artefact, later)


def before(first: Sequence[T], near: Sequence[T]) -> list[T]:
    """As many as `near` has: `first`, then what else is in `near`."""
    return list(dict.fromkeys([*first, *near]))[: len(near)]


def rearranged(
    near: Sequence[tuple[Key, float]], first: Mapping[Key, Sequence[Key]], key: Key
) -> list[tuple[Key, float]]:
    """The list of `key`, with what is like it first."""
    keys = before(first.get(key, ()), [other for other, _ in near])
    return list(zip(keys, [score for _, score in near], strict=True))
