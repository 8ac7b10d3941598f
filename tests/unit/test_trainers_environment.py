"""What a training process is given: no secrets, and what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reco_plugin.exceptions import TrainingFailed
from reco_plugin.testing.trainers import small_dataset
from reco_plugin.trainers import process, registry

TRAINER = """
import os
import numpy as np
from reco_plugin.trainers.base import Learnt

class Spy:
    name = "spy"
    def __init__(self, config=None): pass
    def fit(self, dataset, *, seed, threads, progress=None):
        n, m = dataset.interactions.shape
        zeros = lambda *shape: np.zeros(shape, np.float32)
        return Learnt(item_vectors=zeros(m, 2), item_biases=zeros(m), shopper_vectors=zeros(n, 2),
            feature_vectors=zeros(0, 2), feature_biases=zeros(0), epochs=1,
            notes=tuple(f"{name}={value}" for name, value in os.environ.items()))
"""


def test_a_training_process_gets_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spying.py").write_text(TRAINER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spying", raising=False)
    secrets = {
        "DATABASE_URL": "postgresql://shop:hush@db/shop",
        "SECRET_KEY": "hush",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "PGPASSWORD": "hush",
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("OMP_PROC_BIND", "false")
    learnt = process.run("spying.Spy", None, small_dataset([[1, 0], [0, 1]]), threads=2)
    given = dict(note.split("=", 1) for note in learnt.notes)
    assert not set(secrets) & set(given)
    assert "hush" not in "".join(given.values())
    assert given["LC_ALL"] == "C.UTF-8"
    assert given["OMP_PROC_BIND"] == "false"
    assert given["OMP_NUM_THREADS"] == "2"
    assert "PATH" in given


def test_a_missing_lightfm_is_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(TrainingFailed) as caught:
        process.run("lightfm", {}, small_dataset([[1, 0], [0, 1]]), folder=tmp_path / "place")
    assert str(caught.value) == (
        "lightfm is not installed. Run: python -m pip install 'django-reco-plugin[lightfm]'"
    )
    assert not hasattr(caught.value, "__notes__")
    assert not (tmp_path / "place").exists()
