"""Which ONNX file a processor should look with: eight bits where those find as well, and faster.

Called at the end of a training, with pictures and labels that it did not learn from where there are any.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reco_plugin.encoders import onnx, quantising
from reco_plugin.encoders.base import Pixels
from reco_plugin.encoders.weights import Weights
from reco_plugin.metrics.retrieval import label_precision, nearest
from reco_plugin.types import Floats, Ints

PLAIN, SMALL = "fp32", "int8"
FEWEST = 64
"""Pictures below which nothing is said of how well a network finds."""
MOST = 1_000
TIMED = 128
LOSS = 0.02
"""Share of its precision that a faster network may lose."""
GAIN = 1.2
"""Times as fast it has to be, for two files to be worth keeping."""
K = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """An ONNX file beside the weights."""

    name: str
    sha256: str
    fingerprint: str
    """Of the encoder it makes. That of the plain file is that of the weights."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The files that were kept."""

    files: Mapping[str, File]
    """'fp32' always, 'int8' where it is worth it."""
    best: str
    """Which of them a processor should use."""
    figures: Mapping[str, float]
    """Pictures in a second and precision@10 of each, as far as they were measured."""
    words: str

    def as_json(self) -> dict[str, Any]:
        """For the row of the run."""
        return asdict(self)


def choose(
    weights: Weights,
    path: str | Path,
    pictures: Pixels,
    labels: Mapping[str, Ints] | None = None,
    *,
    products: Ints | None = None,
    threads: int = 1,
) -> Choice:
    """Write `path` ('….onnx') as it is, and '….int8.onnx' beside it where that is worth it.

    `pictures`, uint8 (n, size, size, 3), calibrate and are compared: one is the query, the others are searched,
    but for those of its own product (`products`, (n,)). Precision is that by `labels`, int32 (n,) by
    attribute, -1 unknown; without them, the share of the plain network's neighbours that are found.
    Raises EncoderUnavailable without onnx and onnxruntime.
    """
    path = Path(path)
    plain = _file(path, onnx.export(weights, path))
    if len(pictures) < FEWEST:
        words = f"Not quantised: {len(pictures)} pictures are too few to say how well it finds."
        return Choice(files={PLAIN: plain}, best=PLAIN, figures={}, words=words)
    other = path.with_suffix(f".{SMALL}.onnx")
    small = _file(other, quantising.quantise(weights, other, pictures))
    sample = slice(0, MOST)
    figures = _compared(
        {PLAIN: path, SMALL: other},
        np.ascontiguousarray(pictures[sample]),
        {name: each[sample] for name, each in (labels or {}).items()},
        None if products is None else products[sample],
        threads,
    )
    speed = figures[f"{SMALL}.speed"] / figures[f"{PLAIN}.speed"]
    share = figures[f"{SMALL}.precision"] / max(figures[f"{PLAIN}.precision"], 1e-9)
    said = f"eight bits are {speed:.2f} times as fast at {share:.3f} of its precision@{K}"
    if speed < GAIN or share < 1 - LOSS:
        other.unlink()
        words = f"Kept as it is: {said}."
        return Choice(files={PLAIN: plain}, best=PLAIN, figures=figures, words=words)
    files = {PLAIN: plain, SMALL: small}
    return Choice(files=files, best=SMALL, figures=figures, words=f"Quantised: {said}.")


def _file(path: Path, sha256: str) -> File:
    fingerprint = onnx.OnnxEncoder(path, sha256).fingerprint
    return File(name=path.name, sha256=sha256, fingerprint=fingerprint)


def _compared(
    paths: Mapping[str, Path],
    pictures: Pixels,
    labels: Mapping[str, Ints],
    products: Ints | None,
    threads: int,
) -> dict[str, float]:
    figures: dict[str, float] = {}
    truth: Floats | None = None
    for name, path in paths.items():
        encoder = onnx.OnnxEncoder(path, threads=threads)
        figures[f"{name}.speed"] = round(speed(encoder, pictures[:TIMED]), 1)
        vectors = encoder.encode(pictures)
        truth = vectors if truth is None else truth
        figures[f"{name}.precision"] = round(precision(vectors, truth, labels, products), 4)
    return figures


def speed(encoder: onnx.OnnxEncoder, pictures: Pixels, rounds: int = 3) -> float:
    """Pictures in a second, in the best of some rounds: others may use the machine too."""
    encoder.encode(pictures[:1])
    return max(_rate(encoder, pictures) for _ in range(rounds))


def _rate(encoder: onnx.OnnxEncoder, pictures: Pixels) -> float:
    began = time.perf_counter()
    encoder.encode(pictures)
    return len(pictures) / max(time.perf_counter() - began, 1e-9)


def precision(
    vectors: Floats, truth: Floats, labels: Mapping[str, Ints], products: Ints | None = None
) -> float:
    """Precision@10 by `labels`, the mean over attributes; without any, the share of `truth`'s neighbours."""
    queries = np.arange(len(vectors), dtype=np.int64)
    found = nearest(vectors, queries, K, groups=products)
    known = [each for each in labels.values() if (each >= 0).any()]
    if known:
        means = [float(np.nanmean(label_precision(found, queries, each))) for each in known]
        return sum(means) / len(means)
    wanted = nearest(truth, queries, K, groups=products)
    same = (found[:, :, None] == wanted[:, None, :]) & (found >= 0)[:, :, None]
    return float(same.any(axis=2).sum() / max((wanted >= 0).sum(), 1))
