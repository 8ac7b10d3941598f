from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.trainers.behaviour import Events, count
from reco_plugin.trainers.following import Reach, Trail, blocks_of, following, trail
from reco_plugin.trainers.pairs import Config

ANY = Config(support=1, shoppers=1, confidence=0.0)


def of(*visits: tuple[int, list[int]], n_items: int = 6, **options: object) -> Trail:
    """(shopper, items in order) in the order of shoppers."""
    group = np.repeat(np.arange(len(visits)), [len(items) for _, items in visits])
    item = np.array([item for _, items in visits for item in items], dtype=np.int64)
    shopper = np.array([who for who, items in visits for _ in items], dtype=np.int64)
    at = np.arange(len(item))
    return trail(group, item, at, shopper, n_items=n_items, **options)  # type: ignore[arg-type]


def told(walked: Trail, config: Config = ANY, **options: object) -> dict[int, list[int]]:
    found = following(walked, Reach(**options)).lists(config)  # type: ignore[arg-type]
    return {row: found.items[part].tolist() for row, part in found}


def test_what_comes_after_is_told_and_what_came_before_is_not():
    assert told(of((0, [3, 1, 2]))) == {1: [2], 3: [1, 2]}


def test_a_second_look_changes_nothing():
    assert told(of((0, [3, 1, 3, 1, 2, 1]))) == {1: [2], 3: [1, 2]}


def test_no_further_than_the_reach():
    assert told(of((0, [0, 1, 2, 3])), steps=1) == {0: [1], 1: [2], 2: [3]}


def test_nearer_steps_weigh_more():
    found = following(of((0, [0, 1, 2]), (1, [0, 2])))
    assert sorted(found.blocks[0].weights.tolist()) == [1.0, 1.0, 1.5]
    assert found.lists(ANY).items.tolist() == [2, 1, 2]
    assert found.totals.lead.tolist()[:3] == [2.5, 1.0, 0.0]


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="steps"):
        Reach(steps=0)


def test_visits_do_not_run_into_each_other():
    assert told(of((0, [0, 1]), (0, [2, 3]))) == {0: [1], 2: [3]}


def test_one_person_is_one_person_however_many_visits():
    visits = [(0, [0, 1])] * 9 + [(1, [0, 1]), (2, [2, 3]), (3, [2, 3]), (4, [2, 3])]
    assert told(of(*visits), Config()) == {2: [3]}


def test_what_is_bought_in_one_basket_does_not_follow_itself():
    group, item = np.zeros(5, np.int64), np.array([0, 1, 2, 3, 0])
    steps = trail(group, item, np.arange(5), group, n_items=4, occasion=np.array([0, 0, 1, 1, 1]))
    assert steps.step.tolist() == [0, 0, 1, 1]
    assert told(steps) == {0: [2, 3], 1: [2, 3]}


def test_looked_at_then_bought():
    group, item = np.zeros(4, np.int64), np.array([0, 1, 1, 2])
    bought = np.array([False, False, True, False])
    steps = trail(group, item, np.arange(4), group, n_items=4, bought=bought)
    assert told(steps, flat=True) == {0: [1]}


def test_a_robot_is_heard_out_for_so_long_only():
    assert len(of((0, list(range(6))), longest=3)) == 3


def test_nothing_follows_nothing():
    assert told(of()) == {}


_VISITS = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.integers(0, 5), min_size=1, max_size=6)), max_size=25
)


@given(_VISITS, st.integers(1, 3), st.integers(1, 4))
def test_counts_are_those_of_counting_by_hand(visits, floor, reach):
    visits.sort(key=lambda visit: visit[0])
    who, support, weight = defaultdict(set), defaultdict(int), defaultdict(float)
    for shopper, items in visits:
        once = list(dict.fromkeys(items))
        for at, one in enumerate(once):
            for distance, other in enumerate(once[at + 1 : at + 1 + reach], start=1):
                who[one, other].add(shopper)
                support[one, other] += 1
                weight[one, other] += 1 / distance
    config = Config(support=floor, shoppers=floor, confidence=0.0, temper=0.0)
    pairs = following(of(*visits), Reach(steps=reach))
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
        assert found.scores[at] == pytest.approx(weight[one, other] / lead, rel=1e-5)


@given(_VISITS)
def test_the_size_of_a_block_changes_nothing(visits):
    visits.sort(key=lambda visit: visit[0])
    steps = of(*visits)
    whole = list(blocks_of(steps, Reach(steps=3)))
    parts = list(blocks_of(steps, Reach(steps=3), size=1))
    for name in ("support", "repeats"):
        one, many = (
            np.vstack([getattr(block, name).toarray() for block in blocks])
            for blocks in (whole, parts)
        )
        assert (one == many).all()


def test_a_later_basket_tells_as_much_as_the_next():
    """Everybody buys 0; half of them 1 the week after, the others 2 a month and three baskets later."""
    week = 7 * 24 * 3_600_000_000
    rows = [(who, 0, 0) for who in range(8)]
    rows += [(who, 1, week) for who in range(4)]
    rows += [(who, 3 + place, place * week) for who in range(4, 8) for place in (1, 2, 3)]
    rows += [(who, 2, 5 * week) for who in range(4, 8)]
    who, item, at = (np.array(column) for column in zip(*rows, strict=True))
    events = Events(
        shopper=who.astype(np.int32),
        item=item.astype(np.int32),
        at=at.astype(np.int64),
        bought=np.ones(len(rows), np.bool_),
        n_items=7,
    )
    (block,) = count(events)["bought_bought"].blocks
    weights = sparse.csr_matrix((block.weights, block.support.indices, block.support.indptr))
    assert weights[0, 1] == weights[0, 2] == 4
