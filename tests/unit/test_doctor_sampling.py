from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.doctor.sampling import sample, variety


def test_lists_that_share_nothing_are_wholly_various():
    assert variety([[1, 2], [3, 4], [5, 6]], 600) == pytest.approx(0.669, abs=0.01)
    assert variety([[n, n + 1] for n in range(500)], 501) > 0.99


def test_one_product_in_every_list_is_no_variety():
    assert variety([[0, n] for n in range(1, 50)], 500) == 0


def test_what_a_small_shop_forces_is_not_held_against_it():
    assert variety([[2, 3], [1, 3], [1, 2]], 3) == 1


def test_half_the_products_without_a_list_fill_half_the_places():
    found = sample([[1, 2], [3, 4], [], []], asked=4, wanted=2, items=100)
    assert (found.size, found.answered, found.length) == (0.5, 2, 2.0)


def test_nothing_was_asked():
    found = sample([], asked=0, wanted=8, items=0)
    assert (found.size, found.variety, found.length) == (0, 0, 0)


@given(
    st.lists(st.lists(st.integers(0, 20), max_size=12, unique=True), max_size=20),
    st.integers(1, 12),
    st.integers(0, 30),
)
def test_figures_are_shares(lists, wanted, items):
    found = sample(lists, asked=len(lists), wanted=wanted, items=items)
    assert 0 <= found.size <= 1
    assert 0 <= found.variety <= 1
