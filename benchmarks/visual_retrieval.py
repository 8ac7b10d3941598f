"""Do pictures find their like? A network taught by four fifths of a catalogue, asked for the rest.

    python -m benchmarks visual_retrieval [--catalogue FILE.csv --pictures FILE.tar] [--threads 2]
        [--set epochs=40 …] [--resume FILE] [--json] [--quick]

A fifth of the products is held out of training, early stopping included, and asked for among the whole
catalogue, itself left out. Precision@10: the share of the ten nearest (cosine) of the same articleType; or of
the same articleType, baseColour and gender. The network learns from nothing but these pictures.
Beside it the same network untrained, and the histogram of colours.
Without a catalogue a planted one tries the path.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import fashion
from benchmarks.harness import Bench, Row, tell
from reco_plugin.metrics.retrieval import label_precision, nearest

TITLE = (
    "visual retrieval: a fifth of a fashion catalogue asked for, taught by the rest from scratch"
)

TYPE_BAR, RATIO_BAR, ALL_BAR, MINUTES_BAR = 0.78, 1.25, 0.40, 60.0
TOGETHER = ("articleType", "baseColour", "gender")
HELD = 0.2
QUICK: dict[str, Any] = {"epochs": 4, "size": 48, "first_size": 48, "validate_every": 2}
SMALL: dict[str, Any] = {
    "architecture": "student",
    "epochs": 6,
    "size": 32,
    "first_size": 32,
    "validate_every": 2,
    "batch": 32,
}
Vectors = npt.NDArray[np.floating[Any]]


def run(bench: Bench) -> Iterator[Row]:
    """The path on planted pictures: the bars are those of the real catalogue."""
    told = _parser().parse_args([])
    config = SMALL if bench.quick else {**SMALL, "epochs": 12}
    yield from _rows(fashion.planted(400 if bench.quick else 800, _sides(config)), config, told)


def main(argv: Sequence[str]) -> int:
    """0 when every bar holds, 1 when one is missed, 2 for what cannot be measured."""
    told = _parser().parse_args(argv)
    config = {**(QUICK if told.quick else {}), **_settings(told.set)}
    try:
        data = fashion.read(
            told.catalogue, told.pictures, _sides(config), 1_500 if told.quick else 0
        )
    except fashion.CannotRead as error:
        print(str(error), file=sys.stderr)
        return 2
    return tell(_rows(data, config, told), as_json=told.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks visual_retrieval")
    fashion.options(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=(), metavar="NAME=VALUE", help="of the recipe")
    parser.add_argument("--resume", type=Path, help="note every epoch here, and go on from there")
    parser.add_argument("--save", type=Path, help="leave the weights here (.npz)")
    parser.add_argument("--json", action="store_true", help="one line of JSON per row")
    parser.add_argument("--quick", action="store_true", help="1,500 products, a few epochs")
    return parser


def _settings(given: Sequence[str]) -> dict[str, Any]:
    pairs = (text.partition("=") for text in given)
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sides(config: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels that are looked at, and a quarter more to learn from."""
    from reco_plugin.encoders.recipe import read

    size = read(config).size
    return size, round(size * 1.25)


# --- the measurement ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Found:
    """Precision@10, by type and by all of TOGETHER."""

    type: float
    all: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    wall: float
    """Minutes."""
    processor: float
    """Minutes of all cores."""
    epochs: int


def _rows(
    data: fashion.Fashion, config: Mapping[str, Any], told: argparse.Namespace
) -> Iterator[Row]:
    from reco_plugin.encoders.sampling import held_out

    held = held_out(data.products, HELD, told.seed)
    weights, cost = _taught(data, ~held, config, told)
    pictures = data.pictures[min(data.pictures)]

    def seen(by: Any) -> Found:
        return _judged(_embedded(by, pictures, told.threads), data, held)

    ours, bare = seen(weights), seen(_untrained(weights, told.seed))
    both = seen(replace(weights, flip=not weights.flip))
    colours = _judged(histograms(pictures), data, held)
    asked = f"{held.sum():,} queries among {len(held):,}; "
    asked += f"{'without' if weights.flip else 'with'} mirror images too {both.type:.3f}"
    yield _at_least("same type in the top 10", ours.type, bare.type, ours.type, TYPE_BAR, asked)
    yield _at_least(
        "times the same network untrained",
        ours.type,
        bare.type,
        ours.type / max(bare.type, 1e-9),
        RATIO_BAR,
        "floor: untrained",
    )
    yield _at_least(
        "same type, colour and gender", ours.all, bare.all, ours.all, ALL_BAR, "floor: untrained"
    )
    note = f"epoch {cost.epochs} won; {cost.processor:.1f} minutes of processor on {told.threads} threads"
    yield Row.at_most("minutes of training", cost.wall, MINUTES_BAR, 1.0, unit="min", note=note)
    for name, peer in (("colour histogram", colours), ("untrained", bare)):
        yield Row.at_most(
            f"peer, {name}: type",
            peer.type,
            ours.type,
            1.0,
            unit="P@10",
            note=f"with colour and gender {peer.all:.3f}; floor: ours",
        )


