"""What holds for every step of ranking, and for all of them together, whatever comes in."""

from __future__ import annotations

import random
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.pipeline.arrange import Material, arrange, vectors_wanted, wants
from reco_plugin.ranking import fields
from reco_plugin.ranking.caps import Caps, capped, returned
from reco_plugin.ranking.diversify import diversify
from reco_plugin.ranking.explore import explore
from reco_plugin.ranking.filters import FIXED, RELATIVE, Filters
from reco_plugin.ranking.guards import Guards
from reco_plugin.ranking.mix import mix
from reco_plugin.ranking.rotate import rounds
from reco_plugin.ranking.steer import steer
from reco_plugin.types import (
    Candidate,
    Context,
    Filter,
    ItemFacts,
    KindShare,
    PlacementSpec,
    Rung,
)

always = settings(deadline=None, max_examples=50)

FIELDS = ("brand", "category", "tag", "gender", "adult", "price", "colour")
BRANDS = ("", "Acme", "acme ", "Bolt")
PATHS = ("Women", "Women > Shoes", "Women > Shoes > Boots", "Men > Boots", "Sale")
GENDERS = {"female", "male", "unisex"}

keys = st.integers(0, 15)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "gender": st.sampled_from(sorted(GENDERS)),
        "adult": st.sampled_from(["yes", "no", "true", ""]),
        "colour": st.sampled_from(["red", "blue"]),
    },
)
facts_of = st.builds(
    ItemFacts,
    key=keys,
    brand=st.sampled_from(BRANDS),
    categories=st.lists(st.sampled_from(PATHS), max_size=2).map(tuple),
    price=st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32),
    tags=st.lists(st.sampled_from(["new", "sale"]), max_size=2).map(tuple),
    attributes=attributes,
)
known = st.dictionaries(keys, facts_of, max_size=16)
candidates = st.builds(
    Candidate,
    key=keys,
    score=st.floats(allow_nan=True, width=32),
    source=st.sampled_from(["personal", "similar"]),
    rung=st.sampled_from(list(Rung)),
)
lists = st.lists(candidates, max_size=20)
distinct = st.lists(candidates, max_size=16, unique_by=lambda one: one.key)
vectors = st.dictionaries(
    keys,
    st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3).map(
        lambda values: np.array(values, np.float32)
    ),
    max_size=16,
)
values = st.none() | st.sampled_from(
    [0.2, -1, "x", "Acme", True, float("nan"), ["Acme", "Bolt"], [], {}, 30, "Women", "new", "male"]
)
filters = st.lists(
    st.builds(
        Filter,
        field=st.sampled_from([*FIELDS, "nonsense"]),
        op=st.sampled_from([*FIXED, *RELATIVE, "nonsense"]),
        value=values,
    ),
    max_size=2,
).map(tuple)
shares = st.builds(
    KindShare, kind=st.sampled_from(["a", "b", "c"]), weight=st.sampled_from([0.0, 0.3, 1.0, 2.5])
)
offers = st.lists(st.tuples(shares, lists), max_size=3)
names = st.lists(st.sampled_from(FIELDS), max_size=2, unique=True).map(tuple)
caps = st.dictionaries(st.sampled_from(FIELDS), st.integers(0, 3), max_size=2)
contexts = st.builds(
    Context,
    device=st.sampled_from(["", "mobile"]),
    hour=st.none() | st.integers(0, 23),
    category=st.sampled_from(["", "Women"]),
    query=st.sampled_from(["", "red acme"]),
)
specs = st.builds(
    PlacementSpec,
    slug=st.just("spot"),
    kinds=st.just((KindShare(kind="personal"),)),
    filters=filters,
    must_match=names,
    must_differ=names,
    diversity=st.floats(0, 1),
    caps=caps,
    rotate_after=st.integers(0, 3),
    explore=st.floats(0, 1),
)
materials = st.builds(
    Material,
    facts=known,
    vectors=vectors,
    anchor=st.none() | facts_of,
    shown=st.dictionaries(keys, st.integers(0, 9)),
    fresh=lists,
    context=contexts,
)
LIFTS = {"device:mobile": {"brand:acme": 2.0, "category:Women": 0.2}, "hour:9": {"tag:new": 1.4}}


def keys_in(found):
    return [one.key for one in found]


def fill(found, spec, material, size):
    """The facts of what a slate of `size` takes."""
    caps = Caps(spec.caps)
    facts = [material.facts.get(one.key) for one in found]
    return [known for known in facts if caps.try_take(known)][:size]


