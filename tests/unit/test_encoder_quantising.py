"""Eight bits: nearly the same vectors under a fingerprint of their own, and kept only where that pays."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from reco_plugin.encoders import choosing, onnx, quantising

pytest.importorskip("onnx", reason="the extra `images` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `images` is not installed")
pytest.importorskip("torchvision", reason="the extra `images` is not installed")

SIZE = 32


@pytest.fixture(scope="module")
def weights():
    """Not trained, but with what training gives: outputs that differ between pictures."""
    from reco_plugin.encoders import network
    from reco_plugin.encoders.torches import torch
    from reco_plugin.encoders.weights import Block, Weights

    torch.manual_seed(3)
    blocks = (Block(name="category", size=12, share=0.7), Block(name="colour", size=4, share=0.3))
    made = network.Network("student", stem="small", blocks=blocks)
    return Weights(
        architecture="student",
        size=SIZE,
        stem="small",
        arrays=network.arrays_of(made),
        blocks=blocks,
    )


@pytest.fixture(scope="module")
def pictures():
    """Of eight colours, with a little noise."""
    random = np.random.default_rng(5)
    colours = random.integers(30, 220, (8, 1, 1, 3))
    noise = random.integers(-25, 25, (96, SIZE, SIZE, 3))
    return (np.repeat(colours, 12, axis=0) + noise).clip(0, 255).astype(np.uint8)


LABELS = np.repeat(np.arange(8, dtype=np.int32), 12)


def test_it_sees_nearly_the_same_and_says_it_is_another(tmp_path, weights, pictures, caplog):
    with caplog.at_level(logging.WARNING):
        digest = quantising.quantise(weights, tmp_path / "small.onnx", pictures)
    assert not caplog.records
    onnx.export(weights, tmp_path / "plain.onnx")
    small = onnx.OnnxEncoder(tmp_path / "small.onnx", digest)
    plain = onnx.OnnxEncoder(tmp_path / "plain.onnx")
    cosines = (small.encode(pictures) * plain.encode(pictures)).sum(axis=1)
    assert cosines.min() > 0.98
    assert small.fingerprint != plain.fingerprint
    assert (small.size, small.dimension) == (plain.size, plain.dimension)
    sizes = [(tmp_path / name).stat().st_size for name in ("small.onnx", "plain.onnx")]
    assert sizes[0] < 0.4 * sizes[1]


def test_the_same_again_has_the_same_fingerprint(tmp_path, weights, pictures):
    digests = {
        quantising.quantise(weights, tmp_path / f"{turn}.onnx", pictures[:32]) for turn in range(2)
    }
    assert len(digests) == 1


def test_without_pictures_nothing_is_learnt(tmp_path, weights, pictures):
    with pytest.raises(ValueError, match="needs pictures"):
        quantising.quantise(weights, tmp_path / "small.onnx", pictures[:0])
    assert not list(tmp_path.iterdir())


def test_what_is_faster_and_finds_as_well_is_kept(tmp_path, weights, pictures, monkeypatch):
    monkeypatch.setattr(choosing, "GAIN", 0.0)
    labels = {"colour": LABELS}
    choice = choosing.choose(weights, tmp_path / "encoder-7.onnx", pictures, labels)
    assert choice.best == "int8"
    assert {file.name for file in choice.files.values()} == {
        "encoder-7.onnx",
        "encoder-7.int8.onnx",
    }
    assert choice.files["fp32"].fingerprint == weights.fingerprint
    assert choice.figures["int8.precision"] >= 0.98 * choice.figures["fp32.precision"] > 0.5
    assert choice.as_json()["files"]["int8"]["sha256"] == choice.files["int8"].sha256
    for file in choice.files.values():
        assert onnx.OnnxEncoder(tmp_path / file.name, file.sha256).fingerprint == file.fingerprint


@pytest.mark.parametrize(("name", "value"), [("GAIN", 1e9), ("LOSS", -1.0)])
def test_what_is_not_worth_it_is_not_kept(tmp_path, weights, pictures, monkeypatch, name, value):
    monkeypatch.setattr(choosing, name, value)
    choice = choosing.choose(weights, tmp_path / "encoder-7.onnx", pictures, {"colour": LABELS})
    assert choice.best == "fp32"
    assert [path.name for path in tmp_path.iterdir()] == ["encoder-7.onnx"]
    assert "as it is" in choice.words


def test_of_a_few_pictures_nothing_is_said(tmp_path, weights, pictures):
    choice = choosing.choose(weights, tmp_path / "encoder-7.onnx", pictures[:10])
    assert choice.best == "fp32"
    assert choice.figures == {}
    assert "too few" in choice.words


def test_precision_without_labels_is_the_share_of_the_same_neighbours():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(60, 8)).astype(np.float32)
    assert choosing.precision(vectors, vectors, {}) == 1.0
    other = random.normal(size=(60, 8)).astype(np.float32)
    assert choosing.precision(other, vectors, {}) < 0.5
