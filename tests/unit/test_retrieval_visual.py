"""What looks alike and what completes a look; no database."""

import datetime as dt
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.ranking import fields
from reco_plugin.ranking.looks import completing
from reco_plugin.retrieval import SOURCES, Neighbours, Query, Related
from reco_plugin.retrieval.shop_the_look import LIKE, TWINS
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.types import Candidate, EventKind, ItemFacts, Rung

LOOK = SOURCES["shop_the_look"]


def together(key):
    return Related(relation="bought_together", key=key)


def twins(key):
    return Neighbours(key=key, k=TWINS, of="visual")


def scored(*pairs):
    return [Scored(key=key, score=score) for key, score in pairs]


def candidate(key, line=1, score=0.5):
    return Candidate(
        key=key,
        score=score,
        source="shop_the_look",
        rung=Rung.CONTEXTUAL,
        reason=f"goes_with_look:{line}",
    )


def unit(angle):
    return np.array([math.cos(angle), math.sin(angle)], dtype=np.float32)


def facts(key, shelf, gender=""):
    return ItemFacts(key=key, categories=(shelf,), attributes={"gender": gender} if gender else {})


# --- looked up -----------------------------------------------------------------------------------


def test_pictures_are_asked_of_the_run_of_pictures():
    query = Query(anchors=(1,), k=5)
    assert SOURCES["visually_similar"].lookups(query) == (Neighbours(key=1, k=5, of="visual"),)
    assert SOURCES["contextual"].lookups(query) == (Neighbours(key=1, k=5),)
    answers = {Neighbours(key=1, k=5): scored((7, 0.9))}
    assert SOURCES["visually_similar"].candidates(query, answers) == []


def test_twins_are_followed_only_where_nothing_was_bought_with_the_product():
    query = Query(anchors=(1,))
    assert LOOK.lookups(query) == (together(1), twins(1))
    near = {twins(1): scored((8, 0.9), (9, 0.5))}
    assert LOOK.following(query, {**near, together(1): scored((5, 0.4))}) == ()
    assert LOOK.following(query, near) == (together(8), together(9))
    assert LOOK.following(query, {}) == ()


def test_a_twin_is_believed_as_far_as_it_looks_alike():
    answers = {
        twins(1): scored((8, 0.9), (9, 0.5), (10, -0.2)),
        together(8): scored((20, 0.5), (1, 0.9)),
        together(9): scored((21, 0.8), (20, 0.9)),
        together(10): scored((22, 1.0)),
    }
    found = LOOK.candidates(Query(anchors=(1,)), answers)
    assert [(one.key, one.reason) for one in found] == [
        (20, "goes_with_look:1"),
        (21, "goes_with_look:1"),
    ]
    assert [one.score for one in found] == [0.45, 0.4]


def test_of_a_cart_few_lines_are_looked_at_for_twins():
    asked = LOOK.lookups(Query(cart=tuple(range(1, 40))))
    assert [one.key for one in asked if isinstance(one, Neighbours)] == list(range(1, LIKE + 1))


def view(key, hours):
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) - dt.timedelta(hours=hours)
    return PastEvent(key=key, kind=EventKind.VIEW_ITEM, occurred_at=at, vector=None)


def test_what_is_liked_is_known_before_what_only_looks_alike():
    query = Query(events=(view(1, 0),), k=5)
    seen = Neighbours(key=1, k=5, of="visual")
    found = SOURCES["personal"].candidates(query, {seen: scored((7, 0.9), (8, 0.8))})
    assert [(one.key, one.reason) for one in found] == [(7, "looks_like:1"), (8, "looks_like:1")]
    both = {seen: scored((7, 0.9)), Neighbours(key=1, k=5): scored((6, 0.5))}
    assert [one.key for one in SOURCES["personal"].candidates(query, both)] == [6, 7]


def test_a_look_at_something_only_seen_stands_in_for_what_nobody_went_on_from():
    """The newest product has no behaviour and no features, only a picture."""
    query = Query(events=(view(1, 0), view(2, 1)), k=5)
    answers = {
        Related(relation="viewed_viewed", key=2): scored(*((20 + at, 1.0) for at in range(10))),
        Neighbours(key=1, k=5, of="visual"): scored((7, 0.9), (8, 0.8)),
    }
    found = SOURCES["personal"].candidates(query, answers)
    assert {7, 8} <= {one.key for one in found[:4]}


# --- matched -------------------------------------------------------------------------------------


def test_the_best_match_of_each_category_comes_first_whatever_the_category():
    """All shoes are further from the shirt than all trousers, as pictures of shoes are."""
    looks = {1: unit(0)} | {10 + at: unit(0.2 + 0.1 * at) for at in range(3)}
    looks |= {20 + at: unit(1.2 + 0.1 * at) for at in range(3)}
    known = {1: facts(1, "Shirts")} | {key: facts(key, "Trousers") for key in range(10, 13)}
    known |= {key: facts(key, "Shoes") for key in range(20, 23)}
    offered = [candidate(key) for key in (11, 21, 10, 20)]
    assert [one.key for one in completing(offered, (1,), known, looks)] == [11, 10, 21, 20]


def test_what_is_for_somebody_else_does_not_complete_a_look():
    looks = {key: unit(0) for key in range(1, 6)}
    known = {
        1: facts(1, "Shirts", "female"),
        2: facts(2, "Shoes", "male"),
        3: facts(3, "Shoes", "unisex"),
        4: facts(4, "Shoes", "female"),
        5: facts(5, "Shirts > Blouses", "female"),
    }
    offered = [candidate(key) for key in (2, 3, 4, 5)]
    assert {one.key for one in completing(offered, (1,), known, looks)} == {3, 4, 5}


@given(
    offered=st.lists(
        st.tuples(st.integers(3, 30), st.sampled_from([1, 2, 99])),
        max_size=25,
        unique_by=lambda x: x[0],
    ),
    seen=st.sets(st.integers(1, 30)),
    shelves=st.lists(st.sampled_from(["A", "B", "C", ""]), min_size=31, max_size=31),
    angles=st.lists(st.floats(0, 3.1), min_size=31, max_size=31),
)
def test_whatever_is_offered(offered, seen, shelves, angles):
    known = {key: facts(key, shelves[key]) for key in range(31)}
    looks = {key: unit(angles[key]) for key in seen}
    candidates = [candidate(key, line) for key, line in offered]
    found = completing(candidates, (1, 2), known, looks)
    keys = [one.key for one in found]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= {one.key for one in candidates} & seen
    held = fields.echoes(known[1], "category") | fields.echoes(known[2], "category")
    for one in found:
        assert int(one.reason.partition(":")[2]) in {1, 2} & seen
        assert not fields.echoes(known[one.key], "category") & held
        assert 0 < one.score <= 1
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    if any(one.key in seen and int(one.reason[-1]) in seen for one in candidates if held == set()):
        assert found, "of several something always matches best"
