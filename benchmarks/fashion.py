"""A catalogue of fashion with its pictures, as the benchmarks of what looks at pictures read it."""

from __future__ import annotations

import argparse
import csv
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = "BENCH_DATA"
CSV, TAR = "fashion/catalogue_224.csv", "fashion/images_224_9121.tar"
LABELS = (
    *("articleType", "baseColour", "gender"),
    *("subCategory", "masterCategory", "season", "usage"),
)
"""Columns, the most important first."""
NOTHING = ("", "NA")
SHAPES = ("disc", "bar", "frame", "cross", "stripes")
HUES = ((200, 40, 40), (40, 60, 200), (40, 160, 70), (40, 40, 40))


class CannotRead(Exception):
    """There is no such catalogue; the message says what would be one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fashion:
    """Products, one picture each."""

    products: npt.NDArray[np.int32]
    """(n,) the shop's numbers."""
    labels: Mapping[str, npt.NDArray[np.int32]]
    """(n,) of each of LABELS, -1 where it is not told."""
    classes: Mapping[str, tuple[str, ...]]
    pictures: Mapping[int, npt.NDArray[np.uint8]]
    """By pixels of each side (n, side, side, 3)."""


def options(parser: argparse.ArgumentParser) -> None:
    """Where the data is."""
    parser.add_argument(
        "--catalogue",
        default=CSV,
        help=f"csv with id, {', '.join(LABELS)}; or its name in {FOLDER}",
    )
    parser.add_argument("--pictures", default=TAR, help=f"tar of ID.jpg; or its name in {FOLDER}")


def read(catalogue: str, pictures: str, sides: Sequence[int], most: int = 0) -> Fashion:
    """All products that have a picture; `most` of them by chance, unless 0. Raises CannotRead."""
    from tqdm import tqdm

    rows = _rows(located(catalogue), most)
    files = {row["id"]: at for at, row in enumerate(rows)}
    made = {side: np.full((len(rows), side, side, 3), 255, np.uint8) for side in sides}
    seen = np.zeros(len(rows), dtype=np.bool_)
    with (
        tarfile.open(located(pictures)) as archive,
        tqdm(total=len(rows), desc="opening", disable=None, leave=False) as bar,
    ):
        for member in archive:
            at = files.get(PurePosixPath(member.name).stem)
            if at is None or (file := archive.extractfile(member)) is None:
                continue
            seen[at] = _opened(file.read(), at, made)
            bar.update()
    return _of([row for row, known in zip(rows, seen, strict=True) if known], made, seen)


def planted(count: int, sides: Sequence[int], seed: int = 0) -> Fashion:
    """Drawn shapes in a few colours, so that the path can be tried without data."""
    random = np.random.default_rng(seed)
    kind, hue = random.integers(0, len(SHAPES), count), random.integers(0, len(HUES), count)
    drawn = np.stack([_drawn(int(kind[at]), int(hue[at]), random) for at in range(count)])
    rows = [
        {**dict.fromkeys(LABELS, ""), "articleType": SHAPES[kind[at]], "baseColour": str(hue[at])}
        | {"id": str(at), "gender": "Unisex"}
        for at in range(count)
    ]
    made = {side: _scaled(drawn, side) for side in sides}
    return _of(rows, made, np.ones(count, dtype=np.bool_))


def located(name: str) -> Path:
    """A path as it is, or else below the folder that BENCH_DATA names. Raises CannotRead."""
    places = [Path(name)]
    if folder := os.environ.get(FOLDER):
        places.append(Path(folder) / name)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise CannotRead(f"There is no {name}; give a path, or set {FOLDER} to its folder.")
    return found


def _rows(path: Path, most: int) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    missing = {"id", *LABELS} - set(rows[0] if rows else ())
    if missing:
        raise CannotRead(f"{path} has no column {', '.join(sorted(missing))}.")
    if not most or most >= len(rows):
        return rows
    chosen = np.random.default_rng(0).choice(len(rows), most, replace=False)
    return [rows[at] for at in np.sort(chosen)]


def _opened(data: bytes, at: int, made: Mapping[int, Any]) -> bool:
    from reco_plugin.encoders.base import Limits, Refused
    from reco_plugin.encoders.decoding import decode

    for side, pictures in made.items():
        found = decode(data, Limits(), side)
        if isinstance(found, Refused):
            return False
        pictures[at] = found
    return True


def _of(
    rows: list[dict[str, str]], made: Mapping[int, Any], seen: npt.NDArray[np.bool_]
) -> Fashion:
    classes = {name: tuple(sorted({row[name] for row in rows} - set(NOTHING))) for name in LABELS}
    codes = {name: {value: at for at, value in enumerate(known)} for name, known in classes.items()}
    return Fashion(
        products=np.array([int(row["id"]) for row in rows], np.int32),
        labels={
            name: np.array([codes[name].get(row[name], -1) for row in rows], np.int32)
            for name in LABELS
        },
        classes=classes,
        pictures={side: pictures[seen] for side, pictures in made.items()},
    )


def _drawn(kind: int, hue: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One of SHAPES in one of HUES, somewhere near the middle of a white square of 64 pixels."""
    down, across = np.mgrid[0:64, 0:64] - 32 - random.integers(-6, 7, 2)[:, None, None]
    size = random.integers(12, 20)
    inside = np.maximum(abs(down), abs(across)) < size
    thin = size // 3
    shapes = (
        down**2 + across**2 < size**2,
        inside & (abs(down) < thin),
        inside & (np.maximum(abs(down), abs(across)) >= size - thin // 2 - 1),
        inside & (np.minimum(abs(down), abs(across)) < thin // 2 + 1),
        inside & ((across // max(thin, 2)) % 2 == 0),
    )
    picture = np.full((64, 64, 3), 255.0)
    picture[shapes[kind]] = HUES[hue]
    picture += random.normal(0, 10, picture.shape)
    return np.asarray(picture.clip(0, 255), np.uint8)


def _scaled(pictures: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    at = (np.arange(side) * pictures.shape[1]) // side
    return np.ascontiguousarray(pictures[:, at][:, :, at])
