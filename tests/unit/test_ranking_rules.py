"""What each condition and guard means, one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.ranking import fields
from reco_plugin.ranking.filters import Filters
from reco_plugin.ranking.guards import Guards
from reco_plugin.ranking.steer import MOST, steer
from reco_plugin.types import Candidate, Context, Filter, ItemFacts, Rung

UNKNOWN = ItemFacts(key=0)


def facts(**values):
    return ItemFacts(key=1, **values)


def passes(found, field, op, value=None, *, beside=None, category=""):
    conditions = Filters((Filter(field=field, op=op, value=value),), beside, category)
    return not conditions.broken(found)


BOOTS = facts(
    brand="Acme",
    categories=("Women", "Women > Shoes > Boots"),
    price=100.0,
    tags=("new",),
    attributes={"gender": "female", "heel": "7"},
)


# --- fixed conditions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "op", "value", "holds"),
    [
        ("brand", "is", "ACME ", True),
        ("brand", "is", "Bolt", False),
        ("brand", "is_not", "acme", False),
        ("brand", "in", ["Bolt", "Acme"], True),
        ("brand", "not_in", ["Bolt", "Acme"], False),
        ("brand", "not_in", ["Bolt"], True),
        ("category", "is", "Women > Shoes", True),
        ("category", "is", "women > shoes > boots", True),
        ("category", "is", "Shoes", False),
        ("category", "not_in", ["Women > Shoes"], False),
        ("tag", "is", "New", True),
        ("tag", "is_not", "sale", True),
        ("gender", "is", "female", True),
        ("price", "is", 100, True),
        ("price", "in", [99, "100.0"], True),
        ("price", "at_least", 100, True),
        ("price", "at_least", 100.01, False),
        ("price", "at_most", "100", True),
        ("price", "at_most", 99.99, False),
        ("heel", "at_least", 5, True),
        ("heel", "at_most", 5, False),
        ("adult", "is", False, True),
        ("adult", "is", "yes", False),
        ("adult", "is_not", True, True),
    ],
)
def test_fixed_conditions(field, op, value, holds):
    assert passes(BOOTS, field, op, value) is holds


@pytest.mark.parametrize("found", [None, UNKNOWN])
@pytest.mark.parametrize("field", ["brand", "category", "tag", "price", "gender", "heel"])
def test_what_is_unknown_meets_only_what_rules_out(found, field):
    for op in ("is", "in", "at_least", "at_most"):
        assert not passes(found, field, op, 1)
    for op in ("is_not", "not_in"):
        assert passes(found, field, op, 1)
    for op in ("same", "differs", "cheaper", "dearer"):
        assert passes(found, field, op, beside=BOOTS)
    assert passes(found, field, "within", 0.2, beside=BOOTS)


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("price", "at_least", "cheap"),
        ("price", "at_most", None),
        ("price", "at_most", math.nan),
        ("price", "within", "a bit"),
        ("price", "within", -0.2),
        ("brand", "in", []),
        ("brand", "not_in", []),
        ("brand", "resembles", "Acme"),
        ("price", "is", "cheap"),
    ],
)
def test_what_makes_no_sense_is_met_by_nothing(field, op, value):
    assert not passes(BOOTS, field, op, value, beside=BOOTS)


# --- against the page's product ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "op", "value", "other", "holds"),
    [
        ("brand", "same", None, {"brand": "acme"}, True),
        ("brand", "same", None, {"brand": "Bolt"}, False),
        ("brand", "differs", None, {"brand": "Bolt"}, True),
        ("brand", "differs", None, {"brand": "acme"}, False),
        ("category", "same", None, {"categories": ("Women > Shoes > Boots",)}, True),
        ("category", "same", None, {"categories": ("Women",)}, False),
        ("category", "differs", None, {"categories": ("Sale > Boots",)}, False),
        ("category", "differs", None, {"categories": ("Women > Hats",)}, True),
        ("price", "within", 0.2, {"price": 120.0}, True),
        ("price", "within", 0.2, {"price": 79.9}, False),
        ("price", "within", 0, {"price": 100.0}, True),
        ("price", "cheaper", None, {"price": 99.0}, True),
        ("price", "cheaper", None, {"price": 100.0}, False),
        ("price", "dearer", None, {"price": 101.0}, True),
        ("heel", "dearer", None, {"attributes": {"heel": 9}}, True),
    ],
)
def test_conditions_against_the_pages_product(field, op, value, other, holds):
    assert passes(facts(**other), field, op, value, beside=BOOTS) is holds


def test_without_a_page_of_its_own_nothing_is_compared():
    for op in ("same", "differs", "within", "cheaper", "dearer"):
        assert passes(BOOTS, "price", op, 0.1)


def test_a_categorys_page_holds_to_its_category():
    assert passes(BOOTS, "category", "same", category="Women > Shoes")
    assert not passes(BOOTS, "category", "same", category="Men")
    assert passes(UNKNOWN, "category", "same", category="Men")
    assert passes(BOOTS, "brand", "same", category="Men")


# --- guards --------------------------------------------------------------------------------------


def broken(other, *, match=(), differ=(), beside=BOOTS):
    return Guards(beside, match, differ).broken(other)


def test_guards_name_what_is_out_of_place():
    mens = facts(attributes={"gender": "male"})
    assert broken(mens, match=["gender"]) == "gender"
    assert broken(facts(attributes={"gender": "Female"}), match=["gender"]) == ""
    assert broken(facts(attributes={"gender": "unisex"}), match=["gender"]) == ""
    assert broken(mens, match=["gender"], beside=None) == ""


def test_unisex_beside_unisex_only():
    """What suits all may be looked at by anyone: what suits some is out of place there."""
    beside = facts(attributes={"gender": "unisex"})
    assert broken(facts(attributes={"gender": "male"}), match=["gender"], beside=beside)


@pytest.mark.parametrize("other", [None, UNKNOWN])
def test_the_unknown_passes_but_beside_what_is_for_adults(other):
    assert broken(other, match=["gender", "category", "brand"], differ=["tag"]) == ""
    grown = facts(attributes={"adult": "yes"})
    assert broken(other, match=["adult"], beside=grown) == "adult"
    assert broken(other, match=["adult"], beside=UNKNOWN) == ""
    assert broken(grown, match=["adult"], beside=UNKNOWN) == "adult"


def test_complementary_is_of_another_category():
    assert broken(facts(categories=("Women > Shoes > Boots",)), differ=["category"]) == "category"
    assert broken(facts(categories=("Sale > Boots",)), differ=["category"]) == "category"
    assert broken(facts(categories=("Women > Shoes > Laces",)), differ=["category"]) == ""
    assert broken(facts(categories=("Women",)), match=["category"]) == "category"


# --- fields --------------------------------------------------------------------------------------

names = st.sampled_from(["A", "B", "C"])
paths = st.lists(names, min_size=1, max_size=3).map(fields.SEPARATOR.join)


@settings(deadline=None, max_examples=60)
@given(st.lists(paths, max_size=4).map(tuple))
def test_a_leaf_lies_below_no_other(listed):
    found = fields.leaves(listed)
    scopes = fields.scopes(listed)
    assert bool(found) == bool(listed)
    assert found <= scopes
    assert not any(
        one != other and other.startswith(one + fields.SEPARATOR)
        for one in found
        for other in found
    )
    assert all(any(leaf == path or leaf.startswith(path) for leaf in found) for path in scopes)


def test_attributes_may_be_anything_a_shop_says():
    odd = facts(attributes={"adult": True, "organic": False, "sizes": None, "heel": 7})
    assert fields.said(odd, "adult") == {"yes"}
    assert fields.said(odd, "organic") == {"false"}
    assert fields.said(odd, "sizes") == frozenset()
    assert fields.number(odd, "heel") == 7.0


# --- circumstances -------------------------------------------------------------------------------


def steered(lifts, **context):
    known = {n: ItemFacts(key=n, brand="Even" if n % 2 == 0 else "Odd") for n in range(6)}
    listed = [Candidate(key=n, score=1, source="s", rung=Rung.PERSONAL) for n in range(6)]
    return [one.key for one in steer(listed, known, Context(**context), lifts)]


def test_a_lift_moves_by_a_few_places():
    lifts = {"device:mobile": {"brand:odd": 1.5}}
    assert steered(lifts, device="mobile") == [0, 1, 3, 5, 2, 4]
    assert steered(lifts, device="desktop") == list(range(6))


def test_lifts_have_an_end():
    most = {"hour:9": {"brand:odd": MOST}}
    more = {"hour:9": {"brand:odd": 1000.0}}
    assert steered(most, hour=9) == steered(more, hour=9)
    assert steered({"hour:0": {"brand:odd": 1.5}}, hour=0) == [0, 1, 3, 5, 2, 4]


def test_a_query_lifts_what_it_names():
    assert steered({}, query="something Odd") == [0, 1, 3, 5, 2, 4]
    assert steered({}, query="something else") == list(range(6))
