from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.trainers.occasions import Occasions, occasions, visit_numbers
from reco_plugin.trainers.pairs import Config
from reco_plugin.trainers.related import RelatedLists
from reco_plugin.trainers.together import blocks_of, together

MINUTE = 60_000_000


def baskets(*rows: tuple[int, list[int]], n_items: int = 6) -> Occasions:
    """(shopper, items) in the order of shoppers."""
    who = np.array([shopper for shopper, items in rows for _ in items], dtype=np.int64)
    what = np.array([item for _, items in rows for item in items], dtype=np.int64)
    number = np.repeat(np.arange(len(rows)), [len(items) for _, items in rows])
    return occasions(who, what, number, n_items=n_items)


def lists(found: Occasions, config: Config | None = None) -> RelatedLists:
    return together(found).lists(config or Config())


def as_dict(found: RelatedLists) -> dict[int, list[int]]:
    return {row: found.items[part].tolist() for row, part in found}


def test_a_visit_ends_with_half_an_hour_of_silence():
    shopper = np.array([1, 0, 0, 1, 0])
    at = np.array([0, 61, 0, 30, 30]) * MINUTE
    assert visit_numbers(shopper, at).tolist() == [2, 1, 0, 2, 0]


def test_the_figures_of_a_pair():
    found = lists(baskets(*[(who, [0, 1]) for who in range(4)], (4, [0]), (5, [2]), (6, [2])))
    assert as_dict(found) == {0: [1], 1: [0]}
    assert found.facts["support"].tolist() == [4, 4]
    assert found.facts["confidence"].tolist() == [0.8, 1.0]
    assert found.facts["lift"] == pytest.approx([0.8 / (4 / 7), 1 / (5 / 7)])
    assert found.facts["shoppers"].tolist() == [4, 4]


def test_what_one_person_repeats_is_nobodys_business():
    many = [(0, [0, 1]) for _ in range(50)] + [(1, [0, 1]), (2, [2, 3]), (3, [2, 3]), (4, [2, 3])]
    found = lists(baskets(*many))
    assert as_dict(found) == {2: [3], 3: [2]}


def test_a_basket_of_everything_says_nothing():
    rows = [(who, list(range(6))) for who in range(9)] + [(9 + who, [0, 1]) for who in range(3)]
    assert as_dict(together(baskets(*rows), largest=5).lists(Config())) == {0: [1], 1: [0]}


def test_no_basket_no_list():
    assert len(lists(baskets())) == 0


@pytest.mark.parametrize(
    "wrong", [{"temper": 2.0}, {"support": 0}, {"confidence": 2.0}, {"prior": -1}]
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Config(**wrong)


_ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.integers(0, 5), min_size=1, max_size=5)), max_size=30
)


@given(_ROWS, st.integers(1, 4), st.sampled_from((0.0, 0.25, 0.5)))
def test_every_pair_that_is_told_has_its_shoppers_and_no_other_is(rows, floor, temper):
    rows.sort(key=lambda row: row[0])
    who, support = defaultdict(set), defaultdict(int)
    alone = defaultdict(int)
    for shopper, items in rows:
        for item in set(items):
            alone[item] += 1
        for pair in itertools.permutations(set(items), 2):
            who[pair].add(shopper)
            support[pair] += 1
    config = Config(support=floor, shoppers=floor, confidence=0.0, temper=temper)
    found = lists(baskets(*rows), config)
    told = {
        (row, int(found.items[at])): at
        for row, part in found
        for at in range(part.start, part.stop)
    }
    assert set(told) == {pair for pair, people in who.items() if len(people) >= floor}
    for (one, other), at in told.items():
        assert found.facts["support"][at] == support[one, other]
        assert found.facts["shoppers"][at] == len(who[one, other])
        assert found.facts["confidence"][at] == pytest.approx(support[one, other] / alone[one])
    for _, part in found:
        assert (np.diff(found.scores[part]) <= 0).all()


@given(_ROWS)
def test_the_size_of_a_block_changes_nothing(rows):
    rows.sort(key=lambda row: row[0])
    many = baskets(*rows)
    whole = next(blocks_of(many), None)
    parts = list(blocks_of(many, 1))
    for name in ("support", "repeats"):
        one = getattr(whole, name).toarray()
        assert (np.vstack([getattr(part, name).toarray() for part in parts]) == one).all()
