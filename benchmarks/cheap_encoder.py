"""What does a cheaper look at pictures cost in what is found? Eight bits beside the network on torch.

    python -m benchmarks cheap_encoder [--weights FILE.npz] [--catalogue FILE.csv --pictures FILE.tar]
        [--threads 2] [--student] [--set NAME=VALUE …] [--json] [--quick]

Both get the same pictures in batches of the same size on the same threads, turn about, and give unit vectors;
the figure is the median of pairs. Precision@10 is that of `visual_retrieval`: a fifth of the products, which
neither training nor calibration has seen (with the weights that it saves and its seed), asked for among all.
Without weights a network is taught for a few epochs first; without a catalogue planted pictures try the path.
`--student` also distils a smaller network, and measures that in eight bits too.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import fashion, visual_retrieval
from benchmarks.harness import Bench, Row, tell

TITLE = (
    "cheap encoder: eight bits on a processor beside the same network on torch, and what it finds"
)

SPEED_BAR, FINDS_BAR = 2.0, 0.98
BATCH = 64
PAIRS = 7
LATENCIES = 40
LITTLE: dict[str, Any] = {"epochs": 6, "size": 64, "first_size": 48, "validate_every": 3}
CALIBRATE = 512


def run(bench: Bench) -> Iterator[Row]:
    """The path on planted pictures: the bars are those of the real catalogue."""
    told = _parser().parse_args(["--quick"] if bench.quick else [])
    size = visual_retrieval.SMALL["size"]
    data = fashion.planted(400 if bench.quick else 800, (size, round(size * 1.25)))
    yield from _rows(data, _taught(data, visual_retrieval.SMALL, told), told)


def main(argv: Sequence[str]) -> int:
    """0 when every bar holds, 1 when one is missed, 2 for what cannot be measured."""
    told = _parser().parse_args(argv)
    try:
        data, weights = _given(told)
    except fashion.CannotRead as error:
        print(str(error), file=sys.stderr)
        return 2
    return tell(_rows(data, weights, told), as_json=told.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cheap_encoder")
    fashion.options(parser)
    parser.add_argument("--weights", type=Path, help="what `visual_retrieval --save` has left")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--student", action="store_true", help="distil a smaller network too")
    parser.add_argument("--set", nargs="+", default=(), metavar="NAME=VALUE", help="of the student")
    parser.add_argument("--json", action="store_true", help="one line of JSON per row")
    parser.add_argument("--quick", action="store_true", help="1,500 products")
    return parser


def _given(told: argparse.Namespace) -> tuple[fashion.Fashion, Any]:
    from reco_plugin.encoders.weights import load

    weights = load(told.weights) if told.weights else None
    size = weights.size if weights else int(LITTLE["size"])
    most = 1_500 if told.quick else 0
    data = fashion.read(told.catalogue, told.pictures, (size, round(size * 1.25)), most)
    return data, weights or _taught(data, LITTLE, told)


def _held(data: fashion.Fashion, told: argparse.Namespace) -> npt.NDArray[np.bool_]:
    from reco_plugin.encoders.sampling import held_out

    return held_out(data.products, visual_retrieval.HELD, told.seed)


def _taught(data: fashion.Fashion, config: dict[str, Any], told: argparse.Namespace) -> Any:
    from reco_plugin.encoders.training import fine_tune

    train = ~_held(data, told)
    return fine_tune(
        data.pictures[max(data.pictures)][train],
        {name: codes[train] for name, codes in data.labels.items()},
        data.products[train],
        np.zeros((0, 2), np.int32),
        config,
        classes=data.classes,
        seed=told.seed,
        threads=told.threads,
    ).weights


# --- the measurement ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Made:
    """One way to look at pictures."""

    name: str
    encoder: Any
    note: str


def _rows(data: fashion.Fashion, weights: Any, told: argparse.Namespace) -> Iterator[Row]:
    from reco_plugin.encoders.resnet import ResNetEncoder

    os.environ.setdefault("OMP_NUM_THREADS", str(told.threads))
    torch = ResNetEncoder(weights, device="cpu", threads=told.threads, batch=BATCH)
    held = _held(data, told)
    pictures = data.pictures[min(data.pictures)]
    floor = visual_retrieval._judged(torch.encode(pictures), data, held)
    with tempfile.TemporaryDirectory() as folder:
        for made in _ways(data, weights, ~held, Path(folder), told):
            yield from _beside(made, torch, pictures, data, held, floor)
        yield _latency(Path(folder) / "plain.onnx", pictures)


def _ways(
    data: fashion.Fashion,
    weights: Any,
    train: npt.NDArray[np.bool_],
    folder: Path,
    told: argparse.Namespace,
) -> Iterator[Made]:
    from reco_plugin.encoders import onnx, quantising

    pictures = data.pictures[min(data.pictures)][train]
    calibrate = pictures[:: max(len(pictures) // CALIBRATE, 1)]
    words = (
        f"{weights.architecture}, {weights.size} pixels, {'with' if weights.flip else 'no'} mirror"
    )
    onnx.export(weights, folder / "plain.onnx")
    quantising.quantise(weights, folder / "small.onnx", calibrate)
    yield Made(name="int8", encoder=_opened(folder / "small.onnx", told), note=words)
    yield Made(name="ONNX fp32", encoder=_opened(folder / "plain.onnx", told), note=words)
    if told.student:
        student = _distilled(data, weights, train, told)
        quantising.quantise(student, folder / "student.onnx", calibrate)
        encoder = _opened(folder / "student.onnx", told)
        yield Made(name="student, int8", encoder=encoder, note=student.notes[0])


def _opened(path: Path, told: argparse.Namespace) -> Any:
    from reco_plugin.encoders.onnx import OnnxEncoder

    return OnnxEncoder(path, threads=told.threads)


def _distilled(
    data: fashion.Fashion, weights: Any, train: npt.NDArray[np.bool_], told: argparse.Namespace
) -> Any:
    from tqdm import tqdm

    from reco_plugin.encoders.distilling import distil

    with tqdm(desc="distilling", disable=None, leave=False) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.update(0)

        return distil(
            weights,
            data.pictures[max(data.pictures)][train],
            visual_retrieval._settings(told.set),
            seed=told.seed,
            threads=told.threads,
            progress=progress,
        )


def _beside(  # noqa: PLR0917
    made: Made,
    torch: Any,
    pictures: npt.NDArray[np.uint8],
    data: fashion.Fashion,
    held: npt.NDArray[np.bool_],
    floor: visual_retrieval.Found,
) -> Iterator[Row]:
    ours, theirs, ratio = _raced(made.encoder, torch, pictures[: 4 * BATCH])
    is_claim = made.name != "ONNX fp32"
    yield Row(
        name=f"{made.name}: pictures in a second",
        figure=ours,
        floor=theirs,
        ratio=ratio,
        bar=SPEED_BAR if is_claim else 0.0,
        least=True,
        unit="1/s",
        note=f"{made.note}; floor: fp32 on torch",
    )
    found = visual_retrieval._judged(made.encoder.encode(pictures), data, held)
    for name, figure, before in (
        ("same type", found.type, floor.type),
        ("same type, colour and gender", found.all, floor.all),
    ):
        share = figure / max(before, 1e-9)
        yield Row.at_least(
            f"{made.name}: {name}",
            figure,
            before,
            FINDS_BAR,
            ratio=share,
            unit="P@10",
            note="floor: torch",
        )


def _raced(one: Any, other: Any, pictures: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
    """Pictures in a second of both, and the median of the ratios of pairs that ran one after the other."""
    for encoder in (one, other):
        encoder.encode(pictures[:BATCH])
    pairs = [(_rate(one, pictures), _rate(other, pictures)) for _ in range(PAIRS)]
    rates = zip(*pairs, strict=True)
    first, second = (statistics.median(each) for each in rates)
    return first, second, statistics.median(ours / theirs for ours, theirs in pairs)


def _rate(encoder: Any, pictures: npt.NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    encoder.encode(pictures)
    return len(pictures) / (time.perf_counter() - began)


def _latency(path: Path, pictures: npt.NDArray[np.uint8]) -> Row:
    """A shopper's photo through the process that opens and looks at it, from bytes to vector."""
    from PIL import Image

    from reco_plugin.encoders.service import EncoderService, Job

    service = EncoderService(Job(path=path, sha256=""))
    try:
        photos = [_as_file(Image.fromarray(each)) for each in pictures[:LATENCIES]]
        service.ask(photos[0], 30.0)
        spent = sorted(_asked(service, photo) for photo in photos)
    finally:
        service.end()
    return Row.at_most(
        "a photo of 12 megapixels, bytes to vector",
        1_000 * spent[len(spent) // 2],
        2_000.0,
        1.0,
        unit="ms",
        note=f"slowest of {len(spent)}: {1_000 * spent[-1]:.0f} ms; floor: the time a search may wait",
    )


def _as_file(picture: Any) -> bytes:
    held = io.BytesIO()
    picture.resize((4_000, 3_000)).save(held, "JPEG", quality=85)
    return held.getvalue()


def _asked(service: Any, photo: bytes) -> float:
    began = time.perf_counter()
    service.ask(photo, 10.0)
    return time.perf_counter() - began
