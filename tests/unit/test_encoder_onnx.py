"""Weights as an ONNX file: the same vectors as on torch, from a file that is checked before it is used."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from reco_plugin.encoders import onnx, onnx_graph
from reco_plugin.encoders.weights import Block, Weights
from reco_plugin.exceptions import EncoderUnavailable

pytest.importorskip("onnx", reason="the extra `images` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `images` is not installed")
pytest.importorskip("torchvision", reason="the extra `images` is not installed")

SIZE = 32
BLOCKS = (Block(name="category", size=12, share=0.7), Block(name="colour", size=4, share=0.3))


def weights(architecture="student", stem="small", *, blocks=BLOCKS, flip=False, seed=0) -> Weights:
    """Random, with statistics that no layer can ignore."""
    from reco_plugin.encoders import network
    from reco_plugin.encoders.torches import torch

    torch.manual_seed(seed)
    made = network.Network(architecture, stem=stem, blocks=blocks)
    random = np.random.default_rng(seed)
    arrays = network.arrays_of(made)
    for name, values in arrays.items():
        if "bn" in name or "downsample.1" in name:
            low, high = (0.5, 1.5) if name.endswith(("weight", "var")) else (-0.3, 0.3)
            if values.dtype == np.float32:
                arrays[name] = random.uniform(low, high, values.shape).astype(np.float32)
    return Weights(
        architecture=architecture, size=SIZE, stem=stem, arrays=arrays, blocks=blocks, flip=flip
    )


def pictures(count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def on_torch(given, of):
    from reco_plugin.encoders.resnet import ResNetEncoder

    return ResNetEncoder(given, device="cpu").encode(of)


@pytest.mark.parametrize(
    ("architecture", "stem"),
    [("student", "small"), ("student", "imagenet"), ("resnet18", "small"), ("resnet50", "small")],
)
def test_it_sees_what_torch_sees(tmp_path, architecture, stem):
    given = weights(architecture, stem)
    digest = onnx.export(given, tmp_path / "it.onnx")
    encoder = onnx.OnnxEncoder(tmp_path / "it.onnx", digest)
    found = encoder.encode(pictures())
    assert np.allclose(found, on_torch(given, pictures()), atol=2e-5)
    assert (encoder.size, encoder.dimension) == (SIZE, 16)
    assert encoder.fingerprint == given.fingerprint


@pytest.mark.parametrize("blocks", [(), BLOCKS])
@pytest.mark.parametrize("flip", [False, True])
def test_with_and_without_projection_and_mirror(tmp_path, blocks, flip):
    given = weights(blocks=blocks, flip=flip)
    onnx.export(given, tmp_path / "it.onnx")
    found = onnx.OnnxEncoder(tmp_path / "it.onnx").encode(pictures())
    assert found.shape == (4, given.dimension)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found, on_torch(given, pictures()), atol=2e-5)


def test_a_picture_is_seen_alike_alone_and_among_many(tmp_path):
    onnx.export(weights(), tmp_path / "it.onnx")
    encoder = onnx.OnnxEncoder(tmp_path / "it.onnx")
    many = pictures(onnx.BATCH + 3)
    together = encoder.encode(many)
    assert np.allclose(encoder.encode(many[-1:]), together[-1:], atol=1e-5)
    assert encoder.encode(many[:0]).shape == (0, 16)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, SIZE, SIZE, 3), np.float32)]
)
def test_other_pictures_than_it_was_made_for(tmp_path, wrong):
    onnx.export(weights(), tmp_path / "it.onnx")
    with pytest.raises(ValueError, match=r"uint8 \(n, 32, 32, 3\)"):
        onnx.OnnxEncoder(tmp_path / "it.onnx").encode(wrong)


def test_arrays_of_another_network(tmp_path):
    given = weights()
    arrays = {name: value for name, value in given.arrays.items() if name != "body.bn1.weight"}
    broken = Weights(architecture="student", size=SIZE, stem="small", arrays=arrays, blocks=BLOCKS)
    with pytest.raises(EncoderUnavailable, match=r"body\.bn1\.weight"):
        onnx.export(broken, tmp_path / "it.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_changed_is_not_loaded(tmp_path):
    path = tmp_path / "it.onnx"
    digest = onnx.export(weights(), path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(EncoderUnavailable, match="checksum"):
        onnx.OnnxEncoder(path, digest)
    with pytest.raises(EncoderUnavailable, match="no usable ONNX file"):
        onnx.OnnxEncoder(path)


def test_a_file_of_somebody_elses_network_is_not_loaded(tmp_path):
    path = tmp_path / "it.onnx"
    path.write_bytes(onnx_graph.retold(onnx_graph.model(weights()), {"author": "somebody"}))
    with pytest.raises(EncoderUnavailable, match="not written as one"):
        onnx.OnnxEncoder(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(EncoderUnavailable, match=r"nowhere\.onnx cannot be read"):
        onnx.OnnxEncoder(tmp_path / "nowhere.onnx")


def test_folding_is_exact_up_to_rounding():
    given = weights()
    weight, bias = onnx_graph.folded(given.arrays, "body.conv1", "body.bn1")
    assert weight.dtype == bias.dtype == np.float32
    assert weight.shape == given.arrays["body.conv1.weight"].shape
    factor = given.arrays["body.bn1.weight"] / np.sqrt(
        given.arrays["body.bn1.running_var"] + onnx_graph.EPSILON
    )
    assert np.allclose(weight[3], given.arrays["body.conv1.weight"][3] * factor[3], atol=1e-6)


def test_a_process_answers_with_it_as_it_would_itself(tmp_path):
    """From the bytes of a photo to a vector: the line that a search by photo takes."""
    import io

    from PIL import Image

    from reco_plugin.encoders.base import Limits
    from reco_plugin.encoders.decoding import decode
    from reco_plugin.encoders.service import EncoderService, Job

    digest = onnx.export(weights(), tmp_path / "it.onnx")
    held = io.BytesIO()
    Image.fromarray(pictures(1)[0]).resize((90, 60)).save(held, "JPEG")
    service = EncoderService(Job(path=tmp_path / "it.onnx", sha256=digest))
    try:
        found = service.ask(held.getvalue(), 30)
        pixels = decode(held.getvalue(), Limits(), SIZE)
        own = onnx.OnnxEncoder(tmp_path / "it.onnx").encode(pixels[None])[0]
        assert np.allclose(found, own, atol=1e-5)
    finally:
        service.end()
    changed = EncoderService(Job(path=tmp_path / "it.onnx", sha256="0" * 64))
    with pytest.raises(EncoderUnavailable, match="checksum"):
        changed.ask(held.getvalue(), 30)


def test_an_encoder_leaves_the_arithmetic_of_its_thread_alone(tmp_path):
    """The runtime's 'denormals are zero' is a switch of the whole thread, for whatever it computes later."""
    tiny = np.float32(1e-39)
    onnx.export(weights(), tmp_path / "a.onnx")
    made = onnx.OnnxEncoder(tmp_path / "a.onnx")
    made.encode(np.zeros((1, made.size, made.size, 3), np.uint8))
    assert tiny * np.float32(0.5) > 0
