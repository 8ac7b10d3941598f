from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.ranking import exclude, unique
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
def test_unique_keeps_first_comers(found):
    left = unique(found)
    assert keys(left) == list(dict.fromkeys(keys(found)))
    assert is_subsequence(left, found)


def test_excluding_a_group_excludes_its_variants():
    assert keys(exclude([made(2, group=1), made(1), made(3)], [1])) == [3]
