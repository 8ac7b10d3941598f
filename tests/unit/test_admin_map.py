"""Which part of the map is drawn, and which of the products in a cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reco_plugin.admin.catalogue_map import COLUMNS, DEEPEST, ROWS, Part, thinned

PLACES = arrays(
    np.float32, st.tuples(st.integers(0, 40), st.just(2)), elements=st.floats(0, 1, width=32)
)


@pytest.mark.parametrize(
    "text", ["", "x", "1-2-0", "1-0-2", "9-0-0", "-1-0-0", "1-0", "1-0-0-0", "٣-1-1", "5-1-1"]
)
def test_nonsense_is_the_whole_map(text):
    assert Part.asked(text) == Part()


@given(
    st.integers(0, DEEPEST).flatmap(
        lambda d: st.tuples(st.just(d), *[st.integers(0, 2**d - 1)] * 2)
    )
)
def test_a_part_is_asked_for_by_its_name_and_is_a_quarter_of_the_one_above(numbers):
    depth, column, row = numbers
    part = Part(depth=depth, column=column, row=row)
    assert Part.asked(str(part)) == part
    assert (part.above is None) == (depth == 0)
    if part.above:
        assert part in part.above.quarters


@given(PLACES)
def test_every_product_is_drawn_or_counted_once(places):
    keys = list(range(len(places)))
    cells = list(thinned(keys, places))
    assert sum(1 + cell.others for cell in cells) == len(keys)
    assert len({(cell.column, cell.row) for cell in cells}) == len(cells)
    assert len({cell.key for cell in cells}) == len(cells)
    assert all(0 <= cell.column < COLUMNS and 0 <= cell.row < ROWS for cell in cells)


@given(PLACES)
def test_the_quarters_hold_what_the_whole_holds(places):
    keys = list(range(len(places)))
    held = [
        sum(1 + cell.others for cell in thinned(keys, part.within(places)))
        for part in Part().quarters
    ]
    assert sum(held) >= len(keys)


def test_the_one_nearest_to_the_middle_of_a_cell_stands_for_it():
    side = np.array([1 / COLUMNS, 1 / ROWS], dtype=np.float32)
    places = np.array([[0.1, 0.1], [0.5, 0.4], [0.9, 0.9]], dtype=np.float32) * side
    (cell,) = thinned(["a", "b", "c"], places)
    assert (cell.key, cell.others) == ("b", 2)
