"""Which sources fill a slate, in which turn."""

from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.retrieval import KINDS
from reco_plugin.serving import ways
from reco_plugin.types import KindShare, PlacementSpec


def spec(*kinds, fallback=("popular",)):
    shares = tuple(KindShare(kind=kind, weight=1.0 + at) for at, kind in enumerate(kinds))
    return PlacementSpec(slug="x", kinds=shares, fallback=fallback)


def told(steps):
    return [(step.sources, step.is_fallback) for step in steps]


def test_what_is_popular_keeps_its_share_of_a_mix_where_there_is_no_category():
    steps = ways.of_placement(spec("new_arrivals", "popular"))
    assert steps[0].sources == ("new_arrivals", "popular_in_category")
    found = ways.without_category(steps)
    assert told(found) == [(("new_arrivals", "popular"), False)]
    assert found[0].offers[1][0] == KindShare(kind="popular", weight=2.0)


def test_alone_it_begins_with_the_whole_shop():
    assert told(ways.without_category(ways.of_kind("popular"))) == [(("popular",), False)]


def test_what_never_began_with_a_category_stays_as_it_is():
    for steps in ((), ways.of_kind("similar"), ways.of_placement(spec("trending"))):
        assert ways.without_category(steps) == steps


@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4, unique=True),
    fallback=st.lists(st.sampled_from(sorted(KINDS)), max_size=2, unique=True).map(tuple),
)
def test_no_kind_loses_its_place(kinds, fallback):
    steps = ways.of_placement(spec(*kinds, fallback=fallback))
    found = ways.without_category(steps)
    assert not found[0].is_fallback
    sources = [step.sources for step in found]
    assert len(set(sources)) == len(sources)
    if len(kinds) > 1:
        assert [share for share, _ in found[0].offers] == [share for share, _ in steps[0].offers]
        assert "popular_in_category" not in found[0].sources