def _at_least(  # noqa: PLR0917
    name: str, figure: float, floor: float, value: float, bar: float, note: str
) -> Row:
    return Row(
        name=name,
        figure=figure,
        floor=floor,
        ratio=value,
        bar=bar,
        least=True,
        unit="P@10",
        note=note,
    )


class Clock:
    """Minutes of wall and of all cores, those of a training that was broken off included."""

    def __init__(self, resume: Path | None) -> None:
        self._file = resume.with_name(resume.name + ".minutes") if resume else None
        known = resume is not None and resume.exists() and self._file and self._file.exists()
        self._before = json.loads(self._file.read_text()) if known and self._file else [0.0, 0.0]
        self._began = (time.monotonic(), time.process_time())
        self._noted = 0.0

    def tick(self, *, last: bool = False) -> tuple[float, float]:
        """Minutes so far, noted beside the state of the training now and then."""
        now = (time.monotonic(), time.process_time())
        wall, processor = (
            before + (here - began) / 60
            for before, here, began in zip(self._before, now, self._began, strict=True)
        )
        if self._file and (last or now[0] - self._noted > 5):
            self._noted = now[0]
            self._file.write_text(json.dumps([wall, processor]))
        return wall, processor


def _taught(
    data: fashion.Fashion, train: npt.NDArray[np.bool_], config: Mapping[str, Any], told: Any
) -> tuple[Any, Cost]:
    from tqdm import tqdm

    from reco_plugin.encoders.training import fine_tune
    from reco_plugin.encoders.weights import save

    clock = Clock(told.resume)
    with tqdm(desc="training", disable=None, leave=False) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            clock.tick()
            if stage == "train":
                bar.total, bar.n = total, done
                bar.update(0)

        found = fine_tune(
            data.pictures[max(data.pictures)][train],
            {name: codes[train] for name, codes in data.labels.items()},
            data.products[train],
            np.zeros((0, 2), np.int32),
            config,
            classes=data.classes,
            seed=told.seed,
            threads=told.threads,
            progress=progress,
            checkpoint=told.resume,
        )
    wall, processor = clock.tick(last=True)
    if told.save:
        save(told.save, found.weights)
    return found.weights, Cost(wall=wall, processor=processor, epochs=found.epochs)


def _untrained(weights: Any, seed: int) -> Any:
    """The same network before its first step: its pooled features."""
    from reco_plugin.encoders import network

    net = network.untrained(weights.architecture, weights.stem, seed)
    return replace(weights, blocks=(), classes={}, arrays=network.arrays_of(net))


def _embedded(weights: Any, pictures: npt.NDArray[np.uint8], threads: int) -> Vectors:
    from reco_plugin.encoders.resnet import ResNetEncoder

    return ResNetEncoder(weights, device="cpu", threads=threads).encode(pictures)


def histograms(pictures: npt.NDArray[np.uint8]) -> Vectors:
    """(n, 512): the square roots of how much of each picture is of each of 8 x 8 x 8 colours."""
    bins = (pictures >> 5).astype(np.int64)
    codes = (bins[..., 0] * 64 + bins[..., 1] * 8 + bins[..., 2]).reshape(len(pictures), -1)
    counts = np.stack([np.bincount(row, minlength=512) for row in codes])
    return np.asarray(np.sqrt(counts / codes.shape[1]), np.float32)


def _judged(vectors: Vectors, data: fashion.Fashion, held: npt.NDArray[np.bool_]) -> Found:
    queries = np.flatnonzero(held)
    found = nearest(vectors, queries, 10)
    together = np.stack([data.labels[name] for name in TOGETHER], axis=1)
    return Found(
        type=float(np.nanmean(label_precision(found, queries, data.labels[TOGETHER[0]]))),
        all=float(np.nanmean(label_precision(found, queries, together))),
    )
