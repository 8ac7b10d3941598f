"""The steps of serving that need no database."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.pipeline import ordered, personal_vector
from reco_plugin.retrieval import Neighbours, Popular, PopularInCategory, Query, Ranked, Similar
from reco_plugin.retrieval.base import chain
from reco_plugin.serving.filling import Filling
from reco_plugin.stores.base import History, PastEvent, Scored
from reco_plugin.types import Candidate, EventKind, Rung

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WEIGHTS = {EventKind.VIEW_ITEM: 1.0, EventKind.ADD_TO_CART: 3.0, EventKind.REMOVE_FROM_CART: -2.0}


def candidate(key: int, score: float = 1.0) -> Candidate:
    return Candidate(key=key, score=score, source="x", rung=Rung.PERSONAL)


def event(vector, kind=EventKind.VIEW_ITEM, days=1.0, key=1) -> PastEvent:
    return PastEvent(
        key=key,
        kind=kind,
        occurred_at=NOW - dt.timedelta(days=days),
        vector=None if vector is None else np.asarray(vector, dtype=np.float32),
    )


@given(
    keys=st.lists(st.integers(0, 30)),
    live=st.dictionaries(st.integers(0, 30), st.integers(0, 6)),
    without=st.sets(st.integers(0, 30)),
    limit=st.integers(0, 12),
)
def test_a_slate_holds_each_live_group_once_in_order(keys, live, without, limit):
    filling = Filling(limit=limit)
    offered = ordered([candidate(key, -place) for place, key in enumerate(keys)], without=without)
    filling.take(offered, {key: (f"p{key}", group) for key, group in live.items()}, {"x": 1})
    shown = [item.key for item in filling.items]
    possible = {live[key] for key in keys if key in live and key not in without}
    assert len(shown) == min(limit, len(possible))
    assert len({live[key] for key in shown}) == len(shown)
    assert not set(shown) & without
    assert [item.position for item in filling.items] == list(range(len(shown)))
    assert [item.score for item in filling.items] == sorted(
        (item.score for item in filling.items), reverse=True
    )


def test_similar_keeps_the_best_cosine_and_leaves_anchors_out():
    query = Query(anchors=(1, 2), k=3)
    answers = {
        Neighbours(key=1, k=3): [Scored(key=2, score=0.9), Scored(key=5, score=0.5)],
        Neighbours(key=2, k=3): [Scored(key=5, score=0.8), Scored(key=6, score=0.1)],
    }
    found = Similar().candidates(query, answers)
    assert [(each.key, each.score, each.reason) for each in found] == [
        (5, 0.8, "similar_to:2"),
        (6, 0.1, "similar_to:2"),
    ]


def test_popular_lists_go_from_narrow_to_wide():
    query = Query(categories=chain("A > B > C"))
    lookups = PopularInCategory().lookups(query)
    assert [lookup.segment for lookup in lookups] == ["A > B > C", "A > B", "A"]
    assert Popular().lookups(query) == (Ranked(segment=""),)


# --- the shopper's vector ------------------------------------------------------------------------


def test_the_newest_and_the_strongest_event_weigh_most():
    events = (event([1, 0], days=0), event([0, 1], days=0))
    found = personal_vector(History(events=events, vector=None), {}, weights=WEIGHTS, norm=2.0)
    assert found[0] > found[1] > 0
    assert np.linalg.norm(found) == pytest.approx(2.0)
    slow, quick = (
        personal_vector(
            History(events=events, vector=None), {"recency": recency}, weights=WEIGHTS, norm=2.0
        )
        for recency in (0.95, 0.5)
    )
    assert slow[1] / slow[0] == pytest.approx(0.95)
    assert quick[1] / quick[0] == pytest.approx(0.5)
    carted = (event([1, 0], days=0), event([0, 1], EventKind.ADD_TO_CART, days=0))
    found = personal_vector(History(events=carted, vector=None), {}, weights=WEIGHTS, norm=2.0)
    assert found[1] > found[0]


@pytest.mark.parametrize(
    "events",
    [
        (),
        (event(None),),
        (event([1, 0], EventKind.SEARCH),),
        (event([1, 0], EventKind.REMOVE_FROM_CART),),
    ],
)
def test_nothing_liked_is_no_vector(events):
    assert personal_vector(History(events=events, vector=None), {}, weights=WEIGHTS) is None


def test_a_trained_vector_stands_until_there_is_news():
    trained = np.array([1, 0], dtype=np.float32)
    config = {"shopper_vector": "trained"}
    history = History(events=(event([0, 1], days=2),), vector=trained)
    same = personal_vector(history, config, weights=WEIGHTS, learnt_at=NOW - dt.timedelta(days=1))
    assert same.tolist() == [1, 0]
    moved = personal_vector(history, config, weights=WEIGHTS, learnt_at=NOW - dt.timedelta(days=3))
    assert moved[1] > 0
    assert np.linalg.norm(moved) == pytest.approx(1.0)


@given(
    rows=st.lists(
        st.tuples(
            st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3),
            st.sampled_from(list(EventKind)),
            st.floats(0, 4000),
        ),
        max_size=12,
    ),
    trained=st.booleans(),
)
def test_a_vector_is_always_finite(rows, trained):
    events = tuple(event(*row) for row in rows)
    own = np.ones(3, dtype=np.float32) if trained else None
    found = personal_vector(
        History(events=events, vector=own),
        {"shopper_vector": "trained"},
        weights=WEIGHTS,
        learnt_at=NOW - dt.timedelta(days=5),
    )
    assert found is None or (found.shape == (3,) and np.isfinite(found).all())
