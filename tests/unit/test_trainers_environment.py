"""What a training process is given: no secrets, no more memory than allowed, and what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.exceptions import TrainingFailed
from reco_plugin.testing.trainers import small_dataset
from reco_plugin.trainers import memory, process, registry

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


def test_r14_a_training_that_cannot_fit_is_refused_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: True)
    dataset = small_dataset(np.ones((300, 400)))
    need = memory.of_dataset(dataset, {"dimensions": 64})
    assert need > 1
    with pytest.raises(TrainingFailed, match=r"takes about \d+ MiB") as caught:
        process.run("lightfm", {"dimensions": 64}, dataset, memory_mb=1, folder=tmp_path / "place")
    assert "RECO_TRAIN_MEMORY_MB" in str(caught.value)
    assert not (tmp_path / "place").exists()
    memory.demand(dataset, {}, 0)
    memory.demand(dataset, {}, need)


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**8), st.integers(1, 1_024))
def test_more_of_anything_never_takes_less(
    shoppers: int, items: int, pairs: int, dimensions: int
) -> None:
    def need(more: int = 0, wider: int = 0) -> int:
        return memory.estimated_mib(
            shoppers=shoppers + more,
            items=items + more,
            pairs=pairs + more,
            features=more,
            dimensions=dimensions + wider,
        )

    assert 0 <= need() <= need(more=1_000) <= need(more=1_000, wider=8)


def test_r14_the_estimate_of_a_million_shoppers() -> None:
    """A million shoppers and a million products with 64 dimensions: some gigabytes, not some hundreds."""
    need = memory.estimated_mib(
        shoppers=1_000_000, items=1_000_000, pairs=20_000_000, features=12_000_000, dimensions=64
    )
    assert 3_000 < need < 8_000


def test_what_is_free_is_told_where_the_system_tells() -> None:
    free = memory.free_mib()
    assert free is None or free > 0
