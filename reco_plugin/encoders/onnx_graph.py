"""Weights → an ONNX graph, without torch: a ResNet is a handful of operators.

Batch normalisation is folded into the convolutions before it. The graph takes what a decoder gives, uint8
(n, size, size, 3), and gives what the projection does, float32 (n, dimension); the blocks are made
unit vectors by `weights.embedding`, here as there.

The one module that imports onnx.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reco_plugin.encoders.weights import Weights
from reco_plugin.exceptions import EncoderUnavailable
from reco_plugin.types import Floats

OPSET = 17
IR_VERSION = 9
"""What onnxruntime reads since 1.16."""
EPSILON = 1e-5
"""Of torch's batch normalisation."""
INPUT, OUTPUT, META = "pictures", "raw", "reco_plugin"


def model(weights: Weights) -> bytes:
    """The serialised model; its metadata hold what is needed to look at pictures with it.

    Raises EncoderUnavailable without onnx, and when the arrays are not those of their architecture.
    """
    onnx = _onnx()
    graph = _Graph(onnx.helper, onnx.numpy_helper, weights.arrays)
    try:
        graph.build(weights)
    except KeyError as error:
        raise EncoderUnavailable(
            f"The weights are not those of a {weights.architecture}: {error} is missing."
        ) from error
    made = onnx.helper.make_model(
        graph.made(weights),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=META,
    )
    onnx.helper.set_model_props(made, {META: json.dumps(told(weights))})
    onnx.checker.check_model(made, full_check=True)
    packed: bytes = made.SerializeToString()
    return packed


def preparing(model: bytes) -> list[str]:
    """Names of the nodes that turn pixels into what the first convolution takes."""
    nodes = _onnx().load_from_string(model).graph.node
    first = next(at for at, node in enumerate(nodes) if node.op_type == "Conv")
    return [node.name for node in nodes[:first]]


def retold(model: bytes, said: Mapping[str, str]) -> bytes:
    """The same model with other metadata."""
    onnx = _onnx()
    made = onnx.load_from_string(model)
    onnx.helper.set_model_props(made, said)
    packed: bytes = made.SerializeToString()
    return packed


def told(weights: Weights) -> dict[str, Any]:
    """What a file says of itself."""
    return {
        "kind": "encoder",
        "size": weights.size,
        "flip": weights.flip,
        "blocks": [[block.name, block.size, block.share] for block in weights.blocks],
        "dimension": weights.dimension,
        "fingerprint": weights.fingerprint,
    }


def _onnx() -> Any:
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "onnx":
            raise
        raise EncoderUnavailable(
            "onnx is not installed. Run: pip install django-reco-plugin[images]"
        ) from error


class _Graph:
    """Nodes and numbers as they are added; each method gives the name of what it makes."""

    def __init__(self, helper: Any, numpy_helper: Any, arrays: Mapping[str, Any]) -> None:
        self._helper, self._numpy, self._arrays = helper, numpy_helper, arrays
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def made(self, weights: Weights) -> Any:
        types = self._helper.np_dtype_to_tensor_dtype
        describe = self._helper.make_tensor_value_info
        side = weights.size
        given = describe(INPUT, types(np.dtype(np.uint8)), ["n", side, side, 3])
        wanted = describe(OUTPUT, types(np.dtype(np.float32)), ["n", weights.dimension])
        return self._helper.make_graph(
            self._nodes, "encoder", [given], [wanted], initializer=self._constants
        )

    def build(self, weights: Weights) -> None:
        found = self._prepared(weights)
        wide = weights.stem == "imagenet"
        found = self._conv(found, "body.conv1", "body.bn1", 2, 3 if wide else 1, relu=True)
        if wide:
            found = self._node(
                "MaxPool", [found], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
            )
        for name, stride in self._residuals():
            found = self._residual(found, name, stride)
        found = self._node("Flatten", [self._node("GlobalAveragePool", [found])], axis=1)
        self._projected(found, bool(weights.blocks))

    def _prepared(self, weights: Weights) -> str:
        """(pixel / 255 - mean) / std, channels first."""
        mean, std = (
            np.asarray(each, np.float32)[:, None, None] for each in (weights.mean, weights.std)
        )
        found = self._node("Cast", [INPUT], to=1)
        found = self._node("Transpose", [found], perm=[0, 3, 1, 2])
        found = self._node("Mul", [found, self._constant("prepare.scale", 1 / (255 * std))])
        return self._node("Add", [found, self._constant("prepare.shift", -mean / std)])

    def _residuals(self) -> Iterator[tuple[str, int]]:
        """The blocks there are, and their strides."""
        for stage in range(1, 5):
            at = 0
            while f"body.layer{stage}.{at}.conv1.weight" in self._arrays:
                yield f"body.layer{stage}.{at}", 2 if stage > 1 and at == 0 else 1
                at += 1

    def _residual(self, given: str, name: str, stride: int) -> str:
        """A basic block of two convolutions, or a bottleneck of three: the first 3x3 one has the stride."""
        last = 3 if f"{name}.conv3.weight" in self._arrays else 2
        found = given
        for at in range(1, last + 1):
            side = self._arrays[f"{name}.conv{at}.weight"].shape[2]
            own = stride if at == last - 1 else 1
            parts = (f"{name}.conv{at}", f"{name}.bn{at}")
            found = self._conv(found, *parts, own, side // 2, relu=at < last)
        down = f"{name}.downsample"
        if f"{down}.0.weight" in self._arrays:
            given = self._conv(given, f"{down}.0", f"{down}.1", stride, 0, relu=False)
        return self._node("Relu", [self._node("Add", [found, given])])

    def _conv(self, given: str, conv: str, norm: str, stride: int, pad: int, *, relu: bool) -> str:
        weight, bias = folded(self._arrays, conv, norm)
        inputs = [given, self._constant(f"{conv}.w", weight), self._constant(f"{conv}.b", bias)]
        found = self._node(
            "Conv",
            inputs,
            kernel_shape=list(weight.shape[2:]),
            strides=[stride] * 2,
            pads=[pad] * 4,
        )
        return self._node("Relu", [found]) if relu else found

    def _projected(self, given: str, has_projection: bool) -> None:
        if not has_projection:
            self._node("Identity", [given], output=OUTPUT)
            return
        names = ("project.weight", "project.bias")
        inputs = [self._constant(name, self._arrays[name]) for name in names]
        self._node("Gemm", [given, *inputs], output=OUTPUT, transB=1)

    def _node(self, kind: str, inputs: Sequence[str], *, output: str = "", **how: Any) -> str:
        made = output or f"{kind.lower()}{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, list(inputs), [made], name=made, **how))
        return made

    def _constant(self, name: str, value: Any) -> str:
        array = np.ascontiguousarray(value, np.float32)
        self._constants.append(self._numpy.from_array(array, name))
        return name


def folded(arrays: Mapping[str, Any], conv: str, norm: str) -> tuple[Floats, Floats]:
    """Weight (out, in, h, w) and bias (out,) of a convolution and the batch normalisation behind it."""
    weight = np.asarray(arrays[f"{conv}.weight"], np.float64)
    variance = np.asarray(arrays[f"{norm}.running_var"], np.float64)
    factor = np.asarray(arrays[f"{norm}.weight"], np.float64) / np.sqrt(variance + EPSILON)
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * factor
    made = weight * factor[:, None, None, None]
    return made.astype(np.float32), bias.astype(np.float32)
