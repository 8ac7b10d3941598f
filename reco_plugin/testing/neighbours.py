"""What any trainer of item → item matrices must do: subclass in your tests, name it, and pytest runs the rest.

from reco_plugin.testing.neighbours import NeighbourConformance

class TestMine(NeighbourConformance):
    trainer = MyTrainer
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.trainers.histories import Histories, histories
from reco_plugin.trainers.transitions import NeighbourTrainer, Transitions
from reco_plugin.types import Features

HOUR = 3_600_000_000


def planted_histories(
    *, shoppers: int = 120, items: int = 60, tastes: int = 6, each: int = 8, seed: int = 0
) -> Histories:
    """Shoppers of a few tastes who step to the next item of their taste, two to a basket, with some noise."""
    random = np.random.default_rng(seed)
    begins = random.integers(0, items // tastes, (shoppers, 1))
    steps = (begins + np.arange(each)) % (items // tastes)
    chosen = steps * tastes + (np.arange(shoppers) % tastes)[:, None]
    noise = random.random(chosen.shape) < 0.1
    chosen = np.where(noise, random.integers(0, items, chosen.shape), chosen)
    rows = np.repeat(np.arange(shoppers), each)
    place = np.tile(np.arange(each), shoppers)
    return histories(
        rows,
        chosen.ravel(),
        n_rows=shoppers,
        n_items=items,
        at=(rows + 24 * place) * HOUR,
        basket=rows * each + place // 2,
    )


def planted_features(items: int = 60, tastes: int = 6) -> Features:
    """One feature per item: its taste."""
    taste = sparse.csr_matrix(np.eye(tastes, dtype=np.float32)[np.arange(items) % tastes])
    return Features(matrix=taste, names=tuple(f"taste:{at}" for at in range(tastes)))


class NeighbourConformance:
    """Set `trainer`, and `config` where the defaults do not suit 60 items."""

    trainer: ClassVar[type[NeighbourTrainer]]
    config: ClassVar[Mapping[str, Any]] = {}
    uncut: ClassVar[Mapping[str, Any]] = {"neighbours": 66}
    """What leaves no neighbour of 66 items out: where some are cut, ties fall to the lower number."""
    learns_tastes: ClassVar[bool] = True
    """Are an item's best neighbours of its own taste? Not for personal frequency."""

    def fit(self, past: Histories, **told: Any) -> Transitions:
        features = planted_features() if past.n_items == 60 else None
        return self.trainer(self.config).fit(past, **{"features": features, "seed": 1, **told})

    def test_has_a_name(self) -> None:
        assert isinstance(self.trainer.name, str)
        assert self.trainer.name

    def test_config_is_json_able(self) -> None:
        self.trainer(json.loads(json.dumps(dict(self.config))))

    def test_unknown_hyper_parameter_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no_such_thing"):
            self.trainer({**self.config, "no_such_thing": 1})

    def test_shape_and_numbers(self) -> None:
        past = planted_histories()
        found = self.fit(past)
        assert found.matrix.shape == (past.n_items, past.n_items)
        assert found.matrix.dtype == np.float32
        assert found.matrix.nnz
        assert np.isfinite(found.matrix.data).all()
        assert 0 < found.decay <= 1

    def test_scores_of_histories(self) -> None:
        past = planted_histories()
        scores = self.fit(past).score(past)
        assert scores.shape == (len(past), past.n_items)
        assert np.isfinite(scores.data).all()

    def test_an_empty_history_scores_nothing(self) -> None:
        past = planted_histories()
        nothing = past.keep(np.zeros(len(past.items), dtype=np.bool_))
        assert abs(self.fit(past).score(nothing)).sum() == 0

    def test_same_seed_same_numbers(self) -> None:
        past = planted_histories()
        assert (self.fit(past).matrix != self.fit(past).matrix).nnz == 0

    def test_order_of_shoppers_changes_nothing(self) -> None:
        past = planted_histories()
        other = past.select(np.random.default_rng(3).permutation(len(past)))
        apart = abs(self.fit(past).matrix - self.fit(other).matrix)
        assert apart.nnz == 0 or apart.max() < 1e-4

    def test_names_of_items_change_nothing(self) -> None:
        past = planted_histories(items=66)
        numbers = np.random.default_rng(4).permutation(66).astype(np.int32)
        renamed = Histories(
            starts=past.starts,
            items=numbers[past.items],
            n_items=66,
            at=past.at,
            basket=past.basket,
        )
        taste = planted_features(66).matrix
        sides = Features(matrix=taste, names=tuple("abcdef"))
        moved = Features(matrix=taste[np.argsort(numbers)].tocsr(), names=tuple("abcdef"))
        config = {**self.config, **self.uncut}
        one = self.trainer(config).fit(past, features=sides).matrix.toarray()
        two = self.trainer(config).fit(renamed, features=moved).matrix.toarray()
        assert np.allclose(one, two[np.ix_(numbers, numbers)], atol=1e-4)

    def test_no_event_is_not_enough(self) -> None:
        past = planted_histories()
        with pytest.raises(NotEnoughData):
            self.trainer(self.config).fit(past.keep(np.zeros(len(past.items), dtype=np.bool_)))

    def test_one_shopper_one_item(self) -> None:
        found = self._tiny([[0]], 1)
        assert np.isfinite(found.matrix.data).all()

    def test_items_nobody_took(self) -> None:
        found = self._tiny([[0, 2], [2, 0, 0]], 5)
        assert found.matrix.shape == (5, 5)

    def test_leaves_the_histories_as_they_were(self) -> None:
        past = planted_histories()
        before = past.items.copy(), past.starts.copy()
        self.fit(past)
        assert np.array_equal(past.items, before[0])
        assert np.array_equal(past.starts, before[1])

    def test_neighbours_are_of_the_same_taste(self) -> None:
        found = self.fit(planted_histories()).matrix.toarray()
        if not self.learns_tastes:
            assert np.count_nonzero(found - np.diag(np.diag(found))) == 0
            return
        assert np.count_nonzero(np.diag(found)) == 0
        best = found.argmax(axis=1)
        assert (best % 6 == np.arange(60) % 6).mean() > 0.9

    def _tiny(self, lists: list[list[int]], n_items: int) -> Transitions:
        rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
        past = histories(rows, np.concatenate(lists), n_rows=len(lists), n_items=n_items)
        ones = sparse.csr_matrix(np.ones((n_items, 1), np.float32))
        return self.fit(past, features=Features(matrix=ones, names=("any",)))
