"""Charts are well-formed, inside their box, honest about their figures, and tell them in words too."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.admin.charts import HEIGHT, WIDTH, Line, LineChart, Point, bar, nice_ticks

SANE = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False).map(lambda x: round(x, 6))
NAMES = {"svg": "{http://www.w3.org/2000/svg}"}


def chart(*lines: Line, **changes: object) -> LineChart:
    values: dict[str, object] = {
        "name": "c",
        "title": "Title",
        "lines": lines,
        "x_title": "day",
        "x_words": "day {:g}".format,
        "y_words": "{:g} units".format,
    }
    return LineChart(**{**values, **changes})  # type: ignore[arg-type]


def line(*ys: float, name: str = "served") -> Line:
    return Line(name=name, points=tuple(Point(x=float(x), y=y) for x, y in enumerate(ys)))


@st.composite
def points(draw: st.DrawFn) -> tuple[Point, ...]:
    xs = sorted(draw(st.sets(SANE, min_size=1, max_size=12)))
    found = []
    for x in xs:
        y, width = draw(SANE), draw(st.floats(0, 1e6))
        has_band = draw(st.booleans())
        found.append(
            Point(
                x=x,
                y=y,
                low=y - width if has_band else None,
                high=y + width if has_band else None,
                stands_out=draw(st.booleans()),
            )
        )
    return tuple(found)


@given(st.lists(points(), min_size=1, max_size=3))
def test_everything_is_drawn_inside_the_box(many: list[tuple[Point, ...]]) -> None:
    drawn = chart(*(Line(name=f"line {at}", points=found) for at, found in enumerate(many)))
    tree = ET.fromstring(drawn.svg)
    assert tree.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    for path in tree.iter("path"):
        if "reco-mark" in str(path.get("class")):
            continue  # a mark is drawn around its point, by steps
        for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", str(path.get("d"))):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT


@given(SANE, SANE)
def test_ticks_are_round_few_and_enclose(one: float, two: float) -> None:
    low, high = min(one, two), max(one, two)
    ticks = nice_ticks(low, high)
    slack = max(abs(low), abs(high), 1.0) * 1e-9
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 50, 100]),
        (0, 0.031, [0, 0.01, 0.02, 0.03, 0.04]),
        (0, 0, [0, 0.5, 1]),
        (-3, 3, [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


def test_the_largest_figure_is_the_highest() -> None:
    tree = ET.fromstring(chart(line(1, 3, 2)).svg)
    path = next(path for path in tree.iter("path") if "reco-stroke" in str(path.get("class")))
    heights = [float(y) for _x, y in re.findall(r"([\d.]+) ([\d.]+)", str(path.get("d")))]
    assert heights.index(min(heights)) == 1


def test_it_is_named_and_described_for_who_does_not_see_it() -> None:
    drawn = chart(line(1, 3, 2))
    tree = ET.fromstring(drawn.svg)
    assert tree.get("role") == "img"
    ids = str(tree.get("aria-labelledby")).split()
    named = {element.get("id"): element.text for element in tree if element.get("id")}
    assert [named[one] for one in ids] == ["Title", drawn.description]
    assert "between 1 units and 3 units, last 2 units" in drawn.description


def test_the_table_holds_every_figure_newest_first() -> None:
    served = Line(
        name="served",
        points=(Point(x=1, y=5, low=4, high=6), Point(x=2, y=7, stands_out=True)),
    )
    rows = chart(served, line(9, name="popular")).rows
    assert rows[0] == ("day 2", ["7 units ✗", "\N{EN DASH}"])
    assert rows[1][1][0].startswith("5 units (4 units")
    assert rows[2] == ("day 0", ["\N{EN DASH}", "9 units"])


def test_words_are_escaped() -> None:
    drawn = chart(line(1, 2, name="<b>&"), title="</svg><script>")
    assert "<script>" not in drawn.svg
    ET.fromstring(drawn.svg)


def test_nothing_to_draw() -> None:
    empty = chart(Line(name="none", points=()))
    assert not empty
    assert empty.svg == ""
    assert empty.rows == []


def test_time_has_round_ticks_in_minutes() -> None:
    drawn = chart(line(95, 20), units=(1.0, 60.0), y_words="{:g} s".format)
    words = [text.text for text in ET.fromstring(drawn.svg).iter("text")]
    assert words[:5] == ["0 s", "30 s", "60 s", "90 s", "120 s"]


@given(st.floats(allow_nan=False))
def test_a_bar_is_never_longer_than_its_cell(part: float) -> None:
    rects = list(ET.fromstring(bar(part)).iter("rect"))
    assert 0 <= float(str(rects[1].get("width"))) <= float(str(rects[0].get("width")))


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_coordinates_are_finite_whatever_the_size(y: float) -> None:
    assert "nan" not in chart(line(y, y / 2, y / 3)).svg
    assert not math.isnan(nice_ticks(0, y)[-1])
