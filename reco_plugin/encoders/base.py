"""The contract of an encoder, and why a picture may be refused."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin.types import Floats

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""RGB, (height, width, 3)."""


class Fault(enum.StrEnum):
    """Why a picture is not looked at."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    """More bytes than allowed."""
    FORMAT = "format"
    """Not one of the formats that are opened, whatever it is called."""
    BOMB = "bomb"
    """More pixels than allowed."""
    TOO_SMALL = "too_small"
    TRUNCATED = "truncated"
    """It ends too early, or is broken inside."""
    KILLER = "killer"
    """Whoever decoded it died of it: too much memory or time, or a crash."""
    MISSING = "missing"
    """The storage has no such file."""
    STORAGE = "storage"
    """The storage, or the host, did not answer in time or said no."""
    FORBIDDEN = "forbidden"
    """An address that may not be fetched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a picture may be, and what decoding it may cost."""

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP")
    """Pillow's names."""
    max_bytes: int = 10 * 2**20
    max_pixels: int = 40_000_000
    min_side: int = 8
    seconds: float = 10.0
    memory_mb: int = 1_024


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A picture that is not looked at, and why."""

    fault: Fault
    words: str
    """For people: what is wrong and what to do about it."""


class Encoder(Protocol):
    """A network that is ready to look at pictures."""

    @property
    def size(self) -> int:
        """Pixels of each side of what it looks at."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """64 hex digits that change when any weight, the size or the way of preparing a picture does."""
        ...

    def encode(self, pictures: Pixels) -> Floats:
        """(n, size, size, 3) in, (n, dimension) out, each row of length 1."""
        ...
