from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.trainers import ledger
from reco_plugin.trainers.behaviour import Events, configs, count
from reco_plugin.trainers.pairs import Pairs
from reco_plugin.trainers.related import RelatedLists, best_of

MINUTE = 60_000_000
ITEMS = 5


def events(rows: list[tuple[int, int, int, bool]], n_items: int = ITEMS) -> Events:
    """(shopper, item, minute, bought)"""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Events(
        shopper=columns[:, 0].astype(np.int32),
        item=columns[:, 1].astype(np.int32),
        at=columns[:, 2] * MINUTE,
        bought=columns[:, 3].astype(bool),
        n_items=n_items,
    )


def same(one: Pairs, other: Pairs) -> None:
    mine, theirs = (ledger.whole(pairs).blocks[0] for pairs in (one, other))
    for name in ("support", "repeats"):
        assert (getattr(mine, name).toarray() == getattr(theirs, name).toarray()).all()
    for name in ("held", "lead", "follow"):
        told = [getattr(pairs.totals, name) for pairs in (one, other)]
        assert told[0] == pytest.approx(told[1], abs=1e-4)
    assert one.totals.occasions == other.totals.occasions


def as_dict(lists: RelatedLists) -> dict[tuple[int, int], float]:
    return {
        (row, int(lists.items[at])): float(lists.scores[at])
        for row, part in lists
        for at in range(part.start, part.stop)
    }


_EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, ITEMS - 1), st.integers(0, 200), st.booleans()),
    max_size=40,
    unique_by=lambda row: row[:3],
)


@settings(deadline=None)
@given(_EVENTS, st.integers(0, 200))
def test_a_day_added_is_as_good_as_counting_everything(rows, moment):
    """Whatever is cut by the moment: a visit, a basket, a shopper's life."""
    old = [row for row in rows if row[2] < moment]
    here = {row[0] for row in rows if row[2] >= moment}
    theirs = [row for row in rows if row[0] in here]
    base, whole = count(events(old)), count(events(rows))
    after, before = count(events(theirs)), count(events([row for row in theirs if row in old]))
    config = configs({"shoppers": 2, "support": 2, "confidence": 0.0})
    for relation, pairs in base.items():
        delta = ledger.added(after[relation], before[relation], -1)
        now = ledger.added(pairs, delta)
        same(now, whole[relation])
        _only_changed_lists_change(delta, pairs, now, config[relation])


def _only_changed_lists_change(delta, old, now, config):
    touched = set(ledger.changed(delta, now, config).tolist())
    earlier, later = as_dict(old.lists(config)), as_dict(now.lists(config))
    for pair in set(earlier) ^ set(later):
        assert pair[0] in touched
    part = ledger.some(now, np.array(sorted(touched), np.int64))
    told = as_dict(part.lists(config))
    assert told == pytest.approx({pair: later[pair] for pair in later if pair[0] in touched})


@settings(deadline=None)
@given(_EVENTS)
def test_counts_come_back_from_a_file(rows):
    for relation, pairs in count(events(rows)).items():
        back = ledger.from_arrays(ledger.to_arrays({relation: pairs}))[relation]
        same(pairs, back)
        assert as_dict(back.lists(configs({})[relation])) == as_dict(
            pairs.lists(configs({})[relation])
        )


def test_new_products_come_after_the_known_ones():
    pairs = count(events([(who, item, 0, True) for who in range(3) for item in (0, 1)]))
    wider = ledger.widened(pairs["bought_together"], ITEMS + 2)
    config = configs({})["bought_together"]
    assert wider.n_items == ITEMS + 2
    assert as_dict(wider.lists(config)) == as_dict(pairs["bought_together"].lists(config))


def test_what_may_not_be_shown_is_left_out():
    pairs = count(events([(who, item, 0, True) for who in range(3) for item in (0, 1, 2)]))
    hidden = np.zeros(ITEMS, bool)
    hidden[1] = True
    part = ledger.some(pairs["bought_together"], np.array([0]), without=hidden)
    assert set(as_dict(part.lists(configs({})["bought_together"]))) == {(0, 2)}


def test_a_list_is_written_again_when_it_reads_differently():
    def lists(supports: list[int], items: list[int]) -> RelatedLists:
        numbers = np.array(supports)
        rows = np.zeros(len(items), np.int64)
        return best_of(rows, np.array(items), numbers.astype(float), {"support": numbers}, 50)

    old = lists([100, 50], [1, 2])
    assert ledger.moved(old, lists([105, 50], [1, 2])).tolist() == []
    assert ledger.moved(old, lists([120, 50], [1, 2])).tolist() == [0]
    assert ledger.moved(old, lists([50, 100], [1, 2])).tolist() == [0]
    assert ledger.moved(old, lists([100], [1])).tolist() == [0]
    assert ledger.moved(old, lists([], [])).tolist() == [0]
    assert ledger.moved(lists([], []), old).tolist() == [0]
