from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData, TrainingFailed
from reco_plugin.metrics import ndcg_at_k
from reco_plugin.testing.trainers import TrainerConformance, planted_dataset, small_dataset
from reco_plugin.trainers import lightfm as module
from reco_plugin.trainers.features import with_identity
from reco_plugin.trainers.lightfm import Config, LightFM
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Features

pytestmark = pytest.mark.lightfm

QUICK = {"dimensions": 16, "epochs": 12, "validate_every": 2}


class TestLightFM(TrainerConformance):
    trainer = LightFM
    config = QUICK


class TestBpr(TrainerConformance):
    trainer = LightFM
    config = {**QUICK, "loss": "bpr", "epochs": 40, "patience": 0}


class TestWarpKos(TrainerConformance):
    trainer = LightFM
    config = {**QUICK, "loss": "warp-kos", "epochs": 40, "patience": 0, "k": 2, "n": 5}


def fit(dataset, seed=1, **config):
    return LightFM({**QUICK, **config}).fit(dataset, seed=seed, threads=1)


# --- hyper-parameters ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"loss": "wrap"}, "did you mean 'warp'"),
        ({"loss": "nothing-alike"}, "must be one of warp, bpr"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epochs": 2.5}, "epochs must be int, not float"),
        ({"epochs": True}, "epochs must be int, not bool"),
        ({"weights": 1}, "weights must be bool, not int"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive"),
        ({"learning_rate": 0}, "learning_rate must be a positive"),
        ({"item_alpha": -1.0}, "item_alpha must not be negative"),
        ({"identity_share": 0.0}, "identity_share must be between 0 and 1"),
        ({"k": 11}, "k \\(11\\) must not be larger than n \\(10\\)"),
    ],
)
def test_bad_hyper_parameter_is_refused_with_a_reason(config, said):
    with pytest.raises(ValueError, match=said):
        LightFM(config)


def test_whole_numbers_do_for_real_ones():
    assert LightFM({"learning_rate": 1}).config.learning_rate == 1.0
    assert LightFM().config == Config()


# --- features ------------------------------------------------------------------------------------


def test_a_row_is_its_share_of_identity_and_the_rest_features():
    matrix = sparse.csr_matrix(np.array([[3, 1], [0, 0]], np.float32))
    found = with_identity(Features(matrix=matrix, names=("a", "b")), 2, share=0.2)
    assert np.allclose(found.toarray(), [[0.2, 0, 0.6, 0.2], [0, 1, 0, 0]])
    assert with_identity(None, 2, share=0.2) is None


def test_named_features_are_learnt_where_there_are_any():
    dataset = planted_dataset()
    with_features, without = fit(dataset), fit(replace(dataset, item_features=None))
    assert with_features.feature_vectors.shape == (6, 16)
    assert without.feature_vectors.shape == (0, 16)


def test_scale_of_features_changes_nothing():
    dataset = planted_dataset()
    loud = replace(dataset.item_features, matrix=dataset.item_features.matrix * np.float32(1e4))
    assert np.allclose(
        fit(dataset).item_vectors,
        fit(replace(dataset, item_features=loud)).item_vectors,
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_new_product_is_placed_by_its_features():
    dataset = planted_dataset()
    learnt = fit(dataset, epochs=30)
    new_vectors, new_biases = np.eye(6) @ learnt.feature_vectors, learnt.feature_biases
    ranked, _ = top_n(learnt.shopper_vectors, new_vectors.astype(np.float32), new_biases, 1)
    own_taste = np.arange(len(ranked)) % 6
    assert (ranked[:, 0] == own_taste).mean() > 0.8


def test_rows_without_features_are_told_apart_by_identity():
    dataset = planted_dataset()
    matrix = dataset.item_features.matrix.tolil()
    matrix[::2] = 0
    features = Features(matrix=matrix.tocsr(), names=dataset.item_features.names)
    learnt = fit(replace(dataset, item_features=features))
    assert np.ptp(learnt.item_vectors[::2], axis=0).min() > 0


def test_features_of_all_zeros_are_no_features():
    dataset = planted_dataset()
    nothing = Features(matrix=sparse.csr_matrix((120, 3), dtype=np.float32), names=("a", "b", "c"))
    learnt = fit(replace(dataset, item_features=nothing))
    assert np.isfinite(learnt.feature_vectors).all()
    assert np.ptp(learnt.item_vectors) > 0


def test_a_feature_that_is_not_a_number_is_named():
    dataset = planted_dataset()
    matrix = dataset.item_features.matrix.copy()
    matrix.data[7] = np.nan
    features = replace(dataset.item_features, matrix=matrix)
    with pytest.raises(ValueError, match=r"1 item feature values .*'taste:1' of item row 7"):
        fit(replace(dataset, item_features=features))


def test_features_of_another_shape_are_refused():
    features = Features(matrix=sparse.csr_matrix((2, 1), dtype=np.float32), names=("a",))
    with pytest.raises(ValueError, match="there are 120 items and 1 names"):
        fit(replace(planted_dataset(), item_features=features))


def test_shopper_features_take_part():
    dataset = planted_dataset()
    tastes = sparse.csr_matrix(np.eye(6, dtype=np.float32)[np.arange(240) % 6])
    features = Features(matrix=tastes, names=tuple("abcdef"))
    learnt = fit(replace(dataset, shopper_features=features))
    assert learnt.shopper_vectors.shape == (240, 16)
    assert not np.array_equal(learnt.shopper_vectors, fit(dataset).shopper_vectors)


# --- weights -------------------------------------------------------------------------------------


def test_weights_matter_and_their_scale_does_not():
    dataset = planted_dataset()
    heavy = dataset.interactions.copy()
    heavy.data[::2] = 5
    weighted = fit(replace(dataset, interactions=heavy))
    assert not np.array_equal(weighted.item_vectors, fit(dataset).item_vectors)
    tenfold = fit(replace(dataset, interactions=(heavy * np.float32(16)).tocsr()))
    assert np.array_equal(weighted.item_vectors, tenfold.item_vectors)


def test_weights_can_be_left_out():
    dataset = planted_dataset()
    heavy = dataset.interactions.copy()
    heavy.data[::2] = 5
    alike = fit(replace(dataset, interactions=heavy), weights=False)
    assert np.array_equal(alike.item_vectors, fit(dataset).item_vectors)


def test_warp_kos_says_that_it_does_not_weigh():
    dataset = small_dataset([[1, 5, 0], [0, 1, 1]])
    assert "no sample weights" in fit(dataset, loss="warp-kos").notes[0]
    assert not fit(dataset, loss="warp").notes


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="weights are not finite"):
        fit(small_dataset([[1.0, float("inf")]]))


