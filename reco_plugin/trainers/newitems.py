"""New items: what to expect of an item nobody has taken yet, from its features and what is known of others.

Four forms, each an item → new item matrix. `content`: what is like what the shopper took. `neighbours`: what is
like what those items' takers also took. `factors` and `regression`: the new item gets the factors, or the EASE
weights, that its features predict, by ridge regression over the items that have both (as Gantner et al. 2010
map attributes to factors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from scipy.sparse.linalg import svds

from reco_plugin import hyperparameters as configs
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.trainers import features as sides
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.content import profile
from reco_plugin.trainers.ease import Ease
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.itemknn import ItemKNN
from reco_plugin.trainers.transitions import Transitions, largest, required
from reco_plugin.types import Features, Floats

FORMS = ("content", "neighbours", "factors", "regression")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    form: str = "content"
    nearest: int = 10
    """neighbours: known items each new one takes after."""
    dimensions: int = 128
    """factors: how many."""
    damping: float = 0.3
    """factors: the power of the singular values; less than a half tells rarer tastes apart."""
    ridge: float = 1.0
    """factors, regression: of the regression from features."""
    most_features: int = 4_000
    """factors, regression: the commonest features that take part."""
    numbers: int = 100_000_000
    """regression: most numbers of its features x items table; a larger catalogue gets fewer features."""
    neighbours: int = 1_000
    """New items kept for each item."""
    decay: float = 1.0
    window: int = 0

    def __post_init__(self) -> None:
        configs.choice("form", self.form, FORMS)
        for name in ("nearest", "dimensions", "most_features", "numbers", "neighbours"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        configs.require(self.window >= 0, "window must not be negative.")
        configs.require(self.ridge > 0, "ridge must be positive.")
        configs.require(0 <= self.damping <= 1, "damping must lie in 0..1.")
        configs.require(0 < self.decay <= 1, "decay must be above 0 and at most 1.")


class NewItems:
    """The `newitems` trainer."""

    name: ClassVar[str] = "newitems"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = configs.read(Config, config)

    def fit(
        self,
        past: Histories,
        *,
        features: Features | None = None,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Transitions:
        """Place the items without events. Raises NotEnoughData without events or features, or new items."""
        taken = required(past).sets()
        if features is None or not features.matrix.nnz:
            raise NotEnoughData("No item has a feature, so nothing is known of a new one.")
        sides.check(features, past.n_items, "item")
        known = np.bincount(taken.indices, minlength=past.n_items) > 0
        new = np.flatnonzero(~known & (np.diff(features.matrix.indptr) > 0))
        if not len(new):
            raise NotEnoughData("There is no item without events that has features.")
        if progress:
            progress("fit", 0, 1)
        of = _Known(past=past, taken=taken, features=features, new=new, seed=seed)
        found = _FORMED[self.config.form](of, self.config)
        if progress:
            progress("fit", 1, 1)
        matrix = largest(_placed(found, new, past.n_items), self.config.neighbours)
        return Transitions(matrix=matrix, decay=self.config.decay, window=self.config.window)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Known:
    """What there is to go by."""

    past: Histories
    taken: sparse.csr_matrix
    features: Features
    new: npt.NDArray[np.int64]
    """Rows of the items without events that have features."""
    seed: int

    def alike(self) -> sparse.csr_matrix:
        """(n_items, new) cosines of features; rows of items without events are empty."""
        rows = profile(self.features)
        counts = np.bincount(self.taken.indices, minlength=self.taken.shape[1])
        known = sparse.diags((counts > 0).astype(np.float32))
        return (known @ rows @ rows[self.new].T).tocsr().astype(np.float32)


def _content(of: _Known, config: Config) -> sparse.csr_matrix:
    return of.alike()


def _neighbours(of: _Known, config: Config) -> sparse.csr_matrix:
    nearest = largest(of.alike().T.tocsr(), config.nearest).T.tocsr()
    known = ItemKNN({"neighbours": 200}).fit(of.past).matrix
    itself = sparse.identity(of.past.n_items, dtype=np.float32, format="csr")
    return (known + itself) @ nearest


def _factors(of: _Known, config: Config) -> sparse.csr_matrix:
    factors = _item_factors(of.taken, config, of.seed)
    known, solve, new = _regression(of, config, config.most_features)
    scores = np.zeros((of.past.n_items, len(of.new)), np.float32)
    scores[known] = factors[known] @ (new @ solve(factors[known])).T
    return sparse.csr_matrix(np.maximum(scores, 0))


def _weights(of: _Known, config: Config) -> sparse.csr_matrix:
    together = Ease().fit(of.past).matrix.T.tocsr().astype(np.float64)
    most = min(config.most_features, max(config.numbers // of.past.n_items, 1))
    known, solve, new = _regression(of, config, most)
    scores = np.asarray(new @ solve(together[known])).T
    return sparse.csr_matrix(np.maximum(scores, 0).astype(np.float32))


def _regression(
    of: _Known, config: Config, most: int
) -> tuple[npt.NDArray[np.int64], Callable[[Any], npt.NDArray[np.float64]], sparse.csr_matrix]:
    """(items with events, what turns their values into weights of features, features of the new)"""
    rows = profile(of.features).astype(np.float64)
    commonest = np.argsort(-np.bincount(rows.indices, minlength=rows.shape[1]), kind="stable")
    rows = rows[:, np.sort(commonest[:most])].tocsr()
    known = np.flatnonzero(np.bincount(of.taken.indices, minlength=of.past.n_items))
    seen = rows[known]
    system = (seen.T @ seen).toarray() + config.ridge * np.eye(rows.shape[1])

    def solve(values: Any) -> npt.NDArray[np.float64]:
        wanted = seen.T @ values
        wanted = wanted.toarray() if sparse.issparse(wanted) else wanted
        return np.asarray(linalg.solve(system, wanted, assume_a="pos"), dtype=np.float64)

    return known, solve, rows[of.new]


def _item_factors(taken: sparse.csr_matrix, config: Config, seed: int) -> npt.NDArray[np.float64]:
    """(n_items, d) singular vectors, by a power of their values."""
    weighted = taken.T.astype(np.float64)
    size = min(config.dimensions, min(weighted.shape) - 1)
    if size < 1:
        raise NotEnoughData("Factors need at least two shoppers and two items.")
    start = np.random.default_rng(seed).normal(size=min(weighted.shape))
    left, values, _ = svds(weighted, k=size, v0=start)
    return np.asarray(left * values**config.damping, dtype=np.float64)


_FORMED = {
    "content": _content,
    "neighbours": _neighbours,
    "factors": _factors,
    "regression": _weights,
}


def _placed(
    found: sparse.csr_matrix, new: npt.NDArray[np.int64], n_items: int
) -> sparse.csr_matrix:
    """Columns of new items back among all."""
    wide = found.tocoo()
    kept = wide.data != 0
    data: Floats = wide.data[kept].astype(np.float32)
    return sparse.csr_matrix(
        (data, (wide.row[kept], new[wide.col[kept]])), shape=(n_items, n_items)
    )
