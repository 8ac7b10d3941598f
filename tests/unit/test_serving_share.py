"""How many candidates are looked at for a slate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.serving.share import Share

counts = st.integers(0, 500)


@given(st.lists(st.tuples(counts, counts).map(sorted), max_size=30), st.integers(1, 100))
def test_never_fewer_than_wanted(seen, wanted):
    share = Share()
    for live, looked_at in seen:
        share.learn(live, looked_at)
    assert 0 < share.value <= 1
    assert share.enough_for(wanted) >= wanted


def test_a_shop_that_is_not_known_yet():
    assert Share().enough_for(8) >= 4 * 8


@pytest.mark.parametrize(("live", "most"), [(1.0, 9), (0.97, 13), (0.7, 28), (0.3, 90)])
def test_luck_is_allowed_for_but_no_more(live, most):
    share = Share()
    for _ in range(200):
        share.learn(int(100 * live), 100)
    assert 8 / live <= share.enough_for(8) <= most


def test_what_changes_is_learnt_again():
    share = Share()
    for _ in range(100):
        share.learn(100, 100)
    for _ in range(100):
        share.learn(20, 100)
    assert share.value == pytest.approx(0.2, abs=0.01)
