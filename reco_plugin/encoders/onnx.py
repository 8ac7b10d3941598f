"""Weights as an ONNX file, and the encoder that looks at pictures with one: a request needs no torch.

The one module that imports onnxruntime.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from reco_plugin.encoders import onnx_graph
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.weights import Block, Weights, embedding
from reco_plugin.exceptions import EncoderUnavailable
from reco_plugin.types import Floats

BATCH = 64
"""Pictures that go through the network at once; more cost memory and gain nothing."""


def is_installed() -> bool:
    """Is what reads such files there? Imports nothing."""
    return importlib.util.find_spec("onnxruntime") is not None


def can_export() -> bool:
    """Is what writes such files there? Imports nothing."""
    return importlib.util.find_spec("onnx") is not None


def runtime(name: str = "onnxruntime") -> Any:
    """onnxruntime, or a module of it. Raises EncoderUnavailable where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "onnxruntime":
            raise
        raise EncoderUnavailable(
            "onnxruntime is not installed. Run: pip install django-reco-plugin[images]"
        ) from error


def export(weights: Weights, path: str | Path) -> str:
    """Write `weights` as an ONNX file, whole or not at all; returns its SHA-256.

    Raises EncoderUnavailable without onnx, and for arrays that are not those of their architecture.
    """
    return write(path, onnx_graph.model(weights))


def write(path: str | Path, model: bytes) -> str:
    """Put a file in its place, whole or not at all; returns its SHA-256."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return hashlib.sha256(model).hexdigest()


class OnnxEncoder:
    """The `Encoder` of an ONNX file that `export` or `quantising.quantise` wrote, on the CPU.

    Raises EncoderUnavailable when onnxruntime is not installed, and when the file is missing, corrupt,
    none of ours, or does not match `sha256` (which is not checked when it is '').
    """

    def __init__(self, path: str | Path, sha256: str = "", *, threads: int = 1) -> None:
        model = _read(Path(path), sha256)
        ort = runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = max(threads, 1)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            told = _told(self._session)
            self.size, self.dimension = int(told["size"]), int(told["dimension"])
            self.fingerprint = str(told["fingerprint"])
            self._flip = bool(told["flip"])
            self._blocks = tuple(
                Block(name=name, size=size, share=share) for name, size, share in told["blocks"]
            )
        except Exception as error:
            raise EncoderUnavailable(
                f"{path} is no usable ONNX file of an encoder: {str(error) or type(error).__name__}"
            ) from error

    def encode(self, pictures: Pixels) -> Floats:
        """(n, size, size, 3) in, (n, dimension) out, each row of length 1. Raises ValueError for another shape."""
        if pictures.shape[1:] != (self.size, self.size, 3) or pictures.dtype != np.uint8:
            raise ValueError(
                f"Pictures are uint8 (n, {self.size}, {self.size}, 3), not {pictures.dtype} {pictures.shape}."
            )
        made = np.empty((len(pictures), self.dimension), np.float32)
        for at in range(0, len(pictures), BATCH):
            made[at : at + BATCH] = self._batch(pictures[at : at + BATCH])
        return made

    def _batch(self, pictures: Pixels) -> Floats:
        rows = self._rows(pictures)
        if not self._flip:
            return rows
        both = rows + self._rows(pictures[:, :, ::-1])
        mean: Floats = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)
        return mean

    def _rows(self, pictures: Pixels) -> Floats:
        given = {onnx_graph.INPUT: np.ascontiguousarray(pictures)}
        (raw,) = self._session.run([onnx_graph.OUTPUT], given)
        return embedding(raw, self._blocks)


def _told(session: Any) -> dict[str, Any]:
    props = session.get_modelmeta().custom_metadata_map
    if onnx_graph.META not in props:
        raise ValueError("it was not written as one")
    told: dict[str, Any] = json.loads(props[onnx_graph.META])
    return told


def _read(path: Path, sha256: str) -> bytes:
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EncoderUnavailable(f"{path} cannot be read: {error.strerror or error}.") from error
    if sha256 and hashlib.sha256(model).hexdigest() != sha256:
        raise EncoderUnavailable(
            f"{path} does not match its checksum ({sha256[:12]}…): it was changed or cut short. "
            "Run the job fine_tune to write a new one."
        )
    return model
