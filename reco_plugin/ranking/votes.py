"""The blend on a page: what the lists of a shopper's newest products say together, and what a ranker makes of it.

One and the same code ranks for the ranker to learn from, for an evaluation, and for a page: what is measured
is what is served. A request brings a list for each of its products, newest first; a list names others, and
what every member thinks of each.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from reco_plugin.ranking.evidence import FORMS, forms
from reco_plugin.ranking.forest import Forest, columns_of, named
from reco_plugin.types import Floats

DIGITS = 4
"""Decimals of what speaks for an item whoever asks: so many are stored."""
NOBODY = -1
TOP = 300
"""Candidates whose order trees decide, of those the linear score puts first: what a page can afford."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """The list of one product of the shopper's."""

    keys: Sequence[Any]
    """Of whom it speaks, each once."""
    values: Any
    """(members, keys) numbers of at least 0: what each member thinks of each."""
    prior: Sequence[float]
    """(keys,) what speaks for each, whoever asks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Votes:
    """All lists of one request over its n candidates."""

    candidates: list[Any]
    """(n,) keys, in the order in which they were first named."""
    values: Floats
    """(products, members, n)"""
    steps: npt.NDArray[np.int64]
    """(products,) how many baskets ago: 0 for all of the newest."""
    prior: Floats
    """(n,)"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """What was learnt: how to weigh members, near and far. JSON-able both ways."""

    members: tuple[str, ...]
    decays: tuple[float, ...]
    """Weights of a basket beside the next newer one; each member is asked at every pace."""
    weights: Floats
    """(members x decays x FORMS,) in the order of `names`."""
    newest: int
    """Products of a shopper that are asked, the newest."""
    trees: Forest | None = None
    """What is added to the scores of the first TOP; None where nothing is."""

    @property
    def names(self) -> list[str]:
        """What each weight is of."""
        return [
            f"{member} {decay:g} {form}"
            for member in self.members
            for decay in self.decays
            for form in FORMS
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """What trees are told of a candidate; see `told`."""
        shares = [f"{member} {decay:g}" for member in self.members for decay in self.decays]
        return named(shares, ["prior"])

    def as_json(self) -> dict[str, Any]:
        """For Run.config."""
        told = {
            "members": list(self.members),
            "decays": list(self.decays),
            "newest": self.newest,
            "weights": [round(float(weight), 6) for weight in self.weights],
        }
        return told if self.trees is None else {**told, "trees": self.trees.as_json()}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what `as_json` did not write."""
        trees = told.get("trees")
        found = cls(
            members=tuple(told["members"]),
            decays=tuple(map(float, told["decays"])),
            weights=np.asarray(told["weights"], np.float32),
            newest=int(told["newest"]),
        )
        if len(found.weights) != len(found.names):
            raise ValueError(f"{len(found.weights)} weights for {len(found.names)} features.")
        return found if trees is None else found.with_trees(trees)

    def with_trees(self, told: Mapping[str, Any]) -> Self:
        """With these trees, as `Forest.as_json` wrote them. Raises KeyError, TypeError or ValueError."""
        trees = Forest.of_json(told)
        if trees.columns != self.columns:
            raise ValueError("The trees were grown for other members.")
        return replace(self, trees=trees)


def votes(
    lists: Sequence[Heard | None],
    steps: Sequence[int],
    *,
    met: Collection[Hashable],
    beside: Mapping[Any, float],
    members: int,
) -> Votes:
    """Lay the lists of a request beside each other.

    `lists` and `steps` go by the shopper's products, newest first; None where one has no list. `met` are
    never candidates; `beside` (key → prior) are, whether or not a list names them.
    """
    places: dict[Any, int] = {}
    prior: list[float] = []
    parts = [None if heard is None else _entered(heard, places, prior, met) for heard in lists]
    for key, value in beside.items():
        if key not in met and key not in places:
            places[key] = len(places)
            prior.append(value)
    values = np.zeros((len(lists), members, len(places)), np.float32)
    for at, part in enumerate(parts):
        if part is not None:
            columns, thought = part
            values[at][:, columns] = thought
    return Votes(
        candidates=list(places),
        values=values,
        steps=np.asarray(steps, np.int64),
        prior=np.asarray(prior, np.float32),
    )


