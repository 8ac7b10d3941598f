"""The blend on a page: one way to rank, whoever asks."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.ranking import stored
from reco_plugin.ranking.evidence import Source, gather
from reco_plugin.ranking.packed import held_together, pack
from reco_plugin.ranking.requests import Requests
from reco_plugin.ranking.votes import NOBODY, Heard, Recipe, features, owed_to, ranked, votes
from reco_plugin.trainers.histories import histories
from reco_plugin.trainers.transitions import query

DECAYS = (1.0, 0.5)


def recipe(weights=None, members=("near", "far")):
    count = len(members) * len(DECAYS) * 3
    told = np.arange(count) if weights is None else weights
    return Recipe(members=members, decays=DECAYS, weights=np.asarray(told, np.float32), newest=12)


def told(lists, steps=None, met=(), beside=None):
    """Votes of lists {key: (near, far)}."""
    heard = [
        None
        if one is None
        else Heard(keys=list(one), values=np.array(list(one.values())).T, prior=[0.0] * len(one))
        for one in lists
    ]
    return votes(heard, steps or range(len(heard)), met=met, beside=beside or {}, members=2)


def test_a_newer_product_counts_more_and_a_second_opinion_counts():
    found = told([{"a": (2, 0), "b": (1, 0)}, {"b": (4, 0), "c": (1, 9)}])
    assert found.candidates == ["a", "b", "c"]
    share = features(found, DECAYS)[:, 3]  # of 'near' at the pace of one half
    assert share.tolist() == pytest.approx([2 / 3, 1, 0.5 / 3])


def test_what_was_met_is_no_candidate_and_what_all_want_is_one():
    found = told([{"a": (1, 0), "b": (2, 0)}], met={"b", "d"}, beside={"d": 2.0, "e": 0.25})
    assert found.candidates == ["a", "e"]
    assert found.prior.tolist() == [0, 0.25]
    places, scored = ranked(recipe(np.zeros(12)), found, 5)
    assert places == [1, 0]
    assert scored.tolist() == [0, 0.25]


def test_nobody_knows_anything():
    found = told([None, None])
    assert ranked(recipe(), found, 5)[0] == []
    assert owed_to(recipe(), found, []) == []
    found = told([], beside={"a": 1.0})
    assert ranked(recipe(), found, 5)[0] == [0]
    assert owed_to(recipe(), found, [0]) == [NOBODY]


def test_a_candidate_is_owed_to_the_product_that_speaks_loudest():
    found = told([{"a": (1, 0)}, {"a": (8, 0), "b": (1, 0)}], beside={"c": 9.0})
    weights = np.zeros(12)
    weights[3] = 1
    assert owed_to(recipe(weights), found, [0, 1, 2]) == [1, 1, NOBODY]


def test_a_recipe_is_json_and_one_that_is_cut_short_is_refused():
    written = json.loads(json.dumps(recipe().as_json()))
    assert Recipe.of_json(written).as_json() == recipe().as_json()
    with pytest.raises(ValueError, match="11 weights"):
        Recipe.of_json({**written, "weights": written["weights"][1:]})


@given(
    st.lists(
        st.dictionaries(st.integers(0, 9), st.tuples(*[st.integers(0, 65_535)] * 2), max_size=8),
        max_size=5,
    )
)
def test_the_texts_of_rows_tell_the_same(lists):
    for one in lists:
        values = np.array(list(one.values()), np.int32).reshape(-1, 2).T
        assert np.array_equal(stored.read(stored.written(values), 2), values)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_a_page_sees_what_an_evaluation_sees(seed):
    """The features of one request are those of `ranking.evidence`, for whole matrices."""
    random = np.random.default_rng(seed)
    near, far = (
        sparse.csr_matrix(
            (random.integers(1, 9, (12, 12)) * (random.random((12, 12)) < 0.4)).astype(np.float32)
        )
        for _ in range(2)
    )
    items = random.permutation(12)[: int(random.integers(1, 5))]
    past = histories(
        np.zeros(len(items), np.int64),
        items,
        n_rows=1,
        n_items=12,
        basket=np.arange(len(items)) // 2,
    )
    asked = Requests(past=past, exclude=past.sets())
    sources = [
        Source(
            name=f"{name} {decay}",
            score=lambda requests, m=matrix, d=decay: query(requests.past, decay=d) @ m,
            proposes=12,
        )
        for name, matrix in (("near", near), ("far", far))
        for decay in DECAYS
    ]
    (evidence,) = gather(asked, sources, [])
    heard = [
        Heard(
            keys=list(range(12)),
            values=np.stack([matrix[item].toarray()[0] for matrix in (near, far)]),
            prior=[0.0] * 12,
        )
        for item in past.items[::-1].tolist()
    ]
    found = votes(
        heard,
        past.steps_back[::-1].tolist(),
        met=set(past.items.tolist()),
        beside={},
        members=2,
    )
    order = [found.candidates.index(item) for item in evidence.items.tolist()]
    assert features(found, DECAYS)[order] == pytest.approx(evidence.features, abs=1e-5)


# --- cut short -----------------------------------------------------------------------------------


def test_whom_any_member_puts_first_is_known_to_all():
    one = sparse.csr_matrix(np.array([[0, 9, 1], [0, 0, 0], [0, 0, 0]], np.float32))
    two = sparse.csr_matrix(np.array([[0, 2, 4], [0, 0, 0], [0, 0, 0]], np.float32))
    packed = pack({"one": one, "two": two}, 1)
    assert packed.starts.tolist() == [0, 2, 2, 2]
    assert packed.items.tolist() == [1, 2]
    assert packed.values.tolist() == [[65_535, 7_282], [32_768, 65_535]]
    assert packed.heard(1, np.zeros(3)) is None
    assert packed.heard(0, np.array([0.0, 1, 2])).prior == [1.0, 2.0]


def test_pairs_of_too_few_shoppers_are_not_told_but_by_who_does_not_learn_from_shoppers():
    past = histories(
        np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 2]), n_rows=3, n_items=3
    )
    told = sparse.csr_matrix(np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]], np.float32))
    assert held_together(past, told, 2).toarray()[0].tolist() == [0, 1, 0]
    packed = pack(
        {"seen": told, "content": told}, 9, past=past, fewest=2, openly=frozenset({"content"})
    )
    assert packed.items.tolist() == [1, 2]
    assert packed.values.tolist() == [[65_535, 0], [65_535, 65_535]]
