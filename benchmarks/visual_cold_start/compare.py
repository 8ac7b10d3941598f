"""The same shoppers, the same training; once with what pictures show among the features, once without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.visual_cold_start.catalogue import Catalogue
from reco_plugin.metrics import Estimate, difference_interval, ratio_interval, recall_at_k
from reco_plugin.trainers import process
from reco_plugin.trainers.base import Learnt
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Dataset, Features, Floats, IdMap

K = 10
VALIDATED, TESTED = 0.1, 0.1
"""Shares of what shoppers did with known products, for early stopping and for a look at known ones."""

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """What happened, cut for one comparison. Columns of the matrices are products."""

    learnt: sparse.csr_matrix
    validation: sparse.csr_matrix
    known: sparse.csr_matrix
    """What shoppers did besides with products that are trained on."""
    unseen: sparse.csr_matrix
    """What they did with products that are not."""
    is_cold: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, chosen: sparse.csr_matrix, is_cold: npt.NDArray[np.bool_], seed: int) -> World:
        """Cut by product, and the rest by lot."""
        pairs = chosen.tocoo()
        draw = np.random.default_rng([seed, 23]).random(pairs.nnz)
        cold = is_cold[pairs.col]

        def part(kept: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
            ones = np.ones(int(kept.sum()), np.float32)
            return sparse.csr_matrix((ones, (pairs.row[kept], pairs.col[kept])), shape=pairs.shape)

        return cls(
            learnt=part(~cold & (draw >= VALIDATED + TESTED)),
            validation=part(~cold & (draw < VALIDATED)),
            known=part(~cold & (draw >= VALIDATED) & (draw < VALIDATED + TESTED)),
            unseen=part(cold),
            is_cold=is_cold,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Recall:
    """recall@10 per shopper."""

    unseen: Figures
    """Of products unseen in training, among those."""
    known: Figures
    """Of the others, among those."""

    @classmethod
    def joined(cls, parts: Sequence[Recall]) -> Recall:
        """Of several worlds."""
        return cls(
            unseen=np.concatenate([part.unseen for part in parts]),
            known=np.concatenate([part.known for part in parts]),
        )


def measured(
    world: World,
    catalogue: Catalogue,
    told: Sequence[str],
    vectors: Floats | None,
    *,
    config: Mapping[str, Any],
    seed: int,
) -> Recall:
    """Train on the known products, as a shop that says `told`, and look what the others come to.

    `vectors` (n, d) are those of all products' pictures; None: the shop has none.
    """
    from reco_plugin.datasets import feature_rows, features_of
    from reco_plugin.datasets.looks import Looks

    warm, cold = np.flatnonzero(~world.is_cold), np.flatnonzero(world.is_cold)
    items = catalogue.items(told)
    looks = Looks.find(vectors[warm]) if vectors is not None else None
    seen = looks.features(vectors[warm]) if looks and vectors is not None else None
    later = looks.features(vectors[cold]) if looks and vectors is not None else None
    features = features_of([items[row] for row in warm], seen)
    learnt = _fit(world, warm, features, config, seed)
    rows = feature_rows([items[row] for row in cold], features.names, later)
    return Recall(
        unseen=_recall(
            learnt.shopper_vectors,
            np.asarray(rows @ learnt.feature_vectors),
            np.asarray(rows @ learnt.feature_biases),
            world.unseen[:, cold],
        ),
        known=_recall(
            learnt.shopper_vectors,
            learnt.item_vectors,
            learnt.item_biases,
            world.known[:, warm],
            exclude=(world.learnt + world.validation)[:, warm],
        ),
    )


def _fit(
    world: World,
    warm: npt.NDArray[np.int64],
    features: Features,
    config: Mapping[str, Any],
    seed: int,
) -> Learnt:
    dataset = Dataset(
        interactions=world.learnt[:, warm],
        shoppers=IdMap(keys=np.arange(world.learnt.shape[0])),
        items=IdMap(keys=warm),
        item_features=features,
        holdout=world.validation[:, warm],
    )
    return process.run("lightfm", config, dataset, seed=seed, threads=1)


def _recall(
    shoppers: Floats,
    items: Floats,
    biases: Floats,
    wanted: sparse.csr_matrix,
    *,
    exclude: sparse.csr_matrix | None = None,
) -> Figures:
    ranked, _ = top_n(shoppers, items, biases, K, exclude=exclude)
    return recall_at_k(ranked, wanted)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What pictures are worth to one kind of shop."""

    with_pictures: float
    without: float
    difference: Estimate
    ratio: Estimate

    @classmethod
    def of(cls, ours: Figures, theirs: Figures) -> Gain:
        """Paired by shopper, and the intervals by the bootstrap."""
        return cls(
            with_pictures=float(ours.mean()),
            without=float(theirs.mean()),
            difference=difference_interval(ours, theirs),
            ratio=ratio_interval(ours, theirs),
        )