def _entered(
    heard: Heard, places: dict[Any, int], prior: list[float], met: Collection[Hashable]
) -> tuple[list[int], npt.NDArray[Any]]:
    """Candidates of one list, and what is thought of them."""
    kept = [at for at, key in enumerate(heard.keys) if key not in met]
    columns = []
    for at in kept:
        key = heard.keys[at]
        place = places.get(key)
        if place is None:
            place = places[key] = len(places)
            prior.append(heard.prior[at])
        columns.append(place)
    return columns, np.asarray(heard.values)[:, kept]


def features(found: Votes, decays: Sequence[float]) -> Floats:
    """float32 (n, members x decays x FORMS): each member's share of its best at each pace, in all forms."""
    told = forms(_shares(_table(found, decays)))
    columns = int(np.prod(told.shape[:-1]))
    return np.asarray(told.reshape(columns, len(found.candidates)).T, np.float32)


def told(shares: Floats, prior: Floats, linear: Floats) -> Floats:
    """(n, columns) what trees are told: each member's share of its best at each pace, what speaks for a candidate
    whoever asks, and the linear score."""
    return columns_of(shares, prior[:, None], linear)


def ranked(recipe: Recipe, found: Votes, k: int) -> tuple[list[int], Floats]:
    """Places of the `k` best candidates, best first (of equal ones the first named), and all scores.

    Trees, where there are any, put the first TOP by the linear score in their order; the others follow as they were.
    """
    by_feature = features(found, recipe.decays)
    prior = np.round(found.prior, DIGITS).astype(np.float32)
    scored = np.asarray(by_feature @ recipe.weights + prior, np.float32)
    order = np.argsort(-scored, kind="stable")
    if recipe.trees is not None:
        first = order[:TOP]
        shares = by_feature[first, :: len(FORMS)]
        scored[first] += recipe.trees.score(told(shares, prior[first], scored[first]))
        order[:TOP] = first[np.argsort(-scored[first], kind="stable")]
    return order[:k].tolist(), scored


def owed_to(recipe: Recipe, found: Votes, places: Sequence[int]) -> list[int]:
    """For each of these candidates the product (by its place among the shopper's) that speaks loudest for it,
    NOBODY where none does.

    What a source adds to the linear score, beside its knowing nothing of the candidate, is parted among the
    products as its votes are. Trees have no part in it: they say of a candidate how right the sources are in all, and
    not which of the products speaks.
    """
    fade = _fade(found, recipe.decays)
    table = _table(found, recipe.decays)
    whole = _shares(table)[..., places]
    by_source = recipe.weights.reshape(len(recipe.members), len(recipe.decays), len(FORMS), 1)
    gained = forms(whole) - forms(np.zeros_like(whole))
    credit = (gained * by_source).sum(axis=2) / np.maximum(table[..., places], 1e-12)
    owed = np.einsum("emk,ed,mdk->ek", found.values[..., places], fade, credit)
    if not owed.shape[0]:
        return [NOBODY] * len(places)
    best = owed.argmax(axis=0)
    loud = owed.max(axis=0) > 0
    return [int(at) if heard else NOBODY for at, heard in zip(best, loud, strict=True)]


def _fade(found: Votes, decays: Sequence[float]) -> Floats:
    """(products, decays) what each product counts."""
    return np.asarray(
        np.power(np.asarray(decays, np.float64)[None, :], found.steps[:, None]), np.float32
    )


def _table(found: Votes, decays: Sequence[float]) -> Floats:
    """(members, decays, n) what each member says at each pace."""
    products, members, n = found.values.shape
    flat = _fade(found, decays).T @ found.values.reshape(products, members * n)
    return np.asarray(flat.reshape(len(decays), members, n).transpose(1, 0, 2), np.float32)


def _shares(table: Floats) -> Floats:
    """Of the best of each source; zeros where it knows nobody."""
    best = table.max(axis=-1, initial=0.0)[..., None]
    return np.asarray(table / np.maximum(best, 1e-12), np.float32)
