"""EASE: each item from all others by ridge regression in closed form (Steck 2019, arXiv 1905.03375).

B = I - P diag(1 / diag P) with P = (X'X + λI)⁻¹. The inverse takes n_items² numbers and n_items³ work, so
above `exact_items` each item is regressed on its nearest items only: a system of `locals` equations per
item, in memory that grows with the number of items and not with its square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from reco_plugin import hyperparameters as configs
from reco_plugin.exceptions import TrainingFailed
from reco_plugin.trainers.base import Progress
from reco_plugin.trainers.histories import Histories
from reco_plugin.trainers.local_ridge import local_ridge
from reco_plugin.trainers.transitions import Transitions, required
from reco_plugin.types import Features, Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Hyper-parameters."""

    ridge: float = 0.0
    """λ; 0 takes a value from the data: `relative` times the mean count of an item."""
    relative: float = 5.0
    exact_items: int = 8_000
    """Largest catalogue (items with events) that is inverted as a whole."""
    locals: int = 50
    """Items an item is regressed on in a larger one; twice as many cost eight times the time for little."""
    neighbours: int = 200
    decay: float = 1.0
    window: int = 0

    def __post_init__(self) -> None:
        for name in ("locals", "neighbours"):
            configs.require(getattr(self, name) >= 1, f"{name} must be at least 1.")
        for name in ("ridge", "exact_items", "window"):
            configs.require(getattr(self, name) >= 0, f"{name} must not be negative.")
        configs.require(self.relative > 0, "relative must be positive.")
        configs.require(0 < self.decay <= 1, "decay must be above 0 and at most 1.")


class Ease:
    """The `ease` trainer."""

    name: ClassVar[str] = "ease"

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
        """Regress. Raises NotEnoughData when there is no event, TrainingFailed for a singular system."""
        config = self.config
        taken = required(past).sets()
        counts = np.bincount(taken.indices, minlength=past.n_items)
        known = np.flatnonzero(counts)
        ridge = config.ridge or config.relative * float(counts[known].mean())
        if len(known) <= config.exact_items:
            found = _exact(taken[:, known].tocsr(), ridge, config.neighbours)
            notes = (f"ridge {ridge:.4g}, exact",)
        else:
            found = local_ridge(
                taken[:, known].tocsr(),
                ridge,
                locals_=config.locals,
                neighbours=config.neighbours,
                progress=progress,
            )
            notes = (f"ridge {ridge:.4g}, each item on its {config.locals} nearest",)
        return Transitions(
            matrix=_spread(found, known, past.n_items),
            decay=config.decay,
            window=config.window,
            notes=notes,
        )


def weights(taken: sparse.csr_matrix, ridge: float) -> Floats:
    """float32 (n, n): the dense regression weights; column j predicts item j. Diagonal 0."""
    gram = np.asarray((taken.T @ taken).todense(), dtype=np.float32)
    gram[np.diag_indices(len(gram))] += ridge
    factor, info = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1, clean=1)
    if info == 0:
        inverse, info = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if info != 0:
        raise TrainingFailed(
            f"The item matrix cannot be inverted with ridge {ridge:g}; set a larger one."
        )
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    found = np.asarray(inverse / -np.diag(inverse)[None, :], dtype=np.float32)
    found[np.diag_indices(len(found))] = 0
    return found


def _exact(taken: sparse.csr_matrix, ridge: float, neighbours: int) -> sparse.csr_matrix:
    return _sparsified(weights(taken, ridge), neighbours)


def _sparsified(dense: Floats, k: int) -> sparse.csr_matrix:
    """Of each row the `k` entries of largest size, positive or not."""
    n = len(dense)
    if k >= n:
        return sparse.csr_matrix(dense)
    columns = np.argpartition(np.abs(dense), n - k, axis=1)[:, n - k :]
    columns = np.sort(columns, axis=1)
    starts = np.arange(0, n * k + 1, k)
    data = np.take_along_axis(dense, columns, axis=1).ravel()
    found = sparse.csr_matrix((data, columns.ravel(), starts), shape=(n, n))
    found.eliminate_zeros()
    return found


def _spread(
    found: sparse.csr_matrix, known: npt.NDArray[np.int64], n_items: int
) -> sparse.csr_matrix:
    """From the items with events back to all."""
    wide = found.tocoo()
    return sparse.csr_matrix(
        (wide.data.astype(np.float32), (known[wide.row], known[wide.col])), shape=(n_items, n_items)
    )
