from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.trainers.around import around
from reco_plugin.trainers.following import Trail, trail
from reco_plugin.trainers.pairs import Config


def of(*visits: tuple[int, list[int]], n_items: int = 6) -> Trail:
    group = np.repeat(np.arange(len(visits)), [len(items) for _, items in visits])
    item = np.array([item for _, items in visits for item in items], dtype=np.int64)
    shopper = np.array([who for who, items in visits for _ in items], dtype=np.int64)
    return trail(group, item, np.arange(len(item)), shopper, n_items=n_items)


def test_before_counts_too_but_for_less():
    found = around(of((0, [0, 1]), (1, [0, 1]), (2, [1, 0])), backward=0.25)
    lists = found.lists(Config(temper=0.0))
    assert lists.items.tolist() == [1, 0]
    assert lists.facts["shoppers"].tolist() == [3, 3]
    assert found.totals.lead.tolist()[:2] == [2.25, 1.5]


def test_no_visit_no_pair():
    assert len(around(of(), backward=0.3).lists(Config())) == 0


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match="backward"):
        around(of(), backward=wrong)


_VISITS = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.integers(0, 5), min_size=1, max_size=6)), max_size=25
)


@given(_VISITS, st.integers(1, 3), st.sampled_from((0.0, 0.3, 1.0)))
def test_counts_are_those_of_counting_by_hand(visits, floor, backward):
    visits.sort(key=lambda visit: visit[0])
    who, support, weight = defaultdict(set), defaultdict(int), defaultdict(float)
    for shopper, items in visits:
        once = list(dict.fromkeys(items))
        for at, one in enumerate(once):
            for place, other in enumerate(once):
                if one != other:
                    who[one, other].add(shopper)
                    support[one, other] += 1
                    share = 1.0 if place > at else backward
                    weight[one, other] += share / abs(place - at)
    config = Config(support=floor, shoppers=floor, confidence=0.0, temper=0.0)
    pairs = around(of(*visits), backward=backward)
    found = pairs.lists(config)
    entries = {
        (row, int(found.items[at])): at
        for row, part in found
        for at in range(part.start, part.stop)
    }
    assert set(entries) == {pair for pair, people in who.items() if len(people) >= floor}
    for (one, other), at in entries.items():
        assert found.facts["support"][at] == support[one, other]
        assert found.facts["shoppers"][at] == len(who[one, other])
        lead = sum(value for (first, _), value in weight.items() if first == one)
        if lead:
            assert found.scores[at] == pytest.approx(weight[one, other] / lead, rel=1e-5)
    alike = pairs.unordered().lists(config)
    assert len(alike.items) == len(found.items)
