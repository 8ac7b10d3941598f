"""What must hold of every source, whatever a shopper did: a reason is true, nothing is there twice, little is read."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.retrieval import SOURCES, Newest, Query, Ranked, Related
from reco_plugin.retrieval.base import Following
from reco_plugin.retrieval.events import TURNED_DOWN, WANTED, turned_down
from reco_plugin.serving.reasons import names
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.testing.sources import MOST_LOOKUPS
from reco_plugin.types import EventKind

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
KINDS = [kind for kind in EventKind if kind is not EventKind.SEARCH]

some_key = st.integers(1, 12)
past = st.lists(
    st.builds(
        lambda key, kind, hours: PastEvent(
            key=key, kind=kind, occurred_at=NOW - dt.timedelta(hours=hours), vector=None
        ),
        some_key,
        st.sampled_from(KINDS),
        st.integers(-48, 24 * 400),
    ),
    max_size=25,
).map(lambda found: tuple(sorted(found, key=lambda event: event.occurred_at, reverse=True)))
queries = st.builds(
    Query,
    vector=st.sampled_from([None, np.ones(2, np.float32)]),
    anchors=st.lists(some_key, max_size=2, unique=True).map(tuple),
    categories=st.sampled_from([(), ("A > B", "A")]),
    cart=st.lists(some_key, max_size=6).map(tuple),
    events=past,
    now=st.sampled_from([NOW, None]),
    interests=st.lists(
        st.sampled_from([("category", "A"), ("brand", "Acme"), ("brand", "Bolt")]), max_size=3
    ).map(tuple),
    k=st.integers(1, 20),
)
scores = st.floats(0, 1e6, width=32)


def answers_of(data, lookups):
    """Some products for each, once each, best first; a few lookups stay without an answer."""
    found = {}
    for lookup in lookups:
        drawn = data.draw(
            st.lists(st.tuples(some_key, scores), max_size=6, unique_by=lambda x: x[0])
        )
        if isinstance(lookup, Related) and lookup.relation == "buy_again":
            drawn = [(lookup.key, score) for _, score in drawn[:1]]
        if drawn:
            ordered = sorted(drawn, key=lambda pair: -pair[1])
            found[lookup] = [Scored(key=key, score=score) for key, score in ordered]
    return found


@pytest.mark.parametrize("name", sorted(SOURCES))
@settings(max_examples=20)
@given(query=queries, data=st.data())
def test_every_source(name, query, data):
    source = SOURCES[name]
    lookups = source.lookups(query)
    assert len(lookups) == len(set(lookups)) <= MOST_LOOKUPS
    answers = answers_of(data, lookups)
    if isinstance(source, Following):
        answers |= answers_of(data, source.following(query, answers))
    offered = source.candidates(query, answers)
    keys = [candidate.key for candidate in offered]
    assert len(keys) == len(set(keys))
    known = {scored.key for found in answers.values() for scored in found}
    seen = {event.key for event in query.events}
    assert set(keys) <= known | seen
    held = {str(key) for key in (*query.anchors, *query.cart, *seen)}
    for candidate in offered:
        assert math.isfinite(candidate.score)
        assert not names(candidate.reason) or names(candidate.reason) in held
        assert names(candidate.reason) != str(candidate.key) or name == "personal"


@settings(max_examples=20)
@given(query=queries, data=st.data())
def test_a_named_segment_is_one_that_was_asked(query, data):
    for source in SOURCES.values():
        lookups = source.lookups(query)
        asked = {one.segment for one in lookups if isinstance(one, Ranked)}
        asked |= {one.category for one in lookups if isinstance(one, Newest)}
        for candidate in source.candidates(query, answers_of(data, lookups)):
            word, _colon, about = candidate.reason.partition(":")
            if word.endswith("_in") or word == "liked_category":
                assert about in asked
            if word == "liked_brand":
                assert ("brand", about) in query.interests


@given(events=past)
def test_turned_down_is_what_the_last_word_says(events):
    for key in {event.key for event in events}:
        told = [event.kind for event in events if event.key == key]
        last = next((kind for kind in told if kind in WANTED | TURNED_DOWN), None)
        assert (key in turned_down(events)) is (last in TURNED_DOWN)


@settings(max_examples=50)
@given(query=queries)
def test_nobody_is_asked_to_go_on_with_what_is_done(query):
    source = SOURCES["continue_shopping"]
    offered = {candidate.key for candidate in source.candidates(query, {})}
    assert not offered & {*query.cart, *query.anchors}
    for key in offered:
        told = [event.kind for event in query.events if event.key == key]
        assert told[0] is not EventKind.PURCHASE


@settings(max_examples=40)
@given(query=queries, data=st.data())
def test_what_is_due_was_bought_and_is_not_in_the_cart(query, data):
    source = SOURCES["buy_again"]
    answers = answers_of(data, source.lookups(query))
    offered = source.candidates(query, answers)
    bought = {event.key for event in query.events if event.kind is EventKind.PURCHASE}
    assert {candidate.key for candidate in offered} <= bought - set(query.cart)
    assert [one.score for one in offered] == sorted((one.score for one in offered), reverse=True)


@settings(max_examples=40)
@given(query=queries, data=st.data())
def test_a_row_has_one_anchor_that_was_looked_at(query, data):
    source = SOURCES["because_you_viewed"]
    answers = answers_of(data, source.lookups(query))
    named = {candidate.reason for candidate in source.candidates(query, answers)}
    anchor = source.anchor(query, answers)
    assert named == ({f"because_viewed:{anchor}"} if anchor is not None else set())
    looked = {
        event.key
        for event in query.events
        if event.kind in (EventKind.VIEW_ITEM, EventKind.SELECT_ITEM)
    }
    assert anchor is None or anchor in looked - {*query.cart, *query.anchors}
