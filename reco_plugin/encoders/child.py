"""What an encoder process does: it looks at pictures. It knows no Django."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from reco_plugin.children import life
from reco_plugin.children.voice import Voice
from reco_plugin.encoders import packing, registry
from reco_plugin.encoders.base import Encoder, Limits, Pixels, Refused
from reco_plugin.encoders.pool import DecoderPool

ENCODE = "reco_plugin.encoders.child.encode"
AHEAD = 2
"""Batches that are decoded while the network looks at one."""

Batch: TypeAlias = tuple[list[int], Pixels, list[tuple[int, Refused]]]
"""Numbers of the pictures, the pictures (b, size, size, 3), and what was refused meanwhile."""


def encode(folder: Path, job: dict[str, Any], voice: Voice) -> int:
    """Answer shares of pictures from stdin until it closes; returns how many pictures there were.

    Decoding goes on in processes of its own while the network looks at what is decoded, so that neither
    waits for the other.
    """
    encoder = _opened(job)
    limits = Limits(**{**job["limits"], "formats": tuple(job["limits"]["formats"])})
    voice.say(ready=True, dimension=encoder.dimension, fingerprint=encoder.fingerprint)
    total = 0
    with DecoderPool(job["decoders"], limits, encoder.size) as pool:
        try:
            for share in packing.shares(sys.stdin.buffer):
                count = _look(encoder, _ahead(_batches(pool, share, job["batch"])), voice)
                voice.say(share=count)
                total += count
        except packing.Cut:
            pool.close()
            life.orphaned(folder)
    return total


def _opened(job: Mapping[str, Any]) -> Encoder:
    kind = registry.kind(job["encoder"])
    encoder = kind.open(
        Path(job["weights"]), job["sha256"], device=job["device"], threads=job["threads"]
    )
    encoder.encode(np.zeros((1, encoder.size, encoder.size, 3), np.uint8))  # warm
    return encoder


def _look(encoder: Encoder, batches: Iterable[Batch], voice: Voice) -> int:
    count = 0
    for numbers, pictures, refused in batches:
        if refused:
            voice.say(refused=packing.pack_refused(refused))
        if numbers:
            voice.say(seen=numbers, **packing.pack_vectors(encoder.encode(pictures)))
        count += len(numbers) + len(refused)
    return count


def _batches(
    pool: DecoderPool, pictures: Iterable[tuple[int, bytes]], size: int
) -> Iterator[Batch]:
    numbers: list[int] = []
    opened: list[Pixels] = []
    refused: list[tuple[int, Refused]] = []
    for number, found in pool.map(pictures):
        if isinstance(found, Refused):
            refused.append((number, found))
        else:
            numbers.append(number)
            opened.append(found)
        if len(numbers) == size:
            yield numbers, np.stack(opened), refused
            numbers, opened, refused = [], [], []
    if numbers or refused:
        yield numbers, np.stack(opened) if opened else np.zeros((0, 1, 1, 3), np.uint8), refused


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same, made in a thread of its own, at most AHEAD of whoever takes them."""
    made: queue.Queue[Batch | BaseException | None] = queue.Queue(AHEAD)

    def make() -> None:
        try:
            for batch in batches:
                made.put(batch)
        except BaseException as error:  # noqa: BLE001 - raised where they are taken
            made.put(error)
        else:
            made.put(None)

    threading.Thread(target=make, name="decoding", daemon=True).start()
    while (batch := made.get()) is not None:
        if isinstance(batch, BaseException):
            raise batch
        yield batch
