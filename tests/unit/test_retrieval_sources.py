"""What each source makes of a query; no database."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.retrieval import (
    SOURCES,
    Linked,
    Nearest,
    Neighbours,
    Newest,
    Query,
    Ranked,
    Related,
)
from reco_plugin.retrieval.because_you_viewed import BecauseYouViewed
from reco_plugin.retrieval.buy_again import interval
from reco_plugin.retrieval.events import CART_ANCHORS, basket, recent, turned_down
from reco_plugin.retrieval.fusion import Offer, fuse
from reco_plugin.retrieval.taste import by_taste
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.types import Candidate, EventKind, Rung

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
VIEW, CART, OUT = EventKind.VIEW_ITEM, EventKind.ADD_TO_CART, EventKind.REMOVE_FROM_CART
BUY, WISH, NOT = EventKind.PURCHASE, EventKind.ADD_TO_WISHLIST, EventKind.DISMISS_ITEM


def events(*told, step=dt.timedelta(hours=1)):
    """(key, kind), newest first, an hour apart."""
    return tuple(
        PastEvent(key=key, kind=kind, occurred_at=NOW - at * step, vector=None)
        for at, (key, kind) in enumerate(told)
    )


def scored(*keys):
    return [Scored(key=key, score=1 / place) for place, key in enumerate(keys, start=1)]


def keys(found):
    return [candidate.key for candidate in found]


def reasons(found):
    return {candidate.key: candidate.reason for candidate in found}


# --- what goes with something ----------------------------------------------------------------------


def test_together_with_a_product_or_with_the_cart():
    source = SOURCES["bought_together"]
    page = Query(anchors=(1,), cart=(2, 3))
    assert source.lookups(page) == (Related(relation="bought_together", key=1),)
    assert source.lookups(Query(cart=(2, 3, 2))) == tuple(
        Related(relation=relation, key=key)
        for relation in ("bought_together", "rules")
        for key in (2, 3)
    )


def test_a_rule_is_heard_when_all_of_its_left_side_is_in_the_cart():
    rules = [
        Scored(key=9, score=0.9, facts={"confidence": 0.9}, beside="3"),
        Scored(key=8, score=0.8, beside="4"),
    ]
    answers = {
        Related(relation="bought_together", key=2): [Scored(key=9, score=0.5)],
        Related(relation="rules", key=2): rules,
    }
    found = SOURCES["bought_together"].candidates(Query(cart=(2, 3)), answers)
    assert [(one.key, one.score, one.facts) for one in found] == [(9, 0.9, {"confidence": 0.9})]


def test_of_a_cart_the_best_line_speaks_and_is_named():
    answers = {
        Related(relation="bought_together", key=2): [
            Scored(key=9, score=0.2),
            Scored(key=3, score=0.9),
        ],
        Related(relation="bought_together", key=3): [
            Scored(key=9, score=0.4, facts={"confidence": 0.4}),
            Scored(key=8, score=0.3),
        ],
    }
    found = SOURCES["bought_together"].candidates(Query(cart=(2, 3)), answers)
    assert keys(found) == [9, 8]
    assert found[0].reason == "bought_with:3"
    assert found[0].facts == {"confidence": 0.4}


def test_what_follows_several_of_an_order_adds_up():
    answers = {
        Related(relation="bought_bought", key=2): [
            Scored(key=9, score=0.5),
            Scored(key=8, score=0.4),
        ],
        Related(relation="bought_bought", key=3): [
            Scored(key=8, score=0.3),
            Scored(key=2, score=1.0),
        ],
    }
    found = SOURCES["bought_bought"].candidates(Query(cart=(2, 3)), answers)
    assert keys(found) == [8, 9]
    assert found[0].score == pytest.approx(0.7)
    assert found[0].reason == "bought_after:2"


def test_a_cart_of_500_lines_is_looked_up_by_its_newest():
    query = Query(cart=tuple(range(500)))
    asked = SOURCES["bought_together"].lookups(query)
    assert [lookup.key for lookup in asked] == list(range(CART_ANCHORS)) * 2


def test_after_the_order_it_stands_in_for_the_cart():
    past = events((5, BUY), (6, BUY), (1, VIEW))
    assert basket(Query(events=past, now=NOW)) == (5, 6)
    assert basket(Query(events=past, now=NOW + dt.timedelta(days=2))) == ()
    assert basket(Query(events=past)) == ()


def test_directions_are_not_mixed_up():
    answers = {
        Related(relation="viewed_viewed", key=1): scored(2),
        Related(relation="viewed_bought", key=1): scored(3),
    }
    query = Query(anchors=(1,))
    assert reasons(SOURCES["viewed_viewed"].candidates(query, answers)) == {2: "viewed_after:1"}
    assert reasons(SOURCES["viewed_bought"].candidates(query, answers)) == {
        3: "bought_after_viewing:1"
    }


def test_links_keep_the_merchandiser_s_order():
    answers = {Linked(key=1): scored(7, 8, 2), Linked(key=2): scored(8, 9)}
    found = SOURCES["manual"].candidates(Query(cart=(1, 2)), answers)
    assert keys(found) == [7, 8, 9]
    assert reasons(found) == {7: "linked:1", 8: "linked:2", 9: "linked:2"}


# --- what one shopper did --------------------------------------------------------------------------


def test_recently_viewed_newest_first_once_each():
    past = events((1, VIEW), (2, VIEW), (1, VIEW), (3, CART), (4, EventKind.SELECT_ITEM), (9, VIEW))
    found = SOURCES["recently_viewed"].candidates(Query(events=past, anchors=(9,)), {})
    assert keys(found) == [1, 2, 4]
    assert set(reasons(found).values()) == {"recent"}


def test_what_was_turned_down_is_not_brought_up_again_until_it_is_wanted_again():
    past = events((1, VIEW), (1, NOT), (2, NOT), (2, VIEW), (3, EventKind.REFUND), (3, BUY))
    assert turned_down(past) == {2, 3}
    assert recent(past) == (1,)


def test_continue_shopping():
    past = events(
        (1, VIEW), (2, CART), (3, VIEW), (3, VIEW), (4, OUT), (4, CART), (5, BUY), (5, CART),
        (6, WISH), (7, NOT), (7, CART), (8, CART), (5, VIEW), (5, VIEW), (9, VIEW), (9, BUY), (9, CART),
    )  # fmt: skip
    found = SOURCES["continue_shopping"].candidates(Query(events=past, cart=(8,)), {})
    assert reasons(found) == {2: "in_cart_before", 3: "looked_at_again", 6: "wished_for"}
    assert keys(found) == [2, 6, 3]


def test_because_you_viewed_has_one_anchor_with_enough_to_say():
    source = BecauseYouViewed()
    past = events((1, VIEW), (2, VIEW), (3, BUY), (3, VIEW), (4, VIEW), (5, VIEW))
    query = Query(events=past, cart=(4,))
    answers = {
        Related(relation="viewed_viewed", key=1): scored(11),
        Related(relation="viewed_viewed", key=2): scored(21, 22),
        Neighbours(key=2, k=query.k): scored(22, 23, 24, 1),
    }
    assert {lookup.key for lookup in source.lookups(query)} == {1, 2, 5}
    assert source.anchor(query, answers) == 2
    found = source.candidates(query, answers)
    assert keys(found)[0] == 22  # both ways agree on it
    assert {candidate.reason for candidate in found} == {"because_viewed:2"}
    assert source.anchor(query, {}) is None
    assert source.candidates(query, {}) == []


def test_buy_again_what_is_due_first():
    day = dt.timedelta(days=1)
    bought = tuple(
        PastEvent(key=key, kind=BUY, occurred_at=NOW - days * day, vector=None)
        for key, days in ((1, 2), (2, 10), (3, 12), (4, 40), (5, 10), (6, 7))
    )
    answers = {
        Related(relation="buy_again", key=key): [
            Scored(key=key, score=10.0, facts={"shoppers": 9.0})
        ]
        for key in (1, 2, 3, 4, 6)
    }
    found = SOURCES["buy_again"].candidates(Query(bought=bought, now=NOW, cart=()), answers)
    assert keys(found) == [2, 3, 6, 4]  # 1 is too early, 5 is bought but once in a life
    assert reasons(found) == {
        2: "due:10",
        3: "due:10",
        6: "bought_before",
        4: "bought_before",  # nobody knows whether they still use it
    }
    assert found[0].facts == {"shoppers": 9.0, "days": 10.0, "passed": 1.0}
    assert 2 not in keys(
        SOURCES["buy_again"].candidates(Query(bought=bought, now=NOW, cart=(2,)), answers)
    )


def test_what_was_sent_back_is_not_offered_again():
    day = dt.timedelta(days=1)
    bought = (PastEvent(key=1, kind=BUY, occurred_at=NOW - 10 * day, vector=None),)
    query = Query(bought=bought, events=events((1, EventKind.REFUND)), now=NOW)
    assert SOURCES["buy_again"].lookups(query) == ()


def test_a_shopper_s_own_interval_counts():
    day = dt.timedelta(days=1)
    assert interval([NOW], 30.0) == 30.0
    assert interval([NOW, NOW], 30.0) == 30.0
    often = [NOW - at * 7 * day for at in range(9)]
    assert interval(often, 30.0) == pytest.approx((56 + 60) / 10)


# --- lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "of", "says"),
    [
        ("trending", "trending", "trending"),
        ("best_converting", "converting", "converting"),
        ("on_sale", "sale", "on_sale"),
    ],
)
def test_lists_of_the_category_come_before_the_shop_s(name, of, says):
    query = Query(categories=("A > B", "A"))
    source = SOURCES[name]
    assert source.lookups(query) == tuple(
        Ranked(segment=path, of=of) for path in ("A > B", "A", "")
    )
    answers = {Ranked(segment="A", of=of): scored(1, 2), Ranked(segment="", of=of): scored(2, 3)}
    found = source.candidates(query, answers)
    assert reasons(found) == {1: f"{says}_in:A", 2: f"{says}_in:A", 3: says}
    assert [candidate.rung for candidate in found][::2] == [Rung.POPULAR_IN_CATEGORY, Rung.POPULAR]


def test_the_long_tail_is_not_all_a_stranger_sees():
    source, vector = SOURCES["long_tail"], np.ones(3, np.float32)
    assert source.lookups(Query()) == ()
    assert source.lookups(Query(categories=("A",))) == (Ranked(segment="A", of="tail"),)
    known = Query(categories=("A",), vector=vector)
    asked = (Ranked(segment="A", of="tail"), Ranked(segment="", of="tail"))
    assert source.lookups(known) == asked
    found = source.candidates(known, {asked[0]: scored(1), asked[1]: scored(1, 2)})
    assert reasons(found) == {1: "seldom_shown_in:A", 2: "seldom_shown"}


def test_new_arrivals_of_the_category_first():
    query = Query(categories=("A > B", "A"), k=9)
    answers = {
        Newest(k=9, category="A > B"): scored(4),
        Newest(k=9): scored(5, 4),
    }
    found = SOURCES["new_arrivals"].candidates(query, answers)
    assert reasons(found) == {4: "new_in:A > B", 5: "new"}


def test_popular_is_what_more_than_one_shopper_wanted():
    answers = {Ranked(segment=""): [Scored(key=1, score=2.0), Scored(key=2, score=1.0)]}
    assert reasons(SOURCES["popular"].candidates(Query(), answers)) == {1: "popular", 2: ""}


# --- recommended for you ---------------------------------------------------------------------------


def test_what_a_new_shopper_said_they_like_acts_at_once():
    query = Query(interests=(("category", "A > B"), ("brand", "Acme")))
    asked = SOURCES["personal"].lookups(query)
    assert asked == (Ranked(segment="A > B"), Ranked(segment="brand:Acme"), Ranked(segment=""))
    found = SOURCES["personal"].candidates(query, {asked[0]: scored(1, 2), asked[1]: scored(2)})
    assert reasons(found) == {2: "liked_brand:Acme", 1: "liked_category:A > B"}


def test_the_ways_to_know_a_shopper_are_blended():
    vector = np.ones(3, np.float32)
    past = events((1, VIEW), (2, BUY))
    query = Query(vector=vector, events=past, k=5)
    asked = SOURCES["personal"].lookups(query)
    assert Nearest(vector=vector, k=5) in asked
    assert Related(relation="viewed_viewed", key=1) in asked
    assert Related(relation="bought_bought", key=2) in asked
    assert Related(relation="viewed_viewed", key=2) not in asked
    answers = {
        Nearest(vector=vector, k=5): scored(7, 8),
        Related(relation="bought_bought", key=2): scored(8),
    }
    assert keys(SOURCES["personal"].candidates(query, answers)) == [8, 7]


def test_the_newest_product_has_a_say_where_nobody_went_on_from_it():
    """A shopper with a long past looks at something new: ten products that followed what they bought
    once must not be all of the next list."""
    query = Query(events=events((1, VIEW), (2, BUY), (3, BUY)), k=20)
    followed = {
        Related(relation="bought_bought", key=2): scored(*range(20, 32)),
        Related(relation="bought_bought", key=3): scored(*range(40, 52)),
    }
    alike = {Neighbours(key=1, k=20): scored(*range(60, 72))}
    found = SOURCES["personal"].candidates(query, {**followed, **alike})
    assert {"similar_to:1"} < {candidate.reason for candidate in found[:10]}
    viewed = {Related(relation="viewed_viewed", key=1): scored(80)}
    found = SOURCES["personal"].candidates(query, {**followed, **alike, **viewed})
    assert 80 in keys(found)[:2]
    assert not any(candidate.reason == "similar_to:1" for candidate in found[:10])


def test_the_same_vector_is_looked_up_once():
    vector = np.ones(3, np.float32)
    assert Nearest(vector=vector, k=5) == Nearest(vector=vector, k=5)
    assert len({Nearest(vector=vector, k=5), Nearest(vector=vector, k=5)}) == 1
    assert Nearest(vector=vector, k=5) != Nearest(vector=vector.copy(), k=5)
    assert Nearest(vector=vector, k=5) != Nearest(vector=vector, k=6)


# --- blending --------------------------------------------------------------------------------------


def candidate(key, score=1.0, reason=""):
    return Candidate(key=key, score=score, source="any", rung=Rung.POPULAR, reason=reason)


ranked_lists = st.lists(st.lists(st.integers(0, 9), unique=True, max_size=8), max_size=4)


@given(lists=ranked_lists, weights=st.lists(st.floats(0, 5), min_size=4, max_size=4))
def test_fused_holds_each_product_once_best_first(lists, weights):
    offers = [
        Offer(candidates=[candidate(key) for key in one], weight=weight)
        for one, weight in zip(lists, weights, strict=False)
    ]
    found = fuse(offers)
    assert set(keys(found)) == {key for o in offers if o.weight > 0 for key in keys(o.candidates)}
    assert len(set(keys(found))) == len(found)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)


@given(one=st.lists(st.integers(0, 20), unique=True, max_size=12))
def test_one_list_keeps_its_order(one):
    assert keys(fuse([Offer(candidates=[candidate(key) for key in one])])) == one


def test_the_loudest_list_gives_the_reason():
    loud = Offer(candidates=[candidate(1, reason="loud")], weight=2.0)
    low = Offer(candidates=[candidate(1, reason="low")])
    assert fuse([low, loud])[0].reason == "loud"


def test_by_taste_moves_up_what_fits_and_keeps_the_scores():
    offered = [candidate(key, score=10.0 - key) for key in range(5)]
    vectors = {key: np.array([1.0, 0.0], np.float32) for key in range(4)}
    vectors[3] = np.array([0.0, 1.0], np.float32)
    found = by_taste(offered, np.array([0.0, 2.0], np.float32), vectors)
    assert keys(found)[0] == 3
    assert sorted(keys(found)) == [0, 1, 2, 3, 4]
    assert {one.key: one.score for one in found} == {one.key: one.score for one in offered}


def test_without_a_taste_nothing_moves():
    offered = [candidate(key) for key in range(3)]
    assert by_taste(offered, None, {}) == offered
    assert by_taste(offered, np.ones(2, np.float32), {}) == offered
    assert by_taste(offered, np.zeros(2, np.float32), {1: np.ones(2, np.float32)}) == offered


@given(
    order=st.permutations(range(6)),
    known=st.sets(st.integers(0, 5)),
    vector=st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3),
)
def test_by_taste_loses_nobody(order, known, vector):
    offered = [candidate(key) for key in order]
    vectors = {key: np.eye(3, dtype=np.float32)[key % 3] for key in known}
    found = by_taste(offered, np.array(vector, np.float32), vectors)
    assert sorted(keys(found)) == sorted(order)
