"""A built-in network is taught, written down and judged, as its process does it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from reco_plugin.encoders import packing, registry, teaching, torches
from reco_plugin.encoders.packing import Lesson
from reco_plugin.encoders.teaching import Task
from reco_plugin.encoders.weights import load
from reco_plugin.exceptions import NotEnoughData

TINY = {
    "architecture": "student",
    "size": 32,
    "first_size": 32,
    "epochs": 1,
    "validate_every": 1,
    "batch": 16,
    "flip": False,
}
needs_torch = pytest.mark.skipif(not torches.is_installed(), reason="the extra `images`")


@pytest.fixture
def task(tmp_path):
    """Sixty pictures of two colours, packed."""
    random = np.random.default_rng(0)
    codes = (np.arange(60) % 2).astype(np.int32)
    pictures = packing.new_pictures(tmp_path / teaching.PICTURES, 60, 40)
    pictures[:] = random.integers(0, 60, pictures.shape) + 150 * codes[:, None, None, None]
    pictures.flush()
    lesson = Lesson(
        pictures=pictures,
        labels={"shade": codes},
        products=np.arange(60, dtype=np.int32),
        pairs=np.zeros((0, 2), np.int32),
        classes={"shade": ("dark", "light")},
    )
    digest = packing.save_lesson(tmp_path / teaching.LESSON, lesson)
    told = {"encoder": "resnet18", "place": str(tmp_path), "name": "encoder-1", "config": TINY}
    return Task(**told, sha256=digest, start="none", device="cpu")


def taught(task):
    voice = SimpleNamespace(progress=lambda *told: None)
    return teaching.train(None, {"task": vars(task), "memory_mb": 0}, voice)


@needs_torch
def test_what_is_taught_is_written_down_and_judged(task, tmp_path):
    told = taught(task)
    weights = load(tmp_path / "encoder-1.npz", told["sha256"])
    assert weights.fingerprint == told["fingerprint"]
    assert (weights.size, weights.classes) == (32, {"shade": ("dark", "light")})
    assert told["judged"]["learnt"]["score"] > 0.5
    assert told["metrics"]["start score"] > 0
    opened = registry.kind("resnet18").open(
        tmp_path / "encoder-1.npz", told["sha256"], device="cpu", threads=1
    )
    assert opened.encode(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, weights.dimension)


@needs_torch
def test_one_that_is_live_is_judged_beside_it_and_gone_on_from(task, tmp_path):
    first = taught(task)
    path = tmp_path / "live.npz"
    path.write_bytes((tmp_path / "encoder-1.npz").read_bytes())
    again = Task(**{**vars(task), "live": (str(path), first["sha256"]), "goes_on": True, "seed": 1})
    told = taught(again)
    assert set(told["judged"]) == {"learnt", "live"}
    assert told["notes"][0] == "It goes on from the encoder that is live."


@needs_torch
def test_with_nothing_to_teach_and_nothing_to_start_from_it_is_said(task):
    with pytest.raises(NotEnoughData, match=r"Nothing is known\. And there are no weights"):
        taught(Task(**{**vars(task), "why_not": "Nothing is known."}))


def test_pictures_are_packed_a_quarter_larger_than_they_are_looked_at():
    assert registry.kind("resnet18").size({"size": 64}) == 80
    with pytest.raises(ValueError, match="no hyper-parameter 'sise'"):
        registry.kind("resnet18").size({"sise": 64})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet19", "Did you mean 'resnet1"),
        ("nowhere.at.All", "no module 'nowhere'"),
        ("json.loads", "is no reco_plugin.encoders.registry.Kind"),
        ("fakeencoder.Looking", "cannot be made without arguments"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_in_words(name, said):
    with pytest.raises(ValueError, match=said):
        registry.kind(name)


def test_without_torch_an_encoder_says_what_to_install(monkeypatch):
    monkeypatch.setattr(torches, "is_installed", lambda: False)
    assert "pip install 'django-reco-plugin[images]'" in registry.kind("resnet18").why_not()
