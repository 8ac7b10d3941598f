from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torchvision")

from reco_plugin.encoders import network, weights
from reco_plugin.encoders.network import Network
from reco_plugin.encoders.resnet import ResNetEncoder, prepared
from reco_plugin.encoders.torches import models, torch
from reco_plugin.encoders.weights import Block, Weights
from reco_plugin.exceptions import EncoderUnavailable

BLOCKS = (Block(name="kind", size=6, share=0.7), Block(name="hue", size=4, share=0.3))
CLASSES = {"kind": ("a", "b", "c"), "hue": ("red", "blue")}


def made(architecture: str = "student", *, stem: str = "imagenet", seed: int = 0) -> Weights:
    torch.manual_seed(seed)
    heads = {name: len(values) for name, values in CLASSES.items()}
    net = Network(architecture, stem=stem, blocks=BLOCKS, heads=heads)
    return Weights(
        architecture=architecture,
        stem=stem,
        size=32,
        blocks=BLOCKS,
        classes=CLASSES,
        arrays=network.arrays_of(net),
    )


@pytest.fixture(scope="module")
def some():
    return made()


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34", "resnet50"])
def test_the_body_has_torchvisions_names_and_gives_what_it_gives(architecture):
    theirs = getattr(models, architecture)(weights=None).eval()
    own = network.Body(architecture).eval()
    state = {
        name: value for name, value in theirs.state_dict().items() if not name.startswith("fc.")
    }
    own.load_state_dict(state)
    theirs.fc = torch.nn.Identity()
    some = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(own(some), theirs(some), atol=1e-4)
    assert own.features == weights.features(architecture)


@pytest.mark.parametrize("architecture", ["student", "resnet10"])
@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_small_networks_have_the_features_they_are_said_to_have(architecture, stem):
    assert network.Body(architecture, stem).features == weights.features(architecture)


def test_embeddings_are_unit_rows_weighed_by_share(some, pictures):
    encoder = ResNetEncoder(some, device="cpu")
    rows = encoder.encode(pictures)
    assert rows.dtype == np.float32
    assert rows.shape == (5, encoder.dimension) == (5, 10)
    assert np.allclose((rows[:, :6] ** 2).sum(axis=1), 0.7, atol=1e-5)
    assert np.allclose((rows**2).sum(axis=1), 1, atol=1e-5)


def test_a_batch_gives_what_one_at_a_time_gives(some, pictures):
    together = ResNetEncoder(some, device="cpu", batch=3).encode(pictures)
    alone = np.vstack([ResNetEncoder(some, device="cpu").encode(pictures[[at]]) for at in range(5)])
    assert np.allclose(together, alone, atol=1e-5)


def test_the_mirror_image_is_looked_at_too(some, pictures):
    encoder = ResNetEncoder(replace(some, flip=True), device="cpu")
    rows = encoder.encode(pictures)
    assert np.allclose(rows, encoder.encode(pictures[:, :, ::-1]), atol=1e-4)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_pictures_may_be_read_only(some, pictures):
    locked = pictures.copy()
    locked.flags.writeable = False
    rows = ResNetEncoder(some, device="cpu").encode(locked)
    assert np.array_equal(rows, ResNetEncoder(some, device="cpu").encode(pictures))


def test_an_untrained_network_is_begun_as_torchvision_begins_it():
    net = network.untrained("resnet18", "imagenet", 0)
    assert bool((net.body.layer1[0].bn2.weight == 1).all())
    assert not bool(network.Network("resnet18").body.layer1[0].bn2.weight.any())


def test_no_pictures_no_rows(some):
    assert ResNetEncoder(some, device="cpu").encode(np.zeros((0, 32, 32, 3), np.uint8)).shape == (
        0,
        10,
    )


def test_pictures_of_another_size_are_refused(some):
    with pytest.raises(ValueError, match="uint8"):
        ResNetEncoder(some, device="cpu").encode(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        ResNetEncoder(some, device="cpu").encode(np.zeros((1, 32, 32, 3), np.float32))


def test_half_precision_gives_nearly_the_same(some, pictures):
    whole = ResNetEncoder(some, device="cpu").encode(pictures)
    half = ResNetEncoder(some, device="cpu", precision="bfloat16").encode(pictures)
    assert (whole * half).sum(axis=1).min() > 0.99


def test_weights_go_through_a_file_unchanged(some, pictures, tmp_path):
    weights.save(tmp_path / "w.npz", some)
    again = ResNetEncoder(weights.load(tmp_path / "w.npz"), device="cpu")
    first = ResNetEncoder(some, device="cpu")
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.encode(pictures), first.encode(pictures))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "resnet18"}, r"is \(32, 3, 7, 7\), not \(64"),
        ({"blocks": (), "classes": {}}, "does not belong to it"),
        ({"arrays": {}}, "is missing"),
    ],
)
def test_weights_of_another_network_are_refused(some, change, words):
    with pytest.raises(EncoderUnavailable, match=words):
        ResNetEncoder(replace(some, **change), device="cpu")


def test_heads_compare_by_cosine(some, pictures):
    net = network.build(some)
    with torch.no_grad():
        said = net.logits(net.parts(prepared(pictures, some, torch.device("cpu"))))
    assert {name: tuple(value.shape) for name, value in said.items()} == {
        "kind": (5, 3),
        "hue": (5, 2),
    }
    assert all(float(value.abs().max()) <= some.scale + 1e-3 for value in said.values())


def test_without_blocks_the_features_are_the_embedding(pictures):
    net = Network("student")
    bare = Weights(architecture="student", size=32, arrays=network.arrays_of(net))
    rows = ResNetEncoder(bare, device="cpu").encode(pictures)
    assert rows.shape == (5, 256)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
