from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from reco_plugin.encoders import torches
from reco_plugin.exceptions import EncoderUnavailable

MISSING = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from reco_plugin.encoders import judging, recipe, sampling, torches, weights
from reco_plugin.exceptions import EncoderUnavailable
try:
    from reco_plugin.encoders import training
except EncoderUnavailable as error:
    print(error)
"""
ASKED = """
import sys
from reco_plugin.encoders import torches, weights, recipe, sampling, judging
torches.is_installed()
print(sorted({"torch", "torchvision", "django"} & set(sys.modules)))
"""


def said(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_without_torch_it_is_said_what_to_install():
    assert "pip install django-reco-plugin[images]" in said(MISSING)


def test_asking_whether_torch_is_there_imports_nothing():
    assert said(ASKED) == "[]"


def test_torch_is_there_or_not(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not torches.is_installed()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert torches.is_installed()


def test_there_is_nothing_else_in_it():
    with pytest.raises(AttributeError, match="no attribute 'tensorflow'"):
        torches.tensorflow  # noqa: B018


class TestWithTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        pytest.importorskip("torchvision")
        return pytest.importorskip("torch")

    def test_devices_by_name(self, torch, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torches, "_has_mps", lambda torch: False)
        assert torches.device_of("auto").type == torches.device_of("cpu").type == "cpu"
        with pytest.raises(EncoderUnavailable, match="RECO_ENCODER_DEVICE"):
            torches.device_of("cuda")
        with pytest.raises(ValueError, match="must be one of auto, cpu"):
            torches.device_of("gpu")

    def test_a_gpu_is_taken_where_there_is_one(self, torch, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert torches.device_of("auto").type == "cuda"

    @pytest.mark.parametrize(("pays", "kind"), [(True, "bfloat16"), (False, "float32")])
    def test_halves_are_used_where_they_pay(self, torch, monkeypatch, pays, kind):
        monkeypatch.setattr(torches, "_multiplies_halves", lambda torch: pays)
        with torches.mixed(torch.device("cpu"), "auto"):
            made = torch.ones(2, 2) @ torch.ones(2, 2)
        assert str(made.dtype) == f"torch.{kind}"

    def test_threads_are_set(self, torch):
        before = torch.get_num_threads()
        try:
            torches.threads(1)
            assert torch.get_num_threads() == 1
            torches.threads(0)
            assert torch.get_num_threads() == 1
        finally:
            torch.set_num_threads(before)