def test_negative_weights_alone_are_not_enough():
    with pytest.raises(NotEnoughData, match="no positive interaction among 1 shoppers and 2 items"):
        fit(small_dataset([[-1, 0]]))


# --- early stopping ------------------------------------------------------------------------------


def test_stops_early_and_keeps_the_best():
    dataset = planted_dataset()
    learnt = fit(dataset, epochs=200, patience=2, validate_every=1)
    scores = [entry["ndcg@10"] for entry in learnt.history]
    assert len(scores) < 200
    assert learnt.history[int(np.argmax(scores))]["epoch"] == learnt.epochs
    ranked, _ = top_n(
        learnt.shopper_vectors,
        learnt.item_vectors,
        learnt.item_biases,
        10,
        exclude=dataset.interactions,
    )
    assert ndcg_at_k(ranked, dataset.holdout).mean() == pytest.approx(max(scores))


def test_without_a_holdout_all_epochs_are_run():
    learnt = fit(replace(planted_dataset(), holdout=None))
    assert (learnt.epochs, learnt.history) == (12, ())


def test_a_holdout_that_repeats_the_training_tells_nothing():
    dataset = planted_dataset()
    learnt = fit(replace(dataset, holdout=dataset.interactions))
    assert (learnt.epochs, learnt.history) == (12, ())


def test_a_holdout_of_another_shape_is_refused():
    other = sparse.csr_matrix((2, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="must have the same shoppers and items"):
        fit(replace(planted_dataset(), holdout=other))


# --- diverging -----------------------------------------------------------------------------------


def test_numbers_that_never_become_finite_are_told():
    with pytest.raises(TrainingFailed, match=r"After epoch 1 .* shopper vectors .* not all finite"):
        fit(planted_dataset(), learning_rate=1e30)


def test_a_lower_learning_rate_is_tried(monkeypatch):
    found = module._not_finite
    monkeypatch.setattr(
        module,
        "_not_finite",
        lambda engine: ["item vectors"] if engine.learning_rate > 0.02 else found(engine),
    )
    learnt = fit(planted_dataset(), learning_rate=0.05)
    assert len(learnt.notes) == 2
    assert "Tried again from the start at a rate of 0.0125" in learnt.notes[1]
    assert np.array_equal(
        learnt.item_vectors, fit(planted_dataset(), learning_rate=0.0125).item_vectors
    )


def test_each_non_finite_part_is_named():
    engine = module._engine(Config(dimensions=2), 0.05, 1)
    engine.item_embeddings = np.zeros((2, 2), np.float32)
    engine.user_biases = np.array([0, np.inf], np.float32)
    engine.item_biases = np.array([np.nan, 0], np.float32)
    assert module._not_finite(engine) == ["item biases", "shopper biases"]


def test_lightfm_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightfm", None)
    with pytest.raises(TrainingFailed, match=r"pip install django-reco-plugin\[lightfm\]"):
        fit(planted_dataset())


def test_another_module_missing_is_not_disguised(monkeypatch):
    monkeypatch.delitem(sys.modules, "lightfm", raising=False)
    monkeypatch.delitem(sys.modules, "lightfm.lightfm", raising=False)
    monkeypatch.setitem(sys.modules, "lightfm._lightfm_fast", None)
    with pytest.raises(ModuleNotFoundError, match="_lightfm_fast"):
        fit(planted_dataset())
