"""After how many days the same product is bought again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.trainers.replenishment import DAY, intervals

START = 20_000


def purchases(*rows):
    """(shopper, item, day) as columns."""
    columns = np.asarray(rows, np.int64).reshape(-1, 3).T
    return columns[0], columns[1], (columns[2] + START) * DAY + DAY // 2


def every(item, days, shoppers, times=4, first=0):
    """So many shoppers, each buying it so often."""
    return [
        (first + who, item, who + turn * days) for who in range(shoppers) for turn in range(times)
    ]


def days_of(found):
    return dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


def test_each_product_has_its_own_interval():
    bought = purchases(*every(0, 30, 40), *every(1, 7, 40), *every(2, 90, 40))
    found = intervals(*bought, n_items=4)
    assert found.rows.tolist() == found.items.tolist() == [0, 1, 2]
    assert days_of(found) == pytest.approx({0: 30, 1: 7, 2: 90}, rel=0.1)
    assert found.facts["shoppers"].tolist() == [40, 40, 40]
    assert found.facts["spread"].tolist() == pytest.approx([0, 0, 0], abs=1e-9)


def test_what_is_bought_once_has_none():
    bought = purchases(*[(who, 0, who) for who in range(50)], *every(1, 7, 5))
    assert intervals(*bought, n_items=2).rows.tolist() == [1]


def test_the_floor_is_of_distinct_shoppers_who_bought_it_again():
    bought = purchases(*every(0, 7, 2, times=30), *every(1, 7, 3))
    assert intervals(*bought, n_items=2, least=3).rows.tolist() == [1]
    assert intervals(*bought, n_items=2, least=2).rows.tolist() == [0, 1]


def test_a_few_who_bought_a_second_one_make_no_habit():
    once = [(100 + who, 0, who) for who in range(500)]
    assert not len(intervals(*purchases(*once, *every(0, 7, 5)), n_items=1))


def test_several_orders_of_one_day_are_one():
    bought = purchases(*[(who, 0, 3) for who in range(9) for _ in range(4)])
    assert not len(intervals(*bought, n_items=1))


def test_who_buys_daily_counts_as_one_shopper():
    bought = purchases(*every(0, 30, 9), *every(0, 1, 1, times=200, first=50))
    found = intervals(*bought, n_items=1)
    assert found.facts["shoppers"].tolist() == [10]
    assert days_of(found)[0] > 25


def test_what_few_tell_of_is_drawn_to_its_category():
    random = np.random.default_rng(3)
    rows = []
    for item in range(40):
        usual = 10 if item % 2 else 60
        for who in range(12):
            gap = max(1, round(usual * float(np.exp(random.normal(0, 0.4)))))
            rows += [(who, item, 0), (who, item, gap)]
    few = [(who, 40, day) for who in range(3) for day in (0, 30)]
    category = np.asarray([item % 2 for item in range(40)] + [1])
    with_own, without = (
        days_of(intervals(*purchases(*rows, *few), n_items=41, category=told))[40]
        for told in (category, None)
    )
    assert 10 < with_own < without < 30.5


def test_no_purchase_at_all():
    assert not len(intervals(*purchases(), n_items=3))
    assert not len(intervals(*purchases(), n_items=0))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 300)), max_size=60),
    st.integers(1, 4),
)
def test_intervals_lie_between_a_day_and_the_whole_span(rows, least):
    found = intervals(*purchases(*rows), n_items=4, least=least, fair=0)
    assert ((found.scores >= 0.999) & (found.scores <= 300.1)).all()
    assert (found.facts["shoppers"] >= least).all()
    assert (found.facts["spread"] >= 0).all()
    assert ((found.facts["share"] > 0) & (found.facts["share"] <= 1)).all()
