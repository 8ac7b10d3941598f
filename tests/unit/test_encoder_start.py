from __future__ import annotations

import hashlib
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

pytest.importorskip("torchvision")

from reco_plugin.encoders import network, start, weights
from reco_plugin.encoders.network import Network
from reco_plugin.encoders.torches import models, torch
from reco_plugin.encoders.weights import Weights
from reco_plugin.exceptions import EncoderUnavailable


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return models.resnet18(weights=None).state_dict()


class Best:
    """As torchvision's enumerations of weights are used."""

    name = "IMAGENET1K_V1"

    def __init__(self, state):
        self.state, self.told = state, {}

    def get_state_dict(self, **told):
        self.told = told
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


@pytest.fixture
def offer(monkeypatch):
    def put(state):
        best = Best(state)
        kinds = {"resnet18": SimpleNamespace(DEFAULT=best)}
        monkeypatch.setattr(models, "get_model_weights", lambda name: kinds[name])
        return best

    return put


def test_torchvisions_weights_are_taken_with_their_hash_checked(offer, published):
    best = offer(published)
    found, words = start.start("resnet18", "auto")
    assert best.told == {"progress": False, "check_hash": True}
    assert "torchvision's resnet18 (IMAGENET1K_V1)" in words
    assert found is not None
    assert (found.dimension, found.size, found.blocks) == (512, 224, ())
    assert np.array_equal(found.arrays["body.conv1.weight"], published["conv1.weight"].numpy())
    assert not any(name.startswith("body.fc.") for name in found.arrays)


def test_torchvision_itself_knows_the_networks_by_these_names():
    for name in ("resnet18", "resnet34", "resnet50"):
        best = models.get_model_weights(name).DEFAULT
        assert callable(best.get_state_dict)


@pytest.mark.parametrize(
    "error", [URLError("no network"), RuntimeError("invalid hash value"), OSError("disk full")]
)
def test_without_a_network_it_says_so_and_starts_from_nothing(offer, error):
    offer(error)
    found, words = start.start("resnet18")
    assert found is None
    assert "cannot be had" in words
    assert "learns from the catalogue alone" in words


def test_a_network_that_torchvision_does_not_publish_starts_from_nothing():
    found, words = start.start("student", "auto")
    assert found is None
    assert "publishes no weights of a student" in words


def test_none_is_none():
    assert start.start("resnet18", "none")[0] is None


def test_a_state_dict_is_opened_when_somebody_vouches_for_it(tmp_path, published):
    path = tmp_path / "r18.pth"
    torch.save({f"module.{name}": value for name, value in published.items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found, words = start.start("resnet18", str(path), sha256=digest.upper())
    assert words == "It starts from r18.pth."
    assert found is not None
    assert found.dimension == 512
    with pytest.raises(EncoderUnavailable, match=f"it has {digest}"):
        start.start("resnet18", str(path))
    with pytest.raises(EncoderUnavailable, match="does not have the SHA-256"):
        start.start("resnet18", str(path), sha256="0" * 64)


def vouched(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_corrupt_state_dict_is_refused(tmp_path):
    path = tmp_path / "r18.pth"
    path.write_bytes(b"no state dict")
    with pytest.raises(EncoderUnavailable, match="no usable file of weights"):
        start.start("resnet18", str(path), sha256=vouched(path))


def test_code_in_a_state_dict_is_never_run(tmp_path):
    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    path = tmp_path / "r18.pth"
    torch.save({"conv1.weight": Bad()}, path)
    with pytest.raises(EncoderUnavailable, match="no usable file"):
        start.start("resnet18", str(path), sha256=vouched(path))
    assert not (tmp_path / "run").exists()


def test_a_state_dict_of_another_network_is_refused(tmp_path, published):
    path = tmp_path / "r18.pth"
    torch.save(published, path)
    with pytest.raises(EncoderUnavailable, match="not those of a resnet50"):
        start.start("resnet50", str(path), sha256=vouched(path))


def test_a_file_that_holds_no_state_dict_is_refused(tmp_path):
    path = tmp_path / "r18.pth"
    torch.save([torch.zeros(2)], path)
    with pytest.raises(EncoderUnavailable, match="no state dict but a list"):
        start.start("resnet18", str(path), sha256=vouched(path))


def test_a_file_of_ours_is_taken(tmp_path):
    own = Weights(architecture="student", size=64, arrays=network.arrays_of(Network("student")))
    digest = weights.save(tmp_path / "own.npz", own)
    found, words = start.start("student", str(tmp_path / "own.npz"), sha256=digest)
    assert found is not None
    assert found.fingerprint == own.fingerprint
    assert words == "It starts from own.npz."
    with pytest.raises(EncoderUnavailable, match="holds a student, not a resnet18"):
        start.start("resnet18", str(tmp_path / "own.npz"))
    with pytest.raises(EncoderUnavailable, match="no usable file"):
        start.start("student", str(tmp_path / "own.npz"), sha256="0" * 64)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(EncoderUnavailable, match="There is no file"):
        start.start("resnet18", "/nowhere/r18.pth")
