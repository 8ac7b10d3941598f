from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.datasets import EventLog, build_reported, time_split
from reco_plugin.datasets.log import DAY
from reco_plugin.types import EventKind, IdMap

BASE = 20_000 * DAY


def log(events):
    """Events as (shopper, item, kind, second)."""
    columns = np.asarray(events, np.int64).reshape(-1, 4)
    return EventLog(
        shopper=columns[:, 0].astype(np.int32),
        item=columns[:, 1].astype(np.int32),
        kind=columns[:, 2].astype(np.uint8),
        at=BASE + columns[:, 3] * 1_000_000,
        quantity=np.ones(len(columns), np.int32),
        rating=np.full(len(columns), np.nan, np.float32),
        shoppers=IdMap(keys=np.arange(6)),
        items=IdMap(keys=np.arange(8)),
    )


events = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(1, 9), st.integers(0, 10**6)),
    max_size=60,
)


@given(events, st.floats(0, 1))
def test_nothing_learnt_comes_from_the_future(some, share):
    train, holdout, at = time_split(log(some), share=share)
    assert (train.at < at).all()
    assert (holdout.at >= at).all()
    assert len(train) + len(holdout) + sum(holdout.dropped.values()) == len(some)


@given(events)
def test_the_holdout_is_guessable_and_new(some):
    train, holdout, _ = time_split(log(some), share=0.5)
    known = set(zip(train.shopper.tolist(), train.item.tolist(), strict=True))
    shoppers, items = set(train.shopper.tolist()), set(train.item.tolist())
    for shopper, item in zip(holdout.shopper.tolist(), holdout.item.tolist(), strict=True):
        assert (shopper, item) not in known
        assert shopper in shoppers
        assert item in items


def test_the_share_lies_after_the_split():
    train, holdout, _ = time_split(
        log([(0, 0, 1, second) for second in range(100)]), share=0.2, old_items=True
    )
    assert (len(train), len(holdout)) == (80, 20)


def test_a_moment_may_be_given():
    some = log([(0, 0, 1, 0), (0, 1, 1, 100)])
    at = dt.datetime.fromtimestamp(BASE / 1e6 + 50, tz=dt.UTC)
    train, holdout, moment = time_split(some, at=at, unseen_items=True)
    assert (len(train), len(holdout)) == (1, 1)
    assert moment == BASE + 50_000_000
    assert time_split(some, at=moment)[1].dropped["unseen item"] == 1


def test_what_shows_no_interest_is_no_hit():
    some = [(0, 0, EventKind.VIEW_ITEM, 0), (1, 1, EventKind.VIEW_ITEM, 0)]
    later = [(0, 1, EventKind.DISMISS_ITEM, 9), (2, 1, EventKind.VIEW_ITEM, 9)]
    _, holdout, _ = time_split(log([*some, *later]), at=BASE + 5_000_000)
    assert len(holdout) == 0
    assert holdout.dropped["no interest"] == 1
    assert holdout.dropped["new shopper"] == 1


def test_a_wrong_share_is_refused():
    with pytest.raises(ValueError, match="share must lie in"):
        time_split(log([]), share=1.5)


@given(events)
def test_a_dataset_of_any_history_holds_together(some):
    train, holdout, _ = time_split(log(some))
    built = build_reported(train, holdout=holdout)
    dataset = built.dataset
    assert dataset.interactions.shape == dataset.holdout.shape == (6, 8)
    assert dataset.holdout.multiply(dataset.interactions).nnz == 0
    assert built.last_seen.shape == (6,)
    assert built.report.kept == len(train)
    assert built.report.lines()


def test_cells_of_large_shops_do_not_overflow():
    some = log([(5, 7, 1, 0)])
    wide = dataclasses.replace(some, items=IdMap(keys=np.broadcast_to(np.int64(0), 700_000_000)))
    assert wide.cells().tolist() == [5 * 700_000_000 + 7]
