"""A small drawing board: soft shapes in one colour, on a background that suits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

RGB = tuple[int, int, int]
Point = tuple[float, float]
SIZE = 480
DRAWN = 2 * SIZE
"""Drawn twice as large and scaled down, which smooths every edge."""
PAPER: RGB = (250, 247, 240)
INK: RGB = (38, 40, 44)


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """`one` with `share` (0..1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def shade(colour: RGB, tone: float) -> RGB:
    """Lighter for a positive tone, darker for a negative one; -1..1."""
    return mix(colour, (255, 255, 255) if tone > 0 else (20, 18, 24), abs(tone))


def smooth(points: Sequence[Point], steps: int = 10) -> list[Point]:
    """A closed Catmull-Rom curve through the points."""
    ring = np.asarray(points, dtype=float)
    before, after, later = (np.roll(ring, by, axis=0) for by in (1, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * ring
        + (after - before) * t
        + (2 * before - 5 * ring + 4 * after - later) * t**2
        + (3 * ring - before - 3 * after + later) * t**3
    )
    return [(float(x), float(y)) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]


def mirror(left: Sequence[Point]) -> list[Point]:
    """A left half, top to bottom, and its mirror image around x = 0.5."""
    return [*left, *((1 - x, y) for x, y in reversed(left))]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How one product is painted."""

    colour: RGB
    accent: RGB
    pattern: str = ""
    """'', 'stripes', 'dots' or 'checks'."""


class Sketch:
    """One picture in the making; coordinates run from 0 to 1."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.image = _background(look)
        self.draw = ImageDraw.Draw(self.image)

    def part(
        self,
        points: Sequence[Point],
        tone: float = 0.0,
        *,
        colour: RGB | None = None,
        curved: bool = True,
        pattern: bool = False,
    ) -> None:
        """Fill an outline."""
        outline = _scaled(smooth(points) if curved else points)
        self.draw.polygon(outline, fill=shade(colour or self.look.colour, tone))
        if pattern and self.look.pattern:
            self._patterned(outline)

    def stroke(
        self, points: Sequence[Point], width: float, tone: float = 0.0, colour: RGB | None = None
    ) -> None:
        """A line with round joints."""
        fill = shade(colour or self.look.colour, tone)
        thick = round(width * DRAWN)
        placed = _scaled(points)
        self.draw.line(placed, fill=fill, width=thick, joint="curve")
        for x, y in (placed[0], placed[-1]):
            half = thick / 2
            self.draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)

    def oval(
        self,
        centre: Point,
        radius: Point,
        tone: float = 0.0,
        colour: RGB | None = None,
    ) -> None:
        (x, y), (across, down) = centre, radius
        box = [round(v * DRAWN) for v in (x - across, y - down, x + across, y + down)]
        self.draw.ellipse(box, fill=shade(colour or self.look.colour, tone))

    def arc(
        self,
        box: tuple[float, float, float, float],
        start: int,
        end: int,
        width: float,
        tone: float,
    ) -> None:
        placed = [round(v * DRAWN) for v in box]
        self.draw.arc(
            placed, start, end, fill=shade(self.look.colour, tone), width=round(width * DRAWN)
        )

    def finish(self) -> Image.Image:
        return self.image.resize((SIZE, SIZE), Image.Resampling.BOX)

    def close_up(self) -> Image.Image:
        """The middle of it, as large as the whole."""
        margin = DRAWN // 4
        return self.image.crop((margin, margin, DRAWN - margin, DRAWN - margin))

    def _patterned(self, outline: list[Point]) -> None:
        mask = Image.new("L", (DRAWN, DRAWN))
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        self.image.paste(
            mix(self.look.colour, self.look.accent, 0.75), mask=_pattern(self.look.pattern, mask)
        )
        self.draw = ImageDraw.Draw(self.image)


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * DRAWN, y * DRAWN) for x, y in points]


def _pattern(name: str, mask: Image.Image) -> Image.Image:
    """The pattern's own marks, as a mask inside `mask`."""
    y, x = np.ogrid[:DRAWN, :DRAWN]
    if name == "stripes":
        marks = (y % 64 < 22) & (x >= 0)
    elif name == "dots":
        shifted = (x + (y // 56 % 2) * 28) % 56
        marks = (shifted - 28) ** 2 + (y % 56 - 28) ** 2 < 100
    else:
        marks = (x % 72 < 14) | (y % 72 < 14)
    return Image.fromarray(np.where(marks, np.asarray(mask), 0).astype(np.uint8))


def _background(look: Look) -> Image.Image:
    """A tinted wall with a lighter disc, and a soft shadow on the floor."""
    wall = mix(mix(look.colour, look.accent, 0.35), PAPER, 0.86)
    image = Image.new("RGB", (DRAWN, DRAWN), wall)
    reach = 0.41 * DRAWN
    middle = DRAWN / 2
    disc = (middle - reach, middle - reach, middle + reach, middle + reach)
    ImageDraw.Draw(image).ellipse(disc, fill=mix(wall, (255, 255, 255), 0.5))
    image.paste(mix(wall, INK, 0.35), mask=_SHADOW)
    return image


def _shadow() -> Image.Image:
    small = Image.new("L", (120, 120))
    ImageDraw.Draw(small).ellipse((26, 99, 94, 109), fill=110)
    return small.filter(ImageFilter.GaussianBlur(3)).resize((DRAWN, DRAWN))


_SHADOW = _shadow()