# --- all of it -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=120)
@given(offers, specs, materials, st.integers(0, 12), st.integers())
def test_arranging_keeps_every_promise(offers, spec, material, size, seed):
    told = []

    def arranged():
        return arrange(offers, spec, material, size=size, rng=random.Random(seed), note=told.append)

    found = arranged()
    offered = {one.key for _, listed in offers for one in listed}
    fresh = {one.key for one in material.fresh}
    assert len(set(keys_in(found))) == len(found)
    assert set(keys_in(found)) <= offered | fresh
    assert {one.key for one in found if one.reason == "explore"} <= fresh
    assert keys_in(found) == keys_in(arranged())
    assert all(one.probability is None or 0 < one.probability <= 1 for one in found)
    conditions = Filters(spec.filters, material.anchor)
    guards = Guards(material.anchor, spec.must_match, spec.must_differ)
    for one in found:
        known = material.facts.get(one.key)
        assert not conditions.broken(known)
        assert not guards.broken(known)
    filled = fill(found, spec, material, size)
    for field, limit in spec.caps.items():
        held = [value for known in filled for value in fields.said(known, field)]
        assert all(held.count(value) <= limit for value in held)
    left_out = offered - set(keys_in(found))
    assert bool(told) >= bool(left_out)
    assert set(vectors_wanted(offers, spec, size=size)) <= offered


@always
@given(lists, materials, st.integers(1, 12))
def test_a_spec_without_wishes_changes_nothing(found, material, size):
    spec = PlacementSpec(slug="spot", kinds=(KindShare(kind="popular"),))
    assert not any((wants(spec).facts, wants(spec).vectors, wants(spec).shown, wants(spec).fresh))
    offered = [(spec.kinds[0], found)]
    arranged = arrange(offered, spec, material, size=size, rng=random.Random(1))
    assert keys_in(arranged) == list(dict.fromkeys(keys_in(found)))


# --- mixing --------------------------------------------------------------------------------------


@always
@given(offers)
def test_a_mix_holds_each_key_once_and_all_of_them(offers):
    found = keys_in(mix(offers))
    assert len(found) == len(set(found))
    assert set(found) == {one.key for _, listed in offers for one in listed}


@always
@given(lists)
def test_a_mix_of_one_is_that_one(found):
    mixed = mix([(KindShare(kind="a"), found)])
    assert keys_in(mixed) == list(dict.fromkeys(keys_in(found)))


@always
@given(st.floats(0.1, 5), st.floats(0.1, 5), st.integers(1, 30))
def test_every_first_stretch_of_a_mix_is_shared_out_by_weight(one, other, first):
    lists = [
        [Candidate(key=(kind, n), score=1, source=kind, rung=Rung.PERSONAL) for n in range(30)]
        for kind in "ab"
    ]
    weights = [KindShare(kind="a", weight=one), KindShare(kind="b", weight=other)]
    found = mix(list(zip(weights, lists, strict=True)))[:first]
    if len(found) == first:
        share = sum(each.source == "a" for each in found)
        assert abs(share - first * one / (one + other)) < 1.0 + 1e-6


def test_the_better_reason_is_kept():
    def made(key, reason):
        return Candidate(key=key, score=1, source="s", rung=Rung.PERSONAL, reason=reason)

    first = [made(1, "a1"), made(2, "a2"), made(3, "a3")]
    second = [made(3, "b3"), made(1, "b1")]
    found = mix([(KindShare(kind="a"), first), (KindShare(kind="b"), second)])
    assert [one.reason for one in found] == ["a1", "b3", "a2"]


def test_a_kind_without_weight_comes_last():
    def made(key):
        return Candidate(key=key, score=1, source="s", rung=Rung.PERSONAL)

    offers = [
        (KindShare(kind="a", weight=0), [made(1)]),
        (KindShare(kind="b"), [made(2), made(3)]),
    ]
    assert keys_in(mix(offers)) == [2, 3, 1]


# --- diversity -----------------------------------------------------------------------------------


@always
@given(distinct, st.floats(0, 1), vectors, known, st.integers(0, 8))
def test_diversity_reorders_and_leaves_nothing_out(found, diversity, vectors, facts, size):
    spread = diversify(found, diversity, size=size, vectors=vectors, facts=facts)
    assert sorted(keys_in(spread)) == sorted(keys_in(found))
    assert keys_in(spread)[:1] == keys_in(found)[:1]


@always
@given(distinct, vectors, known)
def test_no_diversity_keeps_the_order(found, vectors, facts):
    assert diversify(found, 0.0, size=4, vectors=vectors, facts=facts) == found


@pytest.mark.parametrize("by", ["vectors", "facts"])
def test_what_is_alike_is_spread_out(by):
    found = [Candidate(key=n, score=-n, source="s", rung=Rung.PERSONAL) for n in range(6)]
    brand = ["a", "a", "a", "b", "b", "c"]
    vectors, facts = {}, {}
    if by == "vectors":
        axes = np.eye(3, dtype=np.float32)
        vectors = {n: axes["abc".index(name)] for n, name in enumerate(brand)}
    else:
        facts = {n: ItemFacts(key=n, brand=name) for n, name in enumerate(brand)}
    spread = diversify(found, 0.6, size=3, vectors=vectors, facts=facts)
    assert [brand[key] for key in keys_in(spread)[:3]] == ["a", "b", "c"]


