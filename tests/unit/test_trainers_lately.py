from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.trainers import ledger
from reco_plugin.trainers.behaviour import Events, configs, count
from reco_plugin.trainers.lately import DAY, DAYS, lately

ITEMS = 4


def told(rows: list[tuple[int, int, int]]) -> np.ndarray:
    """(shopper, item, day)"""
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return lately(columns[:, 0], columns[:, 1], columns[:, 2] * DAY, n_items=ITEMS)


def steady(item: int, days: range) -> list[tuple[int, int, int]]:
    """A shopper of their own each day."""
    return [(1_000 * item + day, item, day) for day in days]


def test_what_is_of_the_season_counts_more_and_what_was_counts_less():
    always = steady(0, range(100)) + steady(1, range(100))
    found = told(always + steady(2, range(90, 100)) + steady(3, range(10)))
    assert found[2] > 1.5 > 1.2 > found[0] == pytest.approx(found[1])
    assert found[3] < 0.9


def test_a_shop_without_seasons_has_none():
    found = told([row for item in range(ITEMS) for row in steady(item, range(100))])
    assert found == pytest.approx(np.ones(ITEMS), abs=0.01)


@pytest.mark.parametrize("rows", [[], steady(0, range(DAYS))])
def test_too_short_a_log_tells_no_season(rows):
    assert told(rows).tolist() == [1.0] * ITEMS


_ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, ITEMS - 1), st.integers(0, 60)), max_size=40
)


@settings(deadline=None)
@given(_ROWS)
def test_it_is_a_positive_number_whoever_bought_what(rows):
    found = told(rows)
    assert found.shape == (ITEMS,)
    assert np.isfinite(found).all()
    assert (found > 0).all()


def bought(rows: list[tuple[int, int, int]]) -> Events:
    columns = np.array(rows, np.int64)
    return Events(
        shopper=columns[:, 0].astype(np.int32),
        item=columns[:, 1].astype(np.int32),
        at=columns[:, 2] * DAY,
        bought=np.ones(len(columns), bool),
        n_items=ITEMS,
    )


def test_of_what_follows_equally_often_the_one_of_the_season_comes_first():
    """Items 1 and 2 each follow item 0 for ten shoppers; 1 has its time now."""
    followed = [(who, item, day) for who in range(10) for item, day in ((0, 0), (1, 30), (2, 60))]
    now = [(100 + who, 1, 100) for who in range(30)]
    then = [(200 + who, 2, 20) for who in range(30)]
    counted = count(bought(followed + now + then))
    lists = counted["bought_bought"].lists(configs({})["bought_bought"])
    first = {row: lists.items[part].tolist() for row, part in lists}[0]
    assert first == [1, 2]
    assert counted["bought_together"].totals.lately is None


def test_the_season_is_kept_with_the_counts_and_new_products_have_none():
    counted = count(bought(steady(0, range(60)) + steady(1, range(50, 60))))["bought_bought"]
    kept = ledger.from_arrays(ledger.to_arrays({"x": counted}))["x"]
    wider = ledger.added(ledger.widened(kept, ITEMS + 1), ledger.widened(counted, ITEMS + 1), -1)
    season = wider.totals.lately
    assert season is not None
    assert season[:ITEMS] == pytest.approx(counted.totals.lately)
    assert season[ITEMS] == 1.0
