from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torchvision")

from reco_plugin import artefacts
from reco_plugin.encoders import judging, loop, network, weights
from reco_plugin.encoders.network import Network
from reco_plugin.encoders.resnet import ResNetEncoder
from reco_plugin.encoders.torches import torch
from reco_plugin.encoders.training import fine_tune
from reco_plugin.encoders.weights import Weights
from reco_plugin.exceptions import EncoderUnavailable, NotEnoughData, TrainingFailed

QUICK = {
    "architecture": "student",
    "size": 32,
    "first_size": 32,
    "epochs": 2,
    "batch": 16,
    "validate_every": 1,
    "holdout": 0.25,
    "precision": "float32",
}
NO_PAIRS = np.zeros((0, 2), np.int32)
COLOURS = np.array([[220, 30, 30], [30, 30, 220]])


def shop(count: int = 64, seed: int = 0):
    """Bars that lie or stand, red or blue."""
    random = np.random.default_rng(seed)
    kind, hue = (random.integers(0, 2, count).astype(np.int32) for _ in range(2))
    pictures = np.full((count, 40, 40, 3), 255, np.uint8)
    for picture, way, colour in zip(pictures, kind, hue, strict=True):
        (picture if way else picture.transpose(1, 0, 2))[14:26, 4:36] = COLOURS[colour]
    return pictures, {"kind": kind, "hue": hue}, np.arange(count, dtype=np.int32)


PICTURES, LABELS, PRODUCTS = shop()


def taught(config=None, start=None, **change):
    told = {"pairs": NO_PAIRS, "labels": LABELS, "pictures": PICTURES, "products": PRODUCTS}
    told |= {"threads": 1, **change}
    return fine_tune(config={**QUICK, **(config or {})}, start=start, **told)


@pytest.fixture(scope="module")
def two_epochs():
    return taught()


def same(one: Weights, other: Weights) -> bool:
    return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_it_learns_and_says_how_much():
    found = taught({"epochs": 8, "validate_every": 4})
    assert found.metrics["precision@10"] > 0.75
    assert 0 <= found.metrics["start precision@10"] <= 1
    assert found.history[1]["loss"] < found.history[0]["loss"]
    assert [look["epoch"] for look in found.history] == [4, 8]
    assert found.epochs in (4, 8)
    encoder = ResNetEncoder(found.weights, device="cpu")
    rows = encoder.encode(np.ascontiguousarray(PICTURES[:4, 4:36, 4:36]))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_the_weights_are_whole(two_epochs, tmp_path):
    found = two_epochs.weights
    assert (found.architecture, found.size) == ("student", 32)
    assert dict(found.classes) == {"kind": ("0", "1"), "hue": ("0", "1")}
    assert [block.name for block in found.blocks] == ["kind", "hue"]
    digest = weights.save(tmp_path / "w.npz", found)
    assert weights.load(tmp_path / "w.npz", digest).fingerprint == found.fingerprint


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(two_epochs):
    assert same(two_epochs.weights, taught().weights)
    assert not same(two_epochs.weights, taught(seed=1).weights)


def test_held_out_products_are_never_learnt_from(two_epochs, monkeypatch):
    seen = set()
    step = loop._step
    monkeypatch.setattr(
        loop,
        "_step",
        lambda work, state, rows, *rest: (
            seen.update(rows.tolist()),
            step(work, state, rows, *rest),
        )[1],
    )
    found = taught()
    assert np.array_equal(found.held, two_epochs.held)
    assert not seen & set(np.flatnonzero(found.held).tolist())
    assert found.held.sum() == 16


def test_a_killed_training_goes_on_to_the_same_end(two_epochs, tmp_path, monkeypatch):
    place = tmp_path / "folder" / "state.npz"
    epoch = loop.one_pass

    def killed(work, state, number):
        if number == 2:
            raise KeyboardInterrupt
        return epoch(work, state, number)

    monkeypatch.setattr(loop, "one_pass", killed)
    with pytest.raises(KeyboardInterrupt):
        taught(checkpoint=place)
    looked = []
    monkeypatch.setattr(
        loop, "one_pass", lambda *given: (looked.append(given[2]), epoch(*given))[1]
    )
    found = taught(checkpoint=place)
    assert looked == [2]
    assert same(found.weights, two_epochs.weights)
    assert found.history == two_epochs.history
    assert found.metrics == two_epochs.metrics


def test_a_training_that_had_ended_is_not_done_again(two_epochs, tmp_path, monkeypatch):
    taught(checkpoint=tmp_path / "state.npz")
    monkeypatch.setattr(loop, "one_pass", lambda *given: pytest.fail("it trained again"))
    found = taught(checkpoint=tmp_path / "state.npz")
    assert same(found.weights, two_epochs.weights)
    assert found.epochs == two_epochs.epochs


@pytest.mark.parametrize("change", [{"seed": 5}, {"config": {"smoothing": 0.2}}])
def test_the_state_of_another_training_is_not_gone_on_from(tmp_path, change):
    taught(checkpoint=tmp_path / "state.npz")
    found = taught(checkpoint=tmp_path / "state.npz", **change)
    assert any("another training" in note for note in found.notes)
    assert same(found.weights, taught(**change).weights)


def test_a_corrupt_state_costs_nothing_but_time(two_epochs, tmp_path):
    (tmp_path / "state.npz").write_bytes(b"half of it")
    found = taught(checkpoint=tmp_path / "state.npz")
    assert any("of no use" in note for note in found.notes)
    assert same(found.weights, two_epochs.weights)
    artefacts.load(tmp_path / "state.npz")


