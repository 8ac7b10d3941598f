"""Who has named categories or brands and done nothing yet: popular within them and beyond; no database."""

from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.retrieval import SOURCES, Neighbours, Query, Ranked
from reco_plugin.retrieval.declared import LIKED, SEEN_IN, WHOLE
from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.types import EventKind

MUGS, BAGS = ("category", "Mugs"), ("category", "Bags")
PERSONAL = SOURCES["personal"]


def listed(**buyers):
    return [Scored(key=key, score=float(count)) for key, count in buyers.items()]


def found(answers, *interests, **more):
    query = Query(interests=interests, **more)
    return PERSONAL.candidates(query, {WHOLE: answers.pop("", []), **_ranked(answers)})


def _ranked(answers):
    return {Ranked(segment=name): entries for name, entries in answers.items()}


def keys(candidates):
    return [candidate.key for candidate in candidates]


def test_what_was_named_counts_half_as_much_again_and_the_rest_is_not_thrown_away():
    whole = listed(lamp=100, clock=90, mug=70, vase=50)
    candidates = found({"": whole, "Mugs": listed(mug=70, cup=30)}, MUGS)
    assert keys(candidates) == ["mug", "lamp", "clock", "vase", "cup"]
    assert [candidate.reason for candidate in candidates] == [
        *("liked_category:Mugs", "popular", "popular", "popular"),
        "liked_category:Mugs",
    ]


def test_what_few_buy_is_seen_all_the_same():
    whole = listed(**{f"other{n}": 1_000 - n for n in range(20)})
    candidates = found({"": whole, "Mugs": listed(mug=3, cup=2, jug=1)}, MUGS)
    assert keys(candidates)[2:9:SEEN_IN] == ["mug", "cup", "jug"]
    assert keys(candidates)[:2] == ["other0", "other1"]


def test_each_name_has_its_turn():
    whole = listed(**{f"other{n}": 1_000 - n for n in range(20)})
    lists = {"": whole, "Mugs": listed(mug=9, cup=8), "Bags": listed(bag=2)}
    assert keys(found(lists, MUGS, BAGS))[2:9:SEEN_IN] == ["mug", "bag", "cup"]


def test_of_two_names_comes_before_of_one():
    lists = {"Mugs": listed(mug=10, cup=8), "brand:Acme": listed(cup=8, bag=7)}
    candidates = found(lists, ("brand", "Acme"), MUGS)
    assert keys(candidates)[0] == "cup"
    assert candidates[0].reason == "liked_brand:Acme"


def test_the_newest_products_of_a_new_shop_are_not_called_popular():
    candidates = found({"": listed(lamp=1, mug=0.5), "Mugs": listed(mug=0.5)}, MUGS)
    assert {one.key: one.reason for one in candidates}["lamp"] == ""


def test_a_name_that_nothing_is_of_leaves_it_to_the_other_kinds():
    assert found({"": listed(lamp=100)}, MUGS) == []


def test_whoever_did_something_too_is_not_shown_what_is_merely_popular():
    event = PastEvent(key="pot", kind=EventKind.VIEW_ITEM, occurred_at=None, vector=None)
    query = Query(interests=(MUGS,), events=(event,))
    answers = {
        WHOLE: listed(lamp=100),
        Ranked(segment="Mugs"): listed(mug=70),
        Neighbours(key="pot", k=query.k): listed(pan=0.9),
    }
    assert answers.keys() <= set(PERSONAL.lookups(query))
    assert set(keys(PERSONAL.candidates(query, answers))) == {"mug", "pan"}


buyers = st.dictionaries(st.integers(0, 40), st.floats(0, 1e6, width=32), max_size=30)


@given(
    counts=buyers,
    named=st.lists(st.sets(st.integers(0, 40), max_size=20), min_size=1, max_size=LIKED),
)
def test_every_product_once_and_what_was_named_in_time(counts, named):
    ordered = sorted(counts, key=lambda key: -counts[key])
    entries = [Scored(key=key, score=counts[key]) for key in ordered]
    answers = {WHOLE: entries} | {
        Ranked(segment=str(at)): [one for one in entries if one.key in keys]
        for at, keys in enumerate(named)
    }
    query = Query(interests=tuple(("category", str(at)) for at in range(len(named))))
    candidates = PERSONAL.candidates(query, answers)
    liked = set(counts) & set().union(*named)
    assert sorted(keys(candidates)) == (sorted(counts) if liked else [])
    for n in range(1, len(candidates) + 1):
        seen = sum(key in liked for key in keys(candidates)[:n])
        assert seen >= min(n // SEEN_IN, len(liked))
    told = {one.key for one in candidates if one.reason.startswith("liked_category:")}
    assert told == (liked if candidates else set())
