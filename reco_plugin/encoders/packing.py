"""What goes to and fro between a job and its encoder process: pictures one way, vectors the other."""

from __future__ import annotations

import base64
import itertools
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from reco_plugin import artefacts
from reco_plugin.encoders.base import Fault, Pixels, Refused
from reco_plugin.types import Floats, Ints

_HEAD = struct.Struct("<QQ")
"""Number of a picture and how many bytes follow."""
_END = 2**64 - 1
"""Stands in the place of a number at the end of a share."""


class Cut(EOFError):
    """The stream ended in the middle: whoever wrote it is gone."""


END_OF_SHARE = _HEAD.pack(_END, 0)
"""No more pictures for now: all that were sent are to be answered."""


def packed(number: int, data: bytes) -> bytes:
    """One picture, as it is sent."""
    return _HEAD.pack(number, len(data)) + data


def shares(stream: IO[bytes]) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The shares that are sent, each an iterator of its pictures, to be used up before the next.

    Ends where the stream does; raises Cut where that is within a share.
    """
    while head := stream.read(_HEAD.size):
        yield _share(stream, head)


def _share(stream: IO[bytes], head: bytes) -> Iterator[tuple[int, bytes]]:
    while True:
        if len(head) < _HEAD.size:
            raise Cut
        number, length = _HEAD.unpack(head)
        if number == _END:
            return
        data = stream.read(length)
        if len(data) < length:
            raise Cut
        yield number, data
        head = stream.read(_HEAD.size)


# --- the way back ---------------------------------------------------------------------------------


def pack_vectors(vectors: Floats) -> dict[str, Any]:
    """JSON-able, float16."""
    data = np.ascontiguousarray(vectors, dtype="<f2").tobytes()
    return {"width": int(vectors.shape[1]), "vectors": base64.b64encode(data).decode("ascii")}


def unpack_vectors(message: Mapping[str, Any]) -> npt.NDArray[np.float16]:
    """(n, width)"""
    data = base64.b64decode(message["vectors"])
    return np.frombuffer(data, dtype="<f2").reshape(-1, int(message["width"]))


def pack_refused(refused: list[tuple[int, Refused]]) -> list[list[Any]]:
    """JSON-able."""
    return [[number, str(one.fault), one.words] for number, one in refused]


def unpack_refused(rows: list[list[Any]]) -> list[tuple[int, Refused]]:
    """What `pack_refused` was given."""
    return [(number, Refused(fault=Fault(fault), words=words)) for number, fault, words in rows]


# --- what a network learns from -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """Pictures and what is known of them."""

    pictures: Pixels
    """uint8 (n, size, size, 3), memory-mapped."""
    labels: Mapping[str, Ints]
    """int32 (n,) by attribute, -1 unknown."""
    products: Ints
    """int32 (n,): whose picture it is."""
    pairs: Ints
    """int32 (m, 2): products that shoppers saw or bought together."""
    classes: Mapping[str, tuple[str, ...]]
    """What the numbers of each label stand for."""


def new_pictures(path: Path, count: int, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A .npy file of `count` black pictures, to be filled in place."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, size, size, 3))


def save_lesson(path: Path, lesson: Lesson) -> str:
    """Write all but the pictures, which lie in a file of their own; returns the SHA-256."""
    arrays = {f"label.{at}": each for at, each in enumerate(lesson.labels.values())}
    arrays |= {"products": lesson.products, "pairs": lesson.pairs}
    names = {name: list(lesson.classes.get(name, ())) for name in lesson.labels}
    return artefacts.save(path, arrays, {"labels": names, "pictures": len(lesson.products)})


def load_lesson(path: Path, sha256: str, pictures: Path) -> Lesson:
    """Raises ArtefactCorrupt; ValueError where the pictures are not those of the lesson."""
    arrays, meta = artefacts.load(path, sha256)
    mapped: Pixels = np.load(pictures, mmap_mode="r", allow_pickle=False)
    if len(mapped) < meta["pictures"]:
        raise ValueError(f"{pictures} holds fewer pictures than {path} speaks of.")
    names = itertools.count()
    return Lesson(
        pictures=mapped[: meta["pictures"]],
        labels={name: arrays[f"label.{next(names)}"] for name in meta["labels"]},
        products=arrays["products"],
        pairs=arrays["pairs"],
        classes={name: tuple(values) for name, values in meta["labels"].items()},
    )
