"""Bars with their intervals as inline SVG: no script, no style attribute, a title and a description to be read aloud.

Whoever shows one puts a table with the same figures beside it. Classes are those of the admin's charts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 480
ROW = 22
LABEL, VALUE = 150, 64
"""Units kept for the names on the left, and for the figures on the right."""
LONGEST = 22
"""Signs of a name that fit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One figure; `low` and `high` are the ends of its interval, where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    stands_out: bool = False
    """Drawn in the second colour, its name with a ●: it is live."""


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """Bars from zero, one below another, in the order given."""

    name: str
    """Unique on its page."""
    title: str
    bars: Sequence[Bar]
    words: Callable[[float], str]

    def __bool__(self) -> bool:
        return bool(self.bars)

    @property
    def description(self) -> str:
        """What a listener hears: every bar's figure, in order."""
        return "; ".join(f"{bar.name} {self.words(bar.value)}" for bar in self.bars)

    @property
    def svg(self) -> str:
        """The drawing, escaped; '' without a bar."""
        if not self.bars:
            return ""
        most = max(max(bar.value, bar.high or 0.0) for bar in self.bars) or 1.0
        rows = "".join(self._row(at, bar, most) for at, bar in enumerate(self.bars))
        name = escape(self.name, quote=True)
        return (
            f'<svg class="reco-chart" viewBox="0 0 {WIDTH} {ROW * len(self.bars) + 4}" role="img" '
            f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{escape(self.title)}</title>'
            f'<desc id="{name}-d">{escape(self.description)}</desc>{rows}</svg>'
        )

    def _row(self, at: int, bar: Bar, most: float) -> str:
        across = (WIDTH - LABEL - VALUE) / most
        top = at * ROW + 4
        label = f"● {bar.name}" if bar.stands_out else bar.name
        short = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
        drawn = (
            f'<text x="{LABEL - 6}" y="{top + 13}" text-anchor="end">{escape(short)}</text>'
            f'<rect class="reco-bar-part{" reco-bar-live" if bar.stands_out else ""}" x="{LABEL}" '
            f'y="{top + 3}" width="{_n(max(bar.value, 0.0) * across)}" height="12"/>'
        )
        end = bar.value
        if bar.low is not None and bar.high is not None:
            start, stop = max(bar.low, 0.0) * across + LABEL, max(bar.high, 0.0) * across + LABEL
            drawn += f'<path class="reco-ends" d="M{_n(start)} {top + 9}H{_n(stop)}"/>'
            end = max(end, bar.high)
        x = max(end, 0.0) * across + LABEL + 6
        return drawn + f'<text x="{_n(x)}" y="{top + 13}">{escape(self.words(bar.value))}</text>'


def _n(value: float) -> str:
    """A coordinate, in no language."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
