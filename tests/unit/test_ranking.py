from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.ranking import blend, collapse, exclude, fill, unique
from reco_plugin.types import Candidate, Rung

scores = st.floats(allow_nan=True, allow_infinity=True, width=32)
candidates = st.builds(
    Candidate,
    key=st.integers(0, 12),
    score=scores,
    source=st.sampled_from(["personal", "similar", "popular"]),
    rung=st.sampled_from(list(Rung)),
    group=st.none() | st.integers(0, 12),
)
lists = st.lists(candidates, max_size=15)


def made(key, score=1.0, source="personal", rung=Rung.PERSONAL, group=None):
    return Candidate(key=key, score=score, source=source, rung=rung, group=group)


def keys(found):
    return [candidate.key for candidate in found]


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(any(one is other for other in rest) for one in part)


# --- what always holds ---------------------------------------------------------------------------


@settings(deadline=None)
@given(lists, st.sets(st.integers(0, 12)))
def test_exclusions_hold_and_order_stays(found, gone):
    left = exclude(found, gone)
    assert is_subsequence(left, found)
    assert not {candidate.key for candidate in left} & gone
    assert not {candidate.group for candidate in left} & gone
    assert all(c in left for c in found if c.key not in gone and c.group not in gone)


@settings(deadline=None)
@given(lists)
def test_collapse_keeps_the_first_of_each_group(found):
    left = collapse(found)
    tiles = [c.key if c.group is None else c.group for c in left]
    assert len(set(tiles)) == len(tiles)
    assert is_subsequence(left, found)
    assert set(tiles) == {c.key if c.group is None else c.group for c in found}
    assert collapse(left) == left


@settings(deadline=None)
@given(lists, st.integers(0, 20))
def test_fill_has_no_duplicates_and_worse_rungs_come_last(found, limit):
    left = fill(found, limit)
    places = [list(Rung).index(candidate.rung) for candidate in left]
    assert places == sorted(places)
    assert len(set(keys(left))) == len(left) == min(limit, len(set(keys(found))))
    for rung in Rung:
        assert is_subsequence(
            [c for c in left if c.rung == rung], [c for c in found if c.rung == rung]
        )


@settings(deadline=None)
@given(lists)
def test_unique_keeps_first_comers(found):
    left = unique(found)
    assert keys(left) == list(dict.fromkeys(keys(found)))
    assert is_subsequence(left, found)


@settings(deadline=None)
@given(st.lists(lists, max_size=4))
def test_blend_names_each_key_once_best_first(several):
    left = blend(several)
    assert len(set(keys(left))) == len(left)
    assert set(keys(left)) == {key for found in several for key in keys(found)}
    given_scores = [candidate.score for candidate in left]
    assert given_scores == sorted(given_scores, reverse=True)
    assert all(0 < score <= len(several) for score in given_scores)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), unique=True, min_size=1), st.floats(0.01, 1e6))
def test_scale_and_offset_of_one_source_do_not_matter(numbers, scale):
    found = [made(number, float(number)) for number in numbers]
    louder = [made(number, number * scale + 7) for number in numbers]
    assert keys(blend([found])) == sorted(numbers, reverse=True)
    other = [made(1000, 3.0), made(1001, 2.0)]
    one, two = blend([found, other]), blend([louder, other])
    told = {candidate.key: candidate.score for candidate in one}
    assert {c.key: c.score for c in two} == pytest.approx(told, abs=1e-5)


# --- examples ------------------------------------------------------------------------------------


def test_proposed_twice_beats_proposed_once():
    personal = [made("a", 9), made("b", 5), made("c", 1)]
    similar = [made("b", 0.9, "similar"), made("d", 0.1, "similar")]
    assert keys(blend([personal, similar])) == ["b", "a", "c", "d"]


def test_the_source_that_gave_most_is_named():
    found = blend(
        [[made("a", 1), made("b", 0)], [made("b", 1, "similar"), made("a", 0, "similar")]]
    )
    assert [(c.key, c.source) for c in found] == [("a", "personal"), ("b", "similar")]


def test_weights_scale_a_list():
    one, two = [made("a", 1)], [made("b", 1, "popular")]
    assert keys(blend([one, two], [0.5, 1.0])) == ["b", "a"]
    assert keys(blend([one, two], [1.0, 0.0])) == ["a", "b"]


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, math.nan], [1.0, math.inf]])
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(ValueError, match="Give 2 weights of 0 or more"):
        blend([[], []], weights)


def test_a_score_that_is_no_number_counts_as_worst():
    found = blend([[made("a", math.nan), made("b", 1.0), made("c", 2.0)]])
    assert keys(found) == ["c", "a", "b"] or keys(found)[0] == "c"
    assert all(math.isfinite(candidate.score) for candidate in found)


def test_a_canonical_product_is_one_tile_with_its_variants():
    assert keys(collapse([made(2, group=1), made(1), made(3, group=1), made(4)])) == [2, 4]


def test_excluding_a_group_excludes_its_variants():
    assert keys(exclude([made(2, group=1), made(1), made(3)], [1])) == [3]


def test_nothing_in_nothing_out():
    assert blend([]) == blend([[], []]) == fill([], 3) == collapse([]) == exclude([], []) == []
