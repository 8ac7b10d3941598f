"""What an encoder has learnt, and all that is needed to look at pictures the same way again.

A file of weights is an artefact as `reco_plugin.artefacts` writes it: .npz without pickle, so that reading
one runs no code. NumPy only: who exports or looks at weights needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin import artefacts
from reco_plugin.exceptions import ArtefactCorrupt, EncoderUnavailable
from reco_plugin.types import Floats

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

ARCHITECTURES = ("resnet10", "resnet18", "resnet34", "resnet50", "student")
STEMS = ("imagenet", "small")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
KIND = "encoder"
"""What the meta of a file of weights says it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A part of the embedding: the numbers from `start` to `stop`, made a unit vector of their own.

    Cosines of whole embeddings are the sum of `share` times the cosines of blocks.
    """

    name: str
    """The attribute it was taught to tell apart."""
    size: int
    """Numbers in it."""
    share: float
    """Of the whole similarity; the shares of all blocks sum to 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """A network as data: what it is built like, what it learnt, and how pictures are prepared for it.

    Without blocks the embedding is the pooled features themselves, made a unit vector.
    """

    architecture: str
    """One of ARCHITECTURES."""
    size: int
    """Pixels of each side of what it looks at."""
    arrays: Arrays
    """By torch's names: 'body.conv1.weight', 'project.weight' (sum of block sizes, features),
    'project.bias', 'heads.0' (classes, block size) of the first of `classes`. float32, but for counters
    of batches."""
    stem: str = "imagenet"
    """One of STEMS."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    """Of each channel, of pixels in 0..1: (pixel / 255 - mean) / std goes in."""
    blocks: tuple[Block, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values each head tells apart, in the order of its rows, by the name of its block."""
    scale: float = 16.0
    """What cosines to the rows of a head are multiplied by before the softmax."""
    flip: bool = False
    """Look at the mirror image too and take the mean: better by a little, twice the time."""
    notes: tuple[str, ...] = ()
    """Where it comes from, in plain words."""

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise EncoderUnavailable(
                f"There is no network {self.architecture!r}; choose from {', '.join(ARCHITECTURES)}."
            )
        if self.stem not in STEMS:
            raise EncoderUnavailable(f"There is no stem {self.stem!r} of a network.")

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        return sum(block.size for block in self.blocks) or features(self.architecture)

    @property
    def fingerprint(self) -> str:
        """64 hex digits: SHA-256 of everything that an embedding depends on."""
        digest = hashlib.sha256(json.dumps(self._looks(), sort_keys=True).encode())
        for name in sorted(self.arrays):
            if not name.startswith("heads."):
                array = np.ascontiguousarray(self.arrays[name])
                digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def _looks(self) -> dict[str, Any]:
        return {name: self._meta()[name] for name in _LOOKS}

    def _meta(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "architecture": self.architecture,
            "stem": self.stem,
            "size": self.size,
            "mean": list(self.mean),
            "std": list(self.std),
            "blocks": [[block.name, block.size, block.share] for block in self.blocks],
            "classes": {name: list(values) for name, values in self.classes.items()},
            "scale": self.scale,
            "flip": self.flip,
            "notes": list(self.notes),
        }

    def with_shares(self, shares: Mapping[str, float]) -> Weights:
        """The same network with its blocks weighed anew; shares are made to sum to 1."""
        total = sum(shares[block.name] for block in self.blocks)
        blocks = tuple(replace(block, share=shares[block.name] / total) for block in self.blocks)
        return replace(self, blocks=blocks)


_LOOKS = ("architecture", "stem", "size", "mean", "std", "blocks", "flip")


def features(architecture: str) -> int:
    """Numbers that the body of a network hands to its projection."""
    return {"resnet50": 2048, "student": 256}.get(architecture, 512)


def save(path: str | Path, weights: Weights) -> str:
    """Write a file of weights, whole or not at all; returns its SHA-256."""
    return artefacts.save(path, weights.arrays, weights._meta())


def load(path: str | Path, sha256: str | None = None) -> Weights:
    """Read a file of weights.

    Raises EncoderUnavailable when it is missing, corrupt, no file of weights, of an unknown network, or
    does not match `sha256`, and when any weight is not a finite number.
    """
    try:
        arrays, meta = artefacts.load(path, sha256)
        weights = _read(arrays, meta)
    except (ArtefactCorrupt, KeyError, TypeError, ValueError, IndexError) as error:
        raise EncoderUnavailable(f"{path} is no usable file of weights: {error}") from error
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise EncoderUnavailable(f"{path} holds numbers that are not finite, in {bad[0]}.")
    return weights


def _read(arrays: Arrays, meta: Mapping[str, Any]) -> Weights:
    if meta.get("kind") != KIND:
        raise ValueError("it was not written as one.")
    return Weights(
        architecture=str(meta["architecture"]),
        stem=str(meta["stem"]),
        size=int(meta["size"]),
        mean=_three(meta["mean"]),
        std=_three(meta["std"]),
        blocks=tuple(
            Block(name=str(name), size=int(size), share=float(share))
            for name, size, share in meta["blocks"]
        ),
        classes={str(name): tuple(map(str, values)) for name, values in meta["classes"].items()},
        scale=float(meta["scale"]),
        flip=bool(meta["flip"]),
        notes=tuple(map(str, meta["notes"])),
        arrays=arrays,
    )


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def embedding(raw: Floats, blocks: tuple[Block, ...]) -> Floats:
    """Unit rows (n, d) from what the projection gives, (n, d): each block a unit vector times √share."""
    parts, at = [], 0
    for block in blocks or (Block(name="", size=raw.shape[1], share=1.0),):
        part = raw[:, at : at + block.size]
        length = np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        parts.append(part * (np.sqrt(block.share) / length))
        at += block.size
    return np.ascontiguousarray(np.hstack(parts), dtype=np.float32)
