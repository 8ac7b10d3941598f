"""Bytes of a picture → pixels, or why not. The one module that imports Pillow.

Nothing of Pillow's global state is read or changed, so any thread may decode. What is refused here is
refused before it costs much; what still kills its process (a flaw in a codec, a file made to be slow)
must not run in a process that matters: see `pool`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from reco_plugin.encoders import headers
from reco_plugin.encoders.base import Fault, Limits, Pixels, Refused
from reco_plugin.exceptions import EncoderUnavailable

if TYPE_CHECKING:
    from PIL.Image import Image

INSTALL = "python -m pip install 'django-reco-plugin[images]'"
WHITE = 255
GAP = 3.0
"""Large pictures are first shrunk by whole numbers, to three times what is wanted."""
_ORIENTATION = 0x0112
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def is_installed() -> bool:
    """Can pictures be opened here? Imports nothing."""
    return find_spec("PIL") is not None


def unknown_formats(formats: Sequence[str]) -> list[str]:
    """Those of `formats` that this Pillow cannot open. Raises EncoderUnavailable without Pillow."""
    _demand_pillow()
    from PIL import Image

    Image.init()
    return [name for name in formats if name.upper() not in Image.OPEN]


def decode(data: bytes, limits: Limits, size: int) -> Pixels | Refused:
    """The picture, centred on a white square: uint8 RGB, (size, size, 3).

    It is turned as its EXIF says; transparency shows white; of an animation the first frame counts.
    Never raises for anything that `data` may hold, except MemoryError. Raises EncoderUnavailable
    without Pillow.
    """
    _demand_pillow()
    refusal = by_size(data, limits) or _by_header(headers.size(data), limits)
    if refusal is not None:
        return refusal
    try:
        return _decoded(data, limits, size)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  Pillow raises whatever its plugins raise
        return _unreadable(data, limits, error)


def _demand_pillow() -> None:
    if not is_installed():
        raise EncoderUnavailable(f"Pillow is not installed, so no picture can be opened: {INSTALL}")


# --- what is refused ------------------------------------------------------------------------------


def by_size(data: bytes, limits: Limits) -> Refused | None:
    """Refused by its number of bytes alone?"""
    if not data:
        return Refused(fault=Fault.EMPTY, words="The file is empty: upload it again.")
    if len(data) > limits.max_bytes:
        return too_large(len(data), limits)
    return None


def too_large(size: int, limits: Limits) -> Refused:
    """A file of `size` bytes."""
    return Refused(
        fault=Fault.TOO_LARGE,
        words=f"It has {size:,} bytes, more than the {limits.max_bytes:,} allowed "
        "(RECO_IMAGE_MAX_BYTES): save it smaller.",
    )


def _by_header(size: headers.Size | None, limits: Limits) -> Refused | None:
    if size is None:
        return None
    width, height = size
    if width * height > limits.max_pixels:
        return Refused(
            fault=Fault.BOMB,
            words=f"It claims {width:,}x{height:,} pixels, more than the {limits.max_pixels:,} allowed "
            "(RECO_IMAGE_MAX_PIXELS): save it smaller.",
        )
    if min(width, height) < limits.min_side:
        return Refused(
            fault=Fault.TOO_SMALL,
            words=f"It has {width}x{height} pixels: at least {limits.min_side} on each side are needed "
            "to see anything.",
        )
    return None


def _unreadable(data: bytes, limits: Limits, error: Exception) -> Refused:
    found = headers.kind(data)
    if found.upper() in {name.upper() for name in limits.formats}:
        if "MAX_TEXT" in str(error) or "DecompressionBomb" in type(error).__name__:
            return Refused(fault=Fault.BOMB, words=f"It unpacks to more than is allowed: {error}.")
        return Refused(
            fault=Fault.TRUNCATED,
            words=f"It is a {found} that ends too early or is broken ({_said(error)}): upload it again.",
        )
    opened = ", ".join(limits.formats)
    return Refused(
        fault=Fault.FORMAT,
        words=f"It is {_named(found)}; only {opened} are opened (RECO_IMAGE_FORMATS): save it as one "
        "of these.",
    )


def _said(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "its header cannot be read"  # Pillow names an address in memory
    return (str(error) or type(error).__name__)[:200]


def _named(found: str) -> str:
    return {"": "no picture we know", "text": "text"}.get(found, f"a file of type {found}")


# --- what is read ---------------------------------------------------------------------------------


def _decoded(data: bytes, limits: Limits, size: int) -> Pixels | Refused:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=tuple(limits.formats)) as picture:
        refusal = _by_header(picture.size, limits)
        if refusal is not None:
            return refusal
        inner = _fitted(picture.size, size)
        picture.draft(None, inner)  # JPEG: decoded at an eighth, a quarter or half of its size
        picture.load()
        turned = _turned(picture)
        small = _small(picture, inner)
    return _centred(_upright(small, turned), size)


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = size
    longest = max(width, height)
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


def _turned(picture: Image) -> int:
    """The EXIF orientation, 1..8; 1 also where its EXIF is broken."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  whatever it holds, the picture itself was read
        return 1


def _small(picture: Image, inner: tuple[int, int]) -> Pixels:
    """(height, width, 3) of the size `inner` (width, height)."""
    from PIL.Image import Resampling

    if picture.mode in _ALPHA or "transparency" in picture.info:
        clear = (picture if picture.mode == "RGBA" else picture.convert("RGBA")).convert("RGBa")
        return _on_white(np.asarray(clear.resize(inner, Resampling.BILINEAR, None, GAP)))
    plain = _eight_bit(picture)
    if plain.mode not in ("RGB", "L"):
        plain = plain.convert("RGB")
    small = plain.resize(inner, Resampling.BILINEAR, None, GAP)
    return np.asarray(small if small.mode == "RGB" else small.convert("RGB"))


def _on_white(clear: Pixels) -> Pixels:
    """Colours that were multiplied by their opacity, laid on white."""
    rest = np.uint16(WHITE) - clear[..., 3:].astype(np.uint16)
    return np.minimum(clear[..., :3] + rest, WHITE).astype(np.uint8)


def _eight_bit(picture: Image) -> Image:
    """Grey of sixteen bits or more as grey of eight: Pillow itself would cut off what is above 255."""
    from PIL.Image import fromarray

    if picture.mode == "F":
        return picture.convert("L")
    if picture.mode not in _DEEP:
        return picture
    deep = np.asarray(picture).astype(np.int32)
    return fromarray((np.clip(deep, 0, 65_535) >> 8).astype(np.uint8))


def _upright(pixels: Pixels, turned: int) -> Pixels:
    """As EXIF 2.32, 4.6.4 A, tag 0x0112 defines the eight orientations."""
    if turned in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _centred(pixels: Pixels, size: int) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = (size - height) // 2, (size - width) // 2
    square: Pixels = np.full((size, size, 3), WHITE, dtype=np.uint8)
    square[top : top + height, left : left + width] = pixels
    return square
