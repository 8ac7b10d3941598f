"""Fold-in, popularity, the registry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.trainers import registry
from reco_plugin.trainers.foldin import fold_in, mean_norm
from reco_plugin.trainers.lightfm import LightFM
from reco_plugin.trainers.popularity import popular, popularity, rank, rank_by_segment

# --- fold-in -------------------------------------------------------------------------------------

seeds = st.integers(0, 10_000)


@settings(deadline=None)
@given(seed=seeds, m=st.integers(1, 6), norm=st.floats(0.1, 10))
def test_folded_in_vectors_have_the_trained_norm(seed, m, norm):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(m, 5)).astype(np.float32)
    found = fold_in(vectors, 0.8 ** np.arange(m), norm=norm)
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(norm, rel=1e-4)


def test_one_item_gives_its_direction_and_nothing_gives_zeros():
    vectors = np.array([[3, 4]], np.float32)
    assert np.allclose(fold_in(vectors, np.array([0.2]), norm=1.0), [0.6, 0.8])
    assert np.allclose(fold_in(vectors, np.array([-1.0]), norm=1.0), [-0.6, -0.8])
    assert not fold_in(vectors, np.array([0.0]), norm=1.0).any()
    assert not fold_in(vectors[:0], np.zeros(0), norm=1.0).any()


def test_shapes_of_fold_in_are_checked():
    with pytest.raises(ValueError, match="do not go with"):
        fold_in(np.ones((2, 3), np.float32), np.ones(3), norm=1.0)


def test_mean_norm_is_over_those_that_learnt():
    assert mean_norm(np.array([[3, 4], [0, 0], [6, 8]], np.float32)) == pytest.approx(7.5)
    assert mean_norm(np.zeros((2, 2), np.float32)) == 1.0


# --- popularity ----------------------------------------------------------------------------------

SHOPPERS = np.array([0, 0, 0, 1, 1, 2], np.int32)
ITEMS = np.array([2, 2, 2, 0, 2, 0], np.int32)


def test_a_million_clicks_of_one_are_one():
    shoppers = np.zeros(1_000_000, np.int32)
    items = np.full(1_000_000, 1, np.int32)
    found = popular(np.append(shoppers, [1, 2]), np.append(items, [0, 0]), n_items=3)
    assert found.items.tolist() == [0, 1]
    assert found.scores.tolist() == [2.0, 1.0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 9)), max_size=40))
def test_popularity_counts_distinct_shoppers_in_the_window(events):
    shoppers, items, at = (np.array([e[i] for e in events], np.int64) for i in range(3))
    found = popularity(shoppers, items, n_items=6, at=at, since=3, until=8)
    expected = [len({s for s, i, t in events if i == item and 3 <= t < 8}) for item in range(6)]
    assert found.tolist() == expected


def test_ties_go_to_the_lower_row_and_k_bounds():
    assert popular(SHOPPERS, ITEMS, n_items=4).items.tolist() == [0, 2]
    assert popular(SHOPPERS, ITEMS, n_items=4, k=1).items.tolist() == [0]


def test_the_heaviest_event_of_a_shopper_counts():
    weights = np.array([1, 5, 1, 1, 1, 0], np.float32)
    found = popularity(SHOPPERS, ITEMS, n_items=4, weights=weights)
    assert found.tolist() == [1.0, 0.0, 6.0, 0.0]


def test_segments_are_ranked_apart():
    members = sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]))
    lists = rank_by_segment(np.array([2, 5, 9, 2], np.float32), members, k=2)
    assert [found.items.tolist() for found in lists] == [[2, 0], [1, 0], []]
    assert lists[0].scores.tolist() == [9.0, 2.0]


def test_no_events_no_list():
    none = np.zeros(0, np.int32)
    assert len(popular(none, none, n_items=3)) == 0
    assert len(popular(none, none, n_items=0)) == 0
    assert len(rank(np.zeros(3, np.float32))) == 0


def test_a_window_needs_times():
    with pytest.raises(ValueError, match="give at="):
        popular(SHOPPERS, ITEMS, n_items=3, since=1)


# --- registry ------------------------------------------------------------------------------------


def test_built_in_and_dotted_names():
    assert registry.get("lightfm") is LightFM
    assert registry.get("reco_plugin.trainers.lightfm.LightFM") is LightFM


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lightfn", "no trainer 'lightfn'. Did you mean 'lightfm'"),
        ("", "Built in: lightfm"),
        ("no_such.module.Trainer", "there is no module 'no_such'"),
        ("reco_plugin.trainers.nothing.Trainer", "no module 'reco_plugin.trainers.nothing'"),
        ("reco_plugin.trainers.lightfm.Nothing", "has no class 'Nothing' with a fit"),
        ("reco_plugin.trainers.lightfm.Config", "has no class 'Config' with a fit"),
    ],
)
def test_names_that_lead_nowhere_are_told(name, said):
    with pytest.raises(ValueError, match=said):
        registry.get(name)


def test_what_a_trainer_lacks_is_not_disguised(tmp_path, monkeypatch):
    (tmp_path / "needy_trainer.py").write_text("import not_installed_anywhere")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        registry.get("needy_trainer.Mine")