# --- caps ----------------------------------------------------------------------------------------


@always
@given(distinct, known, caps)
def test_caps_are_never_broken(found, facts, limits):
    kept, over = capped(found, facts, limits)
    assert sorted(keys_in([*kept, *over])) == sorted(keys_in(found))
    for field, limit in limits.items():
        told = [value for one in kept for value in fields.said(facts.get(one.key), field)]
        assert all(told.count(value) <= limit for value in told)


@always
@given(facts_of, caps)
def test_room_is_what_taking_uses_up(facts, limits):
    caps, taken = Caps(limits), 0
    while caps.room(facts) and taken < 9:
        caps.take(facts)
        taken += 1
    told = [limit for field, limit in limits.items() if fields.said(facts, field)]
    assert taken == min(told, default=9)


@always
@given(distinct, known, caps)
def test_what_was_over_a_cap_comes_back_where_it_was(found, facts, limits):
    assert returned(*capped(found, facts, limits), found) == found


# --- rotation ------------------------------------------------------------------------------------


@always
@given(distinct, st.dictionaries(keys, st.integers(0, 9)), st.integers(0, 4))
def test_rounds_are_by_how_often_it_was_shown(found, shown, after):
    turns = rounds(found, shown, after)
    assert sorted(keys_in(chain.from_iterable(turns))) == sorted(keys_in(found))
    if after:
        numbers = [[shown.get(one.key, 0) // after for one in turn] for turn in turns]
        flat = list(chain.from_iterable(numbers))
        assert flat == sorted(flat)
    else:
        assert turns == [found]


# --- exploration ---------------------------------------------------------------------------------


@always
@given(distinct, lists, st.floats(0, 1), st.integers(0, 9), st.integers())
def test_exploring_adds_only_what_is_new(ranked, fresh, share, reach, seed):
    found = explore(ranked, fresh, share, reach=reach, rng=random.Random(seed))
    again = explore(ranked, fresh, share, reach=reach, rng=random.Random(seed))
    assert repr(found) == repr(again)  # a score may be NaN, which equals nothing
    assert len(set(keys_in(found))) == len(found)
    assert set(keys_in(found)) >= set(keys_in(ranked))
    assert set(keys_in(found)) <= set(keys_in(ranked)) | set(keys_in(fresh))
    drawn = {one.key for one in found if one.reason == "explore"}
    assert [key for key in keys_in(found) if key not in drawn] == [
        key for key in keys_in(ranked) if key not in drawn
    ]
    assert all(one.probability is None for one in found[reach:])


def test_the_chance_that_is_written_down_is_the_chance_there_is():
    """Weighted by one over it, every product counts as often as it would if all had been shown."""

    def made(key):
        return Candidate(key=key, score=1, source="s", rung=Rung.PERSONAL)

    ranked, fresh = [made(n) for n in range(4)], [made(n) for n in (2, 10, 11)]
    rounds, seen = 20_000, {}
    rng = random.Random(7)
    for _ in range(rounds):
        first = explore(ranked, fresh, 0.3, reach=3, rng=rng)[0]
        seen.setdefault(first.key, []).append(first.probability)
    for key, chances in seen.items():
        assert len(set(chances)) == 1
        assert len(chances) / rounds == pytest.approx(chances[0], abs=0.015), key
    assert sum(chances[0] for chances in seen.values()) == pytest.approx(1.0)
    assert set(seen) == {0, 2, 10, 11}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_the_chance_of_a_later_tile_is_given_those_before_it(seed):
    """The chances of one list multiply to the chance of that list: over all lists they add up to one."""

    def made(key):
        return Candidate(key=key, score=1, source="s", rung=Rung.PERSONAL)

    ranked, fresh = [made(n) for n in range(3)], [made(n) for n in (1, 10)]
    rng, lists = random.Random(seed), {}
    for _ in range(400):
        found = explore(ranked, fresh, 0.5, reach=3, rng=rng)
        chance = float(np.prod([one.probability or 1.0 for one in found]))
        lists.setdefault(tuple(keys_in(found)), set()).add(round(chance, 9))
    assert all(len(chances) == 1 for chances in lists.values())
    assert sum(chances.pop() for chances in lists.values()) == pytest.approx(1.0)


# --- steering ------------------------------------------------------------------------------------


@always
@given(distinct, known, contexts)
def test_steering_reorders_and_leaves_nothing_out(found, facts, context):
    assert sorted(keys_in(steer(found, facts, context, LIFTS))) == sorted(keys_in(found))


@always
@given(distinct, known)
def test_without_circumstances_nothing_is_steered(found, facts):
    assert steer(found, facts, Context(), LIFTS) == found
    assert steer(found, facts, Context(device="mobile", hour=9), {}) == found
