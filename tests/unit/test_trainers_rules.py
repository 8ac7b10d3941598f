from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.trainers.occasions import Occasions, occasions
from reco_plugin.trainers.pairs import Config
from reco_plugin.trainers.rules import Limits, rules
from reco_plugin.trainers.together import together

EASY = Limits(support=1, improvement=1.0)


def baskets(*rows: tuple[int, list[int]], n_items: int = 6) -> Occasions:
    who = np.array([shopper for shopper, items in rows for _ in items], dtype=np.int64)
    what = np.array([item for _, items in rows for item in items], dtype=np.int64)
    number = np.repeat(np.arange(len(rows)), [len(items) for _, items in rows])
    return occasions(who, what, number, n_items=n_items)


def mined(
    rows: list[tuple[int, list[int]]], config: Config | None = None, limits: Limits = EASY
) -> dict[tuple[int, int, int], dict[str, float]]:
    """(first, with, item) → facts"""
    held, config = baskets(*rows), config or Config()
    found = rules(held, together(held), config, limits)
    return {
        (row, int(found.facts["with"][at]), int(found.items[at])): {
            name: float(values[at]) for name, values in found.facts.items()
        }
        for row, part in found
        for at in range(part.start, part.stop)
    }


def test_tent_and_stove_call_for_gas():
    """Neither alone says so."""
    rows = [(who, [0, 1, 2]) for who in range(4)]
    rows += [(10 + who, [0]) for who in range(8)] + [(20 + who, [1]) for who in range(8)]
    rows += [(30 + who, [0, 1]) for who in range(1)]
    found = mined(rows, limits=Limits(support=3))
    assert set(found) == {(0, 1, 2)}
    assert found[0, 1, 2]["support"] == 4
    assert found[0, 1, 2]["confidence"] == pytest.approx(0.8)
    assert found[0, 1, 2]["lift"] == pytest.approx(0.8 / (4 / 21))


def test_what_one_of_the_two_says_as_well_is_left_out():
    rows = [(who, [0, 1, 2]) for who in range(9)]
    assert mined(rows, limits=Limits(improvement=1.2)) == {}
    assert len(mined(rows, limits=Limits(improvement=1.0))) == 3


def test_one_person_makes_no_rule():
    rows = [(0, [0, 1, 2])] * 9 + [(who, [0, 1]) for who in range(1, 5)]
    assert mined(rows) == {}


def test_no_basket_no_rule():
    assert mined([]) == {}


@pytest.mark.parametrize("wrong", [{"antecedents": 0}, {"support": 0}, {"improvement": 0.5}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


_ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.integers(0, 4), min_size=1, max_size=5)), max_size=25
)


@given(_ROWS, st.integers(1, 3))
def test_rules_are_those_of_counting_by_hand(rows, floor):
    rows.sort(key=lambda row: row[0])
    who, support = defaultdict(set), defaultdict(int)
    for shopper, items in rows:
        for size in (1, 2, 3):
            for some in itertools.combinations(sorted(set(items)), size):
                who[some].add(shopper)
                support[some] += 1
    config = Config(support=floor, shoppers=floor, confidence=0.0, length=1_000)
    found = mined(rows, config, Limits(support=floor, improvement=1.0))
    expected = set()
    for some in [some for some in support if len(some) == 3 and len(who[some]) >= floor]:
        for item in some:
            one, two = (left for left in some if left != item)
            sure = support[some] / support[one, two]
            pairs = [support[tuple(sorted((half, item)))] / support[half,] for half in (one, two)]
            if support[one, two] >= floor and sure >= max(pairs) - 1e-12:
                expected.add((one, two, item))
    assert set(found) == expected
    for (one, two, item), facts in found.items():
        assert facts["shoppers"] == len(who[tuple(sorted((one, two, item)))])
        assert facts["support"] == support[tuple(sorted((one, two, item)))]
