"""A shop in which photos can be searched with: a live visual run, and an encoder of the colours of a photo."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import looksshop as looks
import numpy as np
import servingshop as ss

from reco_plugin.models import Run, RunStatus, VectorBlock
from reco_plugin.serving import photo_encoder, pointers

ENCODERS = """
import os, time
import numpy as np

class Colours:
    '''Red and green as two numbers, three that are 0. What it does besides stands in its file.'''
    size, dimension, fingerprint = 16, 5, "f" * 64

    def __init__(self, path, sha256, threads):
        self.word, self.calls = path.read_text(), 0
        assert sha256, "a checksum is asked for"
        assert threads == 1

    def encode(self, pictures):
        self.calls += 1
        if self.calls > 1 and self.word == "late":
            time.sleep(60)
        if self.calls > 1 and self.word == "dies":
            os._exit(4)
        means = pictures.reshape(len(pictures), -1, 3).mean(axis=1)
        found = np.zeros((len(pictures), 5), np.float32)
        found[:, :2] = means[:, :2] + 1e-3
        return found / np.linalg.norm(found, axis=1, keepdims=True)
"""


def encoders(folder: Path) -> Path:
    """A folder of artefacts from which an encoder can be had that needs no extra but Pillow."""
    (folder / "odd_colours.py").write_text(ENCODERS)
    return folder


@contextlib.contextmanager
def search_by_photo(folder: Path, settings, monkeypatch) -> Iterator[None]:
    """Switched on, with the encoders of `folder`, which stay from test to test."""
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(photo_encoder, "ENCODER", "odd_colours.Colours")
    settings.RECO_ARTEFACT_DIR = str(folder)
    settings.RECO_PHOTO_SEARCH = True
    settings.RECO_PHOTO_TIMEOUT_MS = 20_000  # machines that run tests are busy
    settings.RECO_STATEMENT_TIMEOUT_MS = 5_000
    pointers.forget()
    photo_encoder.forget_runs()
    yield
    photo_encoder.forget_runs()
    pointers.forget()


def encoder_run(folder, word: str = "plain") -> Run:
    """A run of kind 'encoder' as fine_tune leaves it, its file in `folder`."""
    run = Run.objects.create(
        kind="encoder",
        trainer="resnet18",
        status=RunStatus.PUBLISHED,
        dataset={"fingerprint": "f" * 64},
    )
    name = f"{word}.onnx"
    (folder / name).write_text(word)
    digest = hashlib.sha256(word.encode()).hexdigest()
    file = {"name": name, "sha256": digest, "fingerprint": "f" * 64}
    run.artefact = f"encoder-{run.pk}.npz"
    run.config = {"onnx": {"files": {"fp32": file}, "best": "fp32"}}
    run.save()
    ss.activate(run)
    return run


def publish(shop: ss.Shop, encoder: Run, angles=None, *, whitened: bool = False) -> Run:
    """The visual run of `encoder`: product 0 is red, the last one green, the others between."""
    count = len(shop.products)
    found = angles or {number: np.pi / 2 * number / (count - 1) for number in range(count)}
    run = looks.publish(shop, found)
    run.config = {"encoder": encoder.pk, "fingerprint": "f" * 64, "dimension": 5}
    run.save()
    if whitened:  # green for red
        numbers = np.vstack([np.zeros(5), np.eye(5)[[1, 0, 2, 3, 4]]]).astype("<f4")
        VectorBlock.objects.create(
            run=run, space="whitening", keys=list(numbers.shape), vectors=numbers.tobytes()
        )
    return run


def photo(red: int, green: int, *, kind: str = "PNG", size=(40, 40)) -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", size, (red, green, 30)).save(held, kind)
    return held.getvalue()
