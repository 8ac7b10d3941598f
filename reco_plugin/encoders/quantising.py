"""Eight bits instead of thirty-two: a network for processors, calibrated on the catalogue's own pictures.

Static quantisation with QDQ nodes (Jacob et al. 2017, arXiv 1712.05877): weights per channel, activations by
the range that calibration pictures show. What is quantised looks a little different at everything, so its
file has a fingerprint of its own: its vectors are never mixed with those of the network it was made from.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reco_plugin.encoders import onnx, onnx_graph
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.weights import Weights

OPERATORS = ("Conv", "MaxPool")
"""What is quantised of a ResNet: nearly all of the work. Sums, the mean and the projection in whole numbers
gain nothing, and cost four times the error."""
CALIBRATION = 512
"""Pictures of the catalogue that show the ranges; more change nothing."""
CHUNK = 32
READY = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""What its preparation of graphs would do (fold normalisation, name shapes) is done; else it says so again
and again, to the root logger."""


def quantise(weights: Weights, path: str | Path, pictures: Pixels) -> str:
    """Write `weights` in eight bits to `path`, whole or not at all; returns its SHA-256.

    `pictures`, uint8 (n, size, size, 3), are a sample of what will be looked at: CALIBRATION are enough.
    Raises EncoderUnavailable without onnx and onnxruntime, ValueError without pictures.
    """
    if not len(pictures):
        raise ValueError("Quantising needs pictures to learn the ranges from.")
    quantization = onnx.runtime("onnxruntime.quantization")
    with tempfile.TemporaryDirectory(prefix="quantise-") as name:
        plain, small = Path(name) / "plain.onnx", Path(name) / "small.onnx"
        plain.write_bytes(onnx_graph.retold(onnx_graph.model(weights), READY))
        quantization.quantize_static(
            str(plain),
            str(small),
            _reader(pictures[:CALIBRATION]),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            nodes_to_exclude=_left_alone(plain),
        )
        model = small.read_bytes()
    return onnx.write(path, _signed(model, weights))


def _reader(pictures: Pixels) -> Any:
    chunks: Iterator[Pixels] = (
        np.ascontiguousarray(pictures[at : at + CHUNK]) for at in range(0, len(pictures), CHUNK)
    )

    class Reader:
        """What onnxruntime asks for batch after batch."""

        def get_next(self) -> dict[str, Pixels] | None:
            found = next(chunks, None)
            return None if found is None else {onnx_graph.INPUT: found}

    return Reader()


def _left_alone(path: Path) -> list[str]:
    """Preparing pixels is not quantised: it is cheap, and everything rests on it."""
    return onnx_graph.preparing(path.read_bytes())


def _signed(model: bytes, weights: Weights) -> bytes:
    told = onnx_graph.told(weights)
    digest = hashlib.sha256(json.dumps([told["fingerprint"], "int8"]).encode())
    digest.update(model)
    told["fingerprint"] = digest.hexdigest()
    return onnx_graph.retold(model, {onnx_graph.META: json.dumps(told)})
