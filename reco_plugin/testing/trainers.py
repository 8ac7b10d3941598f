"""What any trainer must do: subclass in your tests, name your trainer, and pytest runs the rest.

    from reco_plugin.testing.trainers import TrainerConformance

    class TestMine(TrainerConformance):
        trainer = MyTrainer
        config = {"epochs": 20}

Trainers run here with one thread, which is safe in any process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.metrics import ndcg_at_k
from reco_plugin.trainers.base import Learnt, Trainer
from reco_plugin.trainers.popularity import rank
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Dataset, Features, IdMap, id_map


def planted_dataset(
    *, shoppers: int = 240, items: int = 120, tastes: int = 6, each: int = 8, seed: int = 0
) -> Dataset:
    """Shoppers of a few tastes who mostly take items of their own; its hold-out is two more such items.

    The items' side features name their taste, so that a trainer that uses them can place a new one.
    """
    random = np.random.default_rng(seed)
    taste_of = np.arange(items) % tastes
    chosen = np.stack([_taken(random, taste_of, row % tastes, each + 2) for row in range(shoppers)])
    taste = sparse.csr_matrix(np.eye(tastes, dtype=np.float32)[taste_of])
    return Dataset(
        interactions=_matrix(chosen[:, :each], items),
        holdout=_matrix(chosen[:, each:], items),
        shoppers=id_map(list(range(1, shoppers + 1))),
        items=id_map(list(range(1, items + 1))),
        item_features=Features(matrix=taste, names=tuple(f"taste:{i}" for i in range(tastes))),
    )


def small_dataset(interactions: Any) -> Dataset:
    """A dataset of just these weights (n_shoppers, n_items)."""
    matrix = sparse.csr_matrix(np.asarray(interactions, dtype=np.float32))
    keys = [IdMap(keys=np.arange(1, count + 1, dtype=np.int64)) for count in matrix.shape]
    return Dataset(interactions=matrix, shoppers=keys[0], items=keys[1])


class TrainerConformance:
    """Set `trainer`, and `config` to hyper-parameters that learn the planted pattern quickly."""

    trainer: ClassVar[type[Trainer]]
    config: ClassVar[Mapping[str, Any]] = {}

    def fit(self, dataset: Dataset, seed: int = 1, **told: Any) -> Learnt:
        return self.trainer(self.config).fit(dataset, seed=seed, threads=1, **told)

    def test_has_a_name(self) -> None:
        assert isinstance(self.trainer.name, str)
        assert self.trainer.name

    def test_config_is_json_able(self) -> None:
        self.trainer(json.loads(json.dumps(dict(self.config))))

    def test_unknown_hyper_parameter_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no_such_thing"):
            self.trainer({**self.config, "no_such_thing": 1})

    def test_shapes_and_numbers(self) -> None:
        dataset = planted_dataset()
        _check(self.fit(dataset), dataset)

    def test_without_features_or_holdout(self) -> None:
        dataset = replace(planted_dataset(), item_features=None, holdout=None)
        _check(self.fit(dataset), dataset)

    def test_same_seed_same_numbers(self) -> None:
        dataset = planted_dataset()
        one, two = self.fit(dataset), self.fit(dataset)
        assert np.array_equal(one.item_vectors, two.item_vectors)
        assert np.array_equal(one.item_biases, two.item_biases)
        assert np.array_equal(one.shopper_vectors, two.shopper_vectors)
        assert np.array_equal(one.feature_vectors, two.feature_vectors)

    def test_leaves_the_dataset_as_it_was(self) -> None:
        dataset = planted_dataset()
        before = dataset.interactions.copy()
        self.fit(dataset)
        assert (before != dataset.interactions).nnz == 0

    def test_no_interactions_are_not_enough(self) -> None:
        with pytest.raises(NotEnoughData):
            self.fit(small_dataset(np.zeros((3, 4))))
        with pytest.raises(NotEnoughData):
            self.fit(small_dataset(np.zeros((0, 0))))

    def test_one_shopper(self) -> None:
        dataset = small_dataset([[1, 0, 2]])
        _check(self.fit(dataset), dataset)

    def test_one_item(self) -> None:
        dataset = small_dataset([[1], [0], [3]])
        _check(self.fit(dataset), dataset)

    def test_shopper_and_item_without_interactions(self) -> None:
        dataset = small_dataset([[1, 1, 0], [0, 0, 0], [0, 1, 0]])
        _check(self.fit(dataset), dataset)

    def test_huge_weights_and_features(self) -> None:
        dataset = planted_dataset()
        assert dataset.item_features is not None
        loud = replace(dataset.item_features, matrix=dataset.item_features.matrix * np.float32(1e4))
        weights = dataset.interactions.copy()
        weights.data[::7] = 1e4
        dataset = replace(dataset, interactions=weights, item_features=loud)
        _check(self.fit(dataset), dataset)

    def test_tells_how_far_it_is(self) -> None:
        heard: list[tuple[str, int, int]] = []
        self.fit(planted_dataset(), progress=lambda *step: heard.append(step))
        assert heard
        assert all(0 <= done <= total for _, done, total in heard)

    def test_learns_a_planted_pattern_better_than_popularity(self) -> None:
        dataset = planted_dataset()
        learnt = self.fit(dataset)
        ranked, _ = top_n(
            learnt.shopper_vectors,
            learnt.item_vectors,
            learnt.item_biases,
            10,
            exclude=dataset.interactions,
        )
        assert _ndcg(ranked, dataset) > 1.5 * _ndcg(_popular(dataset), dataset)


def _taken(random: np.random.Generator, taste_of: Any, taste: int, count: int) -> Any:
    """Distinct items, nine times in ten of the own taste."""
    odds = np.where(taste_of == taste, 0.9, 0.1)
    odds /= np.where(taste_of == taste, (taste_of == taste).sum(), (taste_of != taste).sum())
    return random.choice(len(taste_of), count, replace=False, p=odds / odds.sum())


def _matrix(chosen: Any, items: int) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(len(chosen)), chosen.shape[1])
    ones = np.ones(chosen.size, dtype=np.float32)
    return sparse.csr_matrix((ones, (rows, chosen.ravel())), shape=(len(chosen), items))


def _check(learnt: Learnt, dataset: Dataset) -> None:
    """Shapes belong together; every number is a finite float32."""
    n_shoppers, n_items = dataset.interactions.shape
    n_features = len(dataset.item_features.names) if dataset.item_features else 0
    width = learnt.item_vectors.shape[1]
    assert width > 0
    assert learnt.item_vectors.shape == (n_items, width)
    assert learnt.item_biases.shape == (n_items,)
    assert learnt.shopper_vectors.shape == (n_shoppers, width)
    assert learnt.feature_vectors.shape in {(n_features, width), (0, width)}
    assert learnt.feature_biases.shape == learnt.feature_vectors.shape[:1]
    assert learnt.epochs >= 1
    for array in (learnt.item_vectors, learnt.item_biases, learnt.shopper_vectors):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    for array in (learnt.feature_vectors, learnt.feature_biases):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()


def _popular(dataset: Dataset) -> Any:
    counts = np.asarray((dataset.interactions > 0).sum(axis=0), dtype=np.float32).ravel()
    return np.tile(rank(counts, 10).items, (dataset.interactions.shape[0], 1))


def _ndcg(ranked: Any, dataset: Dataset) -> float:
    assert dataset.holdout is not None
    return float(ndcg_at_k(ranked, dataset.holdout).mean())
