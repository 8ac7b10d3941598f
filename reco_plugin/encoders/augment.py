"""The same product seen a little differently each time: what a network must learn to look past.

Geometry is one affine map per picture, sampled once; colour changes are slight, since colour is a label.
All of it works on batches, and draws its numbers from one generator: same seed, same pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

from reco_plugin.encoders.torches import Tensor, functional, torch

WHITE = 255.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Strength:
    """How far each picture may be changed."""

    crop: float = 0.5
    """Least share of the area that is kept."""
    stretch: float = 1.2
    """Most ratio of width to height."""
    turn: float = 8.0
    """Degrees either way."""
    light: float = 0.12
    """Brightness and contrast, either way."""
    erase: float = 0.25
    """Share of the pictures that lose a rectangle."""


def augmented(pixels: Tensor, size: int, strength: Strength, generator: Tensor) -> Tensor:
    """(b, 3, S, S) float 0..255 → (b, 3, size, size): flipped, cropped, turned, lit, partly hidden.

    What lies beyond the edge is white, as the ground of most pictures of products is.
    """
    pixels = shrunk(pixels, size)
    grid = functional.affine_grid(
        _maps(len(pixels), strength, generator).to(pixels.device),
        [len(pixels), 3, size, size],
        align_corners=False,
    )
    # zeros beyond the edge become white when white is zero
    seen = functional.grid_sample(pixels - WHITE, grid, align_corners=False) + WHITE
    return _hidden(_lit(seen, strength, generator), strength, generator)


def shrunk(pixels: Tensor, size: int) -> Tensor:
    """Large pictures at some more than `size`, each pixel a mean: a sample of single ones would flicker."""
    room = size + size // 4
    if pixels.shape[-1] < 1.4 * size:
        return pixels
    return resized(pixels, room)


def resized(pixels: Tensor, size: int) -> Tensor:
    """(b, 3, S, S) at (b, 3, size, size), smoothed where that is smaller."""
    if pixels.shape[-1] == size:
        return pixels
    return functional.interpolate(
        pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )


def _uniform(count: int, low: float, high: float, generator: Tensor) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _maps(count: int, strength: Strength, generator: Tensor) -> Tensor:
    """(b, 2, 3): where each pixel of the answer is taken from."""
    zoom = _uniform(count, strength.crop, 1.0, generator).sqrt()
    ratio = torch.exp(
        _uniform(count, -1.0, 1.0, generator) * torch.tensor(strength.stretch).log() / 2
    )
    wide, high = zoom * ratio, zoom / ratio
    mirror = 1.0 - 2.0 * (torch.rand(count, generator=generator) < 0.5).float()
    angle = torch.deg2rad(_uniform(count, -strength.turn, strength.turn, generator))
    cos, sin = angle.cos(), angle.sin()
    across = _uniform(count, -1.0, 1.0, generator) * (1.0 - wide).clamp(min=0.0)
    down = _uniform(count, -1.0, 1.0, generator) * (1.0 - high).clamp(min=0.0)
    rows = [
        torch.stack([cos * wide * mirror, -sin * high, across], dim=1),
        torch.stack([sin * wide * mirror, cos * high, down], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _lit(pixels: Tensor, strength: Strength, generator: Tensor) -> Tensor:
    count = len(pixels)
    bright = _uniform(count, 1 - strength.light, 1 + strength.light, generator)
    contrast = _uniform(count, 1 - strength.light, 1 + strength.light, generator)
    bright, contrast = (
        value.to(pixels.device)[:, None, None, None] for value in (bright, contrast)
    )
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return (((pixels - mean) * contrast + mean) * bright).clamp(0.0, WHITE)


def _hidden(pixels: Tensor, strength: Strength, generator: Tensor) -> Tensor:
    """A rectangle of up to half of each side is made grey (DeVries & Taylor 2017, arXiv 1708.04552)."""
    count, size = len(pixels), pixels.shape[-1]
    some = torch.rand(count, generator=generator) < strength.erase
    sides = _uniform(count * 2, 0.15, 0.5, generator).view(count, 2)
    corners = torch.rand(count, 2, generator=generator) * (1 - sides)
    place = (torch.arange(size) + 0.5) / size
    inside = (place >= corners[..., None]) & (place < (corners + sides)[..., None])
    hole = inside[:, 0, :, None] & inside[:, 1, None, :] & some[:, None, None]
    return pixels.masked_fill(hole[:, None].to(pixels.device), 127.5)
