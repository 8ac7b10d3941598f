"""Trees on top of the linear ranker: what they add, when they are taken, and how they are stored."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.ranking import contest, exchange, served, trees
from reco_plugin.ranking.contest import Lists, Terms, ndcg
from reco_plugin.ranking.forest import PATTERNS, SPLITS, Forest, columns_of, named
from reco_plugin.ranking.served import Settings
from reco_plugin.ranking.votes import Heard, Recipe, ranked, votes
from reco_plugin.testing.neighbours import planted_histories

COLUMNS = named(["one", "two", "three"], [])


def laid(features, weights):
    return columns_of(features, features[:, :0], features @ weights.astype(np.float32))


def terms(**told):
    return Terms(laid=laid, columns=COLUMNS, prior=np.zeros(3), **told)


def offered(*, together, lists=330, each=12, seed=0):
    """Lists of which the best is taken: by a sum, or only where two features are large at once."""
    random = np.random.default_rng(seed)
    features = random.random((lists * each, 3)).astype(np.float32)
    worth = 3 * features[:, 0]
    if together:
        worth = 6 * ((features[:, 1] > 0.6) & (features[:, 2] > 0.6)) + features[:, 0]
    worth = worth + random.gumbel(size=len(worth)) / 2
    taken = np.zeros((lists, each))
    taken[np.arange(lists), worth.reshape(lists, each).argmax(axis=1)] = 1.0
    return Lists(features=features, counts=np.full(lists, each), taken=taken.ravel())


def planted(seed=0, grown=9, columns=4):
    """Trees of any shape."""
    random = np.random.default_rng(seed)
    low, high = (np.full((grown, SPLITS), ~0, np.int8) for _ in range(2))
    for tree in range(grown):
        ends = [(0, low), (0, high)]
        for split in range(1, int(random.integers(1, SPLITS + 1))):
            at, side = ends.pop(int(random.integers(len(ends))))
            side[tree, at] = split
            ends += [(split, low), (split, high)]
        for leaf, (at, side) in enumerate(ends):
            side[tree, at] = ~leaf
    return Forest(
        columns=tuple(map(str, range(columns))),
        features=random.integers(0, columns, (grown, SPLITS)).astype(np.int16),
        thresholds=random.integers(0, 4, (grown, SPLITS)).astype(np.float32),
        low=low,
        high=high,
        leaves=random.normal(size=(grown, SPLITS + 1)).astype(np.float32),
    )


def walked(forest, row):
    found = 0.0
    for tree in range(len(forest)):
        at = 0
        while at >= 0:
            goes_low = row[forest.features[tree, at]] <= forest.thresholds[tree, at]
            at = int((forest.low if goes_low else forest.high)[tree, at])
        found += float(forest.leaves[tree, ~at])
    return found


# --- what they answer ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_all_at_once_is_one_split_after_another(seed):
    forest = planted(seed)
    told = np.random.default_rng(seed).integers(0, 5, (7, 4)).astype(np.float32)
    assert forest.score(told) == pytest.approx([walked(forest, row) for row in told], abs=1e-5)
    assert len(forest._values) == len(forest) * PATTERNS


def test_many_rows_are_answered_a_few_at_a_time(monkeypatch):
    forest, told = planted(), np.random.default_rng(0).random((10, 4)).astype(np.float32) * 4
    whole = forest.score(told)
    monkeypatch.setattr("reco_plugin.ranking.forest.AT_ONCE", 3)
    assert np.array_equal(forest.score(told), whole)
    assert forest.score(told[:0]).shape == (0,)


@given(st.integers(0, 1_000), st.integers(0, 20))
def test_they_travel_as_json(seed, grown):
    forest = planted(seed, grown)
    other = Forest.of_json(json.loads(json.dumps(forest.as_json())))
    told = np.random.default_rng(seed).random((5, 4)).astype(np.float32) * 4
    assert np.array_equal(forest.score(told), other.score(told))
    assert other.columns == forest.columns


def test_trees_that_were_changed_are_refused():
    written = planted().as_json()
    for name, value in (("leaves", written["thresholds"]), ("columns", ["a"]), ("sha256", "0")):
        with pytest.raises(ValueError, match="checksum"):
            Forest.of_json({**written, name: value})


# --- how they are learnt -------------------------------------------------------------------------


def test_they_answer_as_the_library_does():
    pytest.importorskip("lightgbm")
    lists = offered(together=True)
    learn = trees.Offered(
        told=laid(lists.features, np.array([1.0, 0, 0])),
        counts=lists.counts,
        gains=lists.taken,
        base=lists.features[:, 0],
    )
    grown = trees.grow(learn, COLUMNS, most=30)
    ours = grown.forest(20)
    theirs = grown.booster.predict(learn.told, num_iteration=20, num_threads=1)
    assert len(ours) == 20
    assert ours.score(learn.told) == pytest.approx(theirs, abs=1e-6)
    assert sum(ours.believed) == pytest.approx(1)


def test_they_find_what_no_sum_can_say():
    pytest.importorskip("lightgbm")
    lists, unseen = offered(together=True), offered(together=True, seed=1)
    found = contest.chosen(lists, terms())
    assert found.trees is not None, found.note
    assert "LambdaMART: NDCG@10" in found.note
    base = found.linear.score(unseen.features)
    added = base + found.trees.score(laid(unseen.features, found.linear.weights))
    ours, theirs = (ndcg(one, unseen.counts, unseen.taken).mean() for one in (added, base))
    assert ours > 1.03 * theirs
    again = contest.chosen(lists, terms())
    assert again.trees is not None
    assert again.trees.as_json() == found.trees.as_json()


def test_where_a_sum_says_it_all_it_is_kept():
    pytest.importorskip("lightgbm")
    found = contest.chosen(offered(together=False, seed=2), terms())
    assert found.trees is None
    assert found.note.startswith("Linear ranker: NDCG@10")
    assert (
        contest.chosen(offered(together=False, seed=2), terms(ranker="lambdamart")).trees
        is not None
    )


def test_a_dearer_product_weighs_more():
    gains = np.array([0, 2.0, 10.0, 0, 0, 0.01, 0])
    counts = np.array([4, 3])
    learn = trees.Offered(told=np.zeros((7, 1)), counts=counts, gains=gains, base=np.zeros(7))
    assert trees._grades(learn).tolist() == [0, 2, 10, 0, 0, 10, 0]


# --- when there are none -------------------------------------------------------------------------


def test_little_to_learn_from_is_ranked_linearly():
    pytest.importorskip("lightgbm")
    found = contest.chosen(offered(together=True, lists=40), terms(ranker="lambdamart"))
    assert found.trees is None
    assert "too few for trees" in found.note


def test_without_the_library_it_is_linear_and_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    found = contest.chosen(offered(together=True), terms())
    assert found.trees is None
    assert "django-reco-plugin[lightgbm]" in found.note


def test_asked_for_the_linear_one_nothing_else_is_tried(monkeypatch):
    monkeypatch.setattr(trees, "grow", None)
    found = contest.chosen(offered(together=True), terms(ranker="linear"))
    assert (found.trees, found.note) == (None, "")


def test_a_ranker_that_is_not_there():
    with pytest.raises(ValueError, match="only auto, linear, lambdamart"):
        contest.chosen(offered(together=True), terms(ranker="forest"))


def test_ndcg_of_lists():
    gains = np.array([0, 1.0, 0, 1.0, 0])
    counts = np.array([3, 2])
    assert ndcg(np.array([3, 2, 1, 5, 4.0]), counts, gains) == pytest.approx([1 / np.log2(3), 1])
    assert ndcg(np.zeros(2), np.array([2]), np.zeros(2)).tolist() == [0]


# --- on a page -----------------------------------------------------------------------------------


def recipe(**told):
    return Recipe(
        members=("near",), decays=(1.0,), weights=np.array([1, 0, 0], np.float32), newest=9, **told
    )


def one_list():
    """Four candidates, the first the best by the linear ranker."""
    heard = Heard(keys=["a", "b", "c", "d"], values=np.array([[8, 6, 4, 2]]), prior=[0.0] * 4)
    return votes([heard], [0], met=frozenset(), beside={}, members=1)


def the_smaller_the_better(columns):
    """One tree: a share of at most 0.8 is worth 9, more is worth nothing."""
    ends = np.full((1, SPLITS), ~0, np.int8)
    high = ends.copy()
    high[0, 0] = ~1
    return Forest(
        columns=columns,
        features=np.zeros((1, SPLITS), np.int16),
        thresholds=np.full((1, SPLITS), 0.8, np.float32),
        low=ends,
        high=high,
        leaves=np.array([[9.0] + [0.0] * SPLITS], np.float32),
    )


def test_trees_put_the_first_in_order_and_leave_the_others_behind(monkeypatch):
    grown = the_smaller_the_better(recipe().columns)
    assert ranked(recipe(), one_list(), 4)[0] == [0, 1, 2, 3]
    places, scored = ranked(recipe(trees=grown), one_list(), 4)
    assert places == [1, 2, 3, 0]
    assert scored.tolist() == [1, 9.75, 9.5, 9.25]
    monkeypatch.setattr("reco_plugin.ranking.votes.TOP", 2)
    assert ranked(recipe(trees=grown), one_list(), 4)[0] == [1, 0, 2, 3]
    assert ranked(recipe(trees=grown), one_list(), 1)[0] == [1]


def test_a_recipe_travels_with_its_trees_and_takes_none_of_others():
    whole = recipe(trees=the_smaller_the_better(recipe().columns))
    written = json.loads(json.dumps(whole.as_json()))
    assert Recipe.of_json(written).as_json() == whole.as_json()
    strange = the_smaller_the_better(("something",)).as_json()
    with pytest.raises(ValueError, match="other members"):
        Recipe.of_json({**written, "trees": strange})


def test_what_is_learnt_travels_with_its_trees(tmp_path, monkeypatch):
    pytest.importorskip("lightgbm")
    monkeypatch.setattr(contest, "FEWEST", 20)
    whole = planted_histories(shoppers=90)
    asked = Settings(fewest=2, ranker="lambdamart")
    found = served.learn(whole, int(np.quantile(whole.at, 0.8)), features=None, settings=asked)
    assert any("LambdaMART" in note for note in found.notes)
    digest = exchange.save_learnt(tmp_path / "learnt.npz", found)
    other = exchange.load_learnt(tmp_path / "learnt.npz", digest)
    for one, same in ((found.trial, other.trial), (found.final, other.final)):
        assert one.recipe.trees is not None
        assert same.recipe.as_json() == one.recipe.as_json()