def test_early_stopping_keeps_the_best_look(monkeypatch):
    scores = iter([0.5, 0.9, 0.7, 0.6, 0.95])
    figures = judging.Judge.__call__
    monkeypatch.setattr(
        judging.Judge,
        "__call__",
        lambda self, encode: {**figures(self, encode), "score": next(scores)},
    )
    start = taught({"epochs": 1}).weights  # takes the first two scores
    assert start.size == 32
    scores = iter([0.1, 0.5, 0.9, 0.7, 0.6, 0.95])
    found = taught({"epochs": 5, "patience": 2})
    assert found.epochs == 2
    assert [look["score"] for look in found.history] == [0.5, 0.9, 0.7, 0.6]


def test_progress_is_told_to_the_end():
    told = []
    taught({"epochs": 1}, progress=lambda *given: told.append(given))
    assert [given for given in told if given[0] == "train"] == [
        ("train", done, 3) for done in (1, 2, 3)
    ]
    assert {stage for stage, _, _ in told} == {"train", "look"}
    assert all(done <= total for _, done, total in told)


def test_pictures_grow():
    found = taught({"epochs": 3, "size": 48})
    assert [look["size"] for look in found.history] == [32, 32, 48]
    assert found.weights.size == 48


def test_pairs_alone_are_enough_to_learn_from():
    partner = np.where(LABELS["hue"][:, None] == LABELS["hue"][None, :], 1, 0)
    pairs = np.argwhere(np.triu(partner, 1)).astype(np.int32)
    found = taught({"epochs": 1}, labels={}, pairs=pairs)
    assert [block.name for block in found.weights.blocks] == ["all"]
    assert "score" in found.metrics


def test_pairs_beside_labels_change_what_is_learnt(two_epochs):
    found = taught(pairs=np.array([[0, 1], [2, 3], [4, 5], [6, 7]], np.int32))
    assert not same(found.weights, two_epochs.weights)


def test_unknown_labels_are_no_class():
    codes = LABELS["kind"].copy()
    codes[::3] = -1
    found = taught({"epochs": 1}, labels={"kind": codes})
    assert list(found.weights.classes) == ["kind"]


def test_names_of_classes_are_kept():
    names = {"kind": ("lies", "stands"), "hue": ("red", "blue")}
    assert dict(taught({"epochs": 1}, classes=names).weights.classes) == names
    with pytest.raises(ValueError, match="only 1 names"):
        taught(classes={"kind": ("lies",)})


def test_a_start_is_taken_over_and_judged(two_epochs):
    found = taught({"epochs": 1, "learning_rate": 1e-9}, start=two_epochs.weights)
    again = ResNetEncoder(found.weights, device="cpu")
    before = ResNetEncoder(
        two_epochs.weights.with_shares({block.name: block.share for block in found.weights.blocks}),
        device="cpu",
    )
    some = np.ascontiguousarray(PICTURES[:8, 4:36, 4:36])
    assert (again.encode(some) * before.encode(some)).sum(axis=1).min() > 0.9
    assert found.metrics["start precision@10"] >= 0


def test_a_start_without_heads_gives_its_body():
    torch.manual_seed(3)
    bare = Weights(architecture="student", size=32, arrays=network.arrays_of(Network("student")))
    assert taught({"epochs": 1}, start=bare).weights.blocks


def test_a_start_of_another_network_is_refused():
    other = Weights(architecture="resnet10", size=32, arrays=network.arrays_of(Network("resnet10")))
    with pytest.raises(EncoderUnavailable, match="not those of a student"):
        taught(start=other)


def test_a_diverging_training_is_tried_again_slower():
    step = loop._step
    calls = []

    def failing(work, state, *rest):
        calls.append(work.lesson.recipe.learning_rate)
        if work.lesson.recipe.learning_rate > 0.05:
            raise loop.Diverged("The loss was nan at 32 pixels.")
        return step(work, state, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_step", failing)
        found = taught({"epochs": 1, "learning_rate": 0.08})
        assert calls[:2] == [0.08, 0.04]
        assert any("half the learning rate" in note for note in found.notes)
        with pytest.raises(TrainingFailed, match="did not stay finite"):
            taught({"epochs": 1, "learning_rate": 9.0})


def test_too_little_is_told():
    pictures, labels, products = shop(10)
    with pytest.raises(NotEnoughData, match="There are 8 pictures"):
        taught(pictures=pictures, labels=labels, products=products)
    with pytest.raises(NotEnoughData, match="0 held out"):
        taught({"holdout": 0.001})
    with pytest.raises(NotEnoughData, match="0 attributes"):
        taught(labels={"kind": np.zeros(64, np.int32)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pictures": PICTURES.astype(np.float32)}, "must be uint8"),
        ({"pictures": PICTURES[:, :20]}, "must be uint8"),
        ({"products": PRODUCTS[:5]}, "products is of shape"),
        ({"labels": {"kind": LABELS["kind"][:5]}}, "kind is of shape"),
        ({"config": {"epoch": 1}}, "Did you mean"),
        ({"device": "tpu"}, "device must be one of"),
    ],
)
def test_nonsense_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        taught(**change)


def test_a_gpu_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(EncoderUnavailable, match="no cuda device"):
        taught(device="cuda")
