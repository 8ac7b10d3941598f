"""Charts as inline SVG: no script, no style attribute, colours from the page, readable aloud.

A chart is drawn in user units of a fixed view box and scales with the page. Every chart has a table
twin with the same figures; lines differ by their dashes as well as by their colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from reco_plugin.admin.figures import NOTHING, TO

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 16, 14, 12, 34
SIGN = 8.6
"""About the width of a sign, in the larger type of small screens."""
LABELS = 4
"""About as many ticks on an axis."""
BAR = 100
"""Width of a full bar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One figure; `low` and `high` are the ends of its interval, where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    stands_out: bool = False
    """Drawn as a cross: something went wrong there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    name: str
    points: tuple[Point, ...]
    """By rising x."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """From figures to user units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high <= self.low:
            return (self.start + self.end) / 2
        part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


@dataclass(frozen=True, kw_only=True)
class LineChart:
    """Lines over a common x, which is often a time (seconds) or a day."""

    name: str
    """Unique on its page."""
    title: str
    lines: tuple[Line, ...]
    x_title: str
    x_words: Callable[[float], str]
    y_words: Callable[[float], str]
    units: tuple[float, ...] = (1.0,)
    """Ticks are round in the largest of these that is not above the largest figure."""

    def __bool__(self) -> bool:
        return any(line.points for line in self.lines)

    @property
    def description(self) -> str:
        """What a listener hears: the span, and each line's smallest, largest and last figure."""
        if not self:
            return _("No figures yet.")
        xs = self._xs()
        span = f"{self.x_words(xs[0])}{TO}{self.x_words(xs[-1])}."
        return " ".join([span, *(self._told(line) for line in self.lines if line.points)])

    def _told(self, line: Line) -> str:
        ys = [point.y for point in line.points]
        words = _("%(name)s: between %(low)s and %(high)s, last %(last)s.")
        ends = {"low": min(ys), "high": max(ys), "last": ys[-1]}
        return words % {
            "name": line.name,
            **{name: self.y_words(y) for name, y in ends.items()},
        }

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The table twin, newest first: (x, the figure of each line)."""
        by_line = [{point.x: point for point in line.points} for line in self.lines]
        return [
            (self.x_words(x), [self._cell(points.get(x)) for points in by_line])
            for x in reversed(self._xs())
        ]

    def _cell(self, point: Point | None) -> str:
        if point is None:
            return NOTHING
        words = self.y_words(point.y)
        if point.low is not None and point.high is not None:
            words += f" ({self.y_words(point.low)}{TO}{self.y_words(point.high)})"
        return f"{words} ✗" if point.stands_out else words

    @property
    def svg(self) -> SafeString:
        """The drawing; '' without a point."""
        if not self:
            return SafeString("")
        across, up, ticks = self._scales()
        return format_html(
            '<svg class="reco-chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d">'
            '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>{}{}{}</svg>',
            WIDTH, HEIGHT, self.name, self.name, self.name, self.title, self.name,
            self.description,
            _grid(ticks, across, up, self.y_words),
            _feet(self._xs(), across, self.x_words),
            format_html_join("", "{}", ((part,) for part in self._drawn(across, up))),
        )  # fmt: skip

    def _drawn(self, across: Scale, up: Scale) -> Iterator[SafeString]:
        for number, line in enumerate(self.lines):
            yield _band(line.points, number, across, up)
            yield _path(line.points, number, across, up)
            yield self._marks(line, number, across, up)

    def _marks(self, line: Line, number: int, across: Scale, up: Scale) -> SafeString:
        """A mark on each point, with its words for a pointer that rests on it."""
        return format_html_join(
            "",
            '<path class="reco-mark reco-line-{}" d="{}"><title>{}</title></path>',
            (
                (
                    number,
                    _mark(across(point.x), up(point.y), point.stands_out),
                    f"{line.name}, {self.x_words(point.x)}: {self._cell(point)}",
                )
                for point in line.points
            ),
        )

    def _xs(self) -> list[float]:
        return sorted({point.x for line in self.lines for point in line.points})

    def _scales(self) -> tuple[Scale, Scale, list[float]]:
        xs = self._xs()
        ys = [
            value
            for line in self.lines
            for point in line.points
            for value in (point.y, point.low, point.high)
            if value is not None
        ]
        unit = max((unit for unit in self.units if unit <= max(ys)), default=self.units[0])
        ticks = [tick * unit for tick in nice_ticks(min(0.0, *ys) / unit, max(ys) / unit)]
        left = LEFT + SIGN * max(len(self.y_words(tick)) for tick in ticks)
        across = Scale(low=xs[0], high=xs[-1], start=left, end=WIDTH - RIGHT)
        up = Scale(low=ticks[0], high=ticks[-1], start=HEIGHT - BOTTOM, end=TOP)
        return across, up, ticks


def nice_ticks(low: float, high: float, about: int = LABELS) -> list[float]:
    """Round figures (steps of 1, 2 or 5 times a power of ten) from at most `low` to at least `high`."""
    if high <= low:
        low, high = (low - 1, low + 1) if low else (0.0, 1.0)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def bar(part: float) -> SafeString:
    """A bar of `part` (0 to 1) of its cell; the figure itself stands beside it, in text."""
    filled = _n(BAR * min(max(part, 0.0), 1.0))
    return format_html(
        '<svg class="reco-bar" viewBox="0 0 {} 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="reco-bar-all" width="{}" height="8"/>'
        '<rect class="reco-bar-part" width="{}" height="8"/></svg>',
        BAR, BAR, filled,
    )  # fmt: skip


# --- parts ---------------------------------------------------------------------------------------


def _grid(
    ticks: Sequence[float], across: Scale, up: Scale, words: Callable[[float], str]
) -> SafeString:
    left, text = _n(across.start), _n(across.start - 8)
    return format_html_join(
        "",
        '<path class="reco-grid" d="M{} {}H{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (left, _n(up(tick)), _n(across.end), text, _n(up(tick) + 4), words(tick))
            for tick in ticks
        ),
    )


def _feet(xs: Sequence[float], across: Scale, words: Callable[[float], str]) -> SafeString:
    """Words below the first and the last x; the only one stands in the middle."""
    if len(xs) == 1:
        feet = [(across(xs[0]), "middle", xs[0])]
    else:
        feet = [(across(xs[0]), "start", xs[0]), (across(xs[-1]), "end", xs[-1])]
    return format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="{}">{}</text>',
        ((_n(at), HEIGHT - 10, anchor, words(x)) for at, anchor, x in feet),
    )


def _path(points: Sequence[Point], number: int, across: Scale, up: Scale) -> SafeString:
    if len(points) < 2:
        return SafeString("")
    d = "M" + "L".join(f"{_n(across(point.x))} {_n(up(point.y))}" for point in points)
    return format_html('<path class="reco-stroke reco-line-{}" d="{}"/>', number, d)


def _band(points: Sequence[Point], number: int, across: Scale, up: Scale) -> SafeString:
    """What the intervals cover: an area, or one upright stroke for a single point."""
    known = [(point.x, point.low, point.high) for point in points]
    ends = [(x, low, high) for x, low, high in known if low is not None and high is not None]
    if not ends:
        return SafeString("")
    over = [f"{_n(across(x))} {_n(up(high))}" for x, _low, high in ends]
    under = [f"{_n(across(x))} {_n(up(low))}" for x, low, _high in reversed(ends)]
    kind = "reco-band" if len(ends) > 1 else "reco-whisker"
    return format_html(
        '<path class="{} reco-line-{}" d="M{}Z"/>', kind, number, "L".join([*over, *under])
    )


def _mark(x: float, y: float, stands_out: bool) -> str:
    if stands_out:
        return f"M{_n(x - 4)} {_n(y - 4)}l8 8m0 -8l-8 8"
    return f"M{_n(x - 3)} {_n(y)}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0"


def _n(value: float) -> str:
    """A coordinate, in no language."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
