from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.testing.neighbours import (
    NeighbourConformance,
    planted_features,
    planted_histories,
)
from reco_plugin.trainers.again import Again
from reco_plugin.trainers.content import Content
from reco_plugin.trainers.ease import Ease, weights
from reco_plugin.trainers.histories import histories
from reco_plugin.trainers.itemknn import ItemKNN
from reco_plugin.trainers.local_ridge import local_ridge
from reco_plugin.trainers.newitems import NewItems
from reco_plugin.trainers.sequential import SequentialRules
from reco_plugin.trainers.trending import DAY, Trending
from reco_plugin.trainers.visits import VisitKNN
from reco_plugin.types import Features


class TestSequentialRules(NeighbourConformance):
    trainer = SequentialRules


class TestCosine(NeighbourConformance):
    trainer = ItemKNN
    config = {"weighting": "cosine"}


class TestTfIdf(NeighbourConformance):
    trainer = ItemKNN


class TestBm25(NeighbourConformance):
    trainer = ItemKNN
    config = {"weighting": "bm25"}


class TestEase(NeighbourConformance):
    trainer = Ease


class TestLocalEase(NeighbourConformance):
    trainer = Ease
    config = {"exact_items": 0, "locals": 20}
    uncut = {"neighbours": 66, "locals": 66}


class TestContent(NeighbourConformance):
    trainer = Content


class TestAgain(NeighbourConformance):
    trainer = Again
    uncut = {}
    learns_tastes = False


def past(*lists, n_items=5, **told):
    rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    return histories(rows, np.concatenate(lists), n_rows=len(lists), n_items=n_items, **told)


# --- by hand -------------------------------------------------------------------------------------


def test_sequential_rules_by_hand():
    found = SequentialRules({"steps": 2, "prior": 1.0}).fit(past([0, 1, 2], [0, 2]))
    matrix = found.matrix.toarray()
    # after 0: 1 at distance 1; 2 at distance 2 and at distance 1
    assert matrix[0] == pytest.approx([0, 1 / 3.5, 1.5 / 3.5, 0, 0])
    assert matrix[1] == pytest.approx([0, 0, 1 / 2, 0, 0])
    assert not matrix[2].any()


def test_sequential_rules_step_from_basket_to_basket():
    mine = past([0, 1, 2], basket=np.array([0, 0, 1]))
    matrix = SequentialRules({"prior": 0.0}).fit(mine).matrix.toarray()
    assert matrix[0].tolist() == [0, 0, 1, 0, 0]
    assert matrix[1].tolist() == [0, 0, 1, 0, 0]


def test_rules_read_backwards():
    matrix = SequentialRules({"prior": 0.0, "backward": 0.5}).fit(past([0, 1])).matrix.toarray()
    assert matrix[0, 1] == 1.0
    assert matrix[1, 0] == 1.0


def test_cosine_by_hand():
    found = ItemKNN({"weighting": "cosine"}).fit(past([0, 1], [0, 1], [0], n_items=2))
    assert found.matrix.toarray()[0, 1] == pytest.approx(2 / math.sqrt(3 * 2))


def test_again_puts_what_people_come_back_for_first():
    mine = past([0, 0, 1], [0, 1], basket=np.arange(5))
    assert Again().fit(mine).matrix.diagonal()[:2].tolist() == [1.5, 1.0]
    assert Again({"decay": 0.5}).fit(mine).score(mine).toarray()[0][:2] == pytest.approx(
        [1.5 * 0.75, 1.0]
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(0.5, 20))
def test_ease_solves_each_item_from_the_others(seed, ridge):
    random = np.random.default_rng(seed)
    dense = (random.random((30, 6)) < 0.4).astype(np.float64)
    found = weights(sparse.csr_matrix(dense.astype(np.float32)), ridge)
    gram = dense.T @ dense
    for item in range(6):
        others = [at for at in range(6) if at != item]
        system = gram[np.ix_(others, others)] + ridge * np.eye(5)
        assert found[others, item] == pytest.approx(
            np.linalg.solve(system, gram[others, item]), abs=1e-3
        )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_the_local_form_is_the_exact_one_when_every_item_is_near(seed):
    random = np.random.default_rng(seed)
    taken = sparse.csr_matrix((random.random((40, 7)) < 0.6).astype(np.float32))
    exact = weights(taken, 3.0)
    local = local_ridge(taken, 3.0, locals_=6, neighbours=7).toarray()
    together = (taken.T @ taken).toarray() > 0
    if together.all():
        assert np.allclose(exact, local, atol=1e-3)
    assert np.isfinite(local).all()


def test_ease_takes_its_ridge_from_the_data_and_says_so():
    found = Ease({"relative": 2.0}).fit(past([0, 1], [0, 1]))
    assert found.notes == ("ridge 4, exact",)


def test_rare_features_count_more_and_common_ones_nothing():
    matrix = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 0, 1], [1, 0, 1]], np.float32)
    features = Features(matrix=sparse.csr_matrix(matrix), names=("all", "few", "some"))
    found = Content({"commonest": 0.7}).fit(past([0]), features=features).matrix.toarray()
    assert found[0, 2] == pytest.approx(1)
    assert found[0, 1] == 0


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="did you mean 'tfidf'"):
        ItemKNN({"weighting": "tfidff"})
    for trainer in (SequentialRules, ItemKNN, Ease, Content, Again):
        with pytest.raises(ValueError, match="decay"):
            trainer({"decay": 0.0})


# --- visits --------------------------------------------------------------------------------------


def plain_vmis(train, prefix, k, m, fade=0.1):
    """As it is written in the paper, with dictionaries."""
    newest = {}
    for number, visit in enumerate(train):
        for item in set(visit):
            newest.setdefault(item, []).append(number)
    weight = {item: (at + 1) / len(prefix) for at, item in enumerate(prefix)}
    likeness = {}
    for item, w in weight.items():
        for number in newest.get(item, [])[-m:]:
            likeness[number] = likeness.get(number, 0) + w
    best = sorted(likeness, key=lambda number: (round(likeness[number], 9), number), reverse=True)[
        :k
    ]
    scores = {}
    for number in best:
        last = max(at + 1 for at, item in enumerate(prefix) if item in train[number])
        vote = likeness[number] * max(0, 1 - fade * (len(prefix) - last))
        for item in set(train[number]):
            rarity = math.log(len(train) / len(newest[item])) + 1e-6
            scores[item] = scores.get(item, 0) + vote * rarity
    return {item: score for item, score in scores.items() if score > 0}


visit = st.lists(st.integers(0, 7), min_size=1, max_size=6)


@settings(deadline=None)
@example([[2, 3], [0, 1, 2]], [1, 0, 0, 0, 3, 2], 1, 2)
@given(st.lists(visit, min_size=1, max_size=12), visit, st.integers(1, 6), st.integers(1, 6))
def test_visits_agree_with_the_plain_form(train, prefix, k, m):
    index = VisitKNN({"neighbours": k, "newest": m}).fit(past(*train, n_items=8))
    items, scores = index.score_one(np.array(prefix, np.int32))
    wanted = plain_vmis(train, prefix, k, m)
    assert set(items.tolist()) <= set(wanted)
    for item, score in wanted.items():
        mine = dict(zip(items.tolist(), scores.tolist(), strict=True)).get(item, 0.0)
        assert mine == pytest.approx(score, rel=1e-4, abs=1e-5)


def test_visits_of_many_at_once_are_those_of_each():
    mine = past([0, 1], [1, 2], [2, 3, 0])
    index = VisitKNN({"reach": 2.0}).fit(mine)
    whole = index.score(mine).toarray()
    for row, (start, stop) in enumerate(zip(mine.starts[:-1], mine.starts[1:], strict=True)):
        items, scores = index.score_one(mine.items[start:stop])
        assert whole[row, items] == pytest.approx(scores, rel=1e-5)


def test_an_unknown_or_empty_visit_scores_nothing():
    index = VisitKNN().fit(past([0, 1], [1, 2]))
    assert index.score(past([4], [], n_items=5)).nnz == 0


def test_visits_may_leave_out_what_was_just_seen():
    index = VisitKNN({"itself": False}).fit(past([0, 1], [1, 2], [3]))
    assert index.score_one(np.array([1], np.int32))[0].tolist() == [0, 2]


def test_a_nearer_item_of_a_neighbour_scores_higher_within_reach():
    index = VisitKNN({"reach": 1.0}).fit(past([0, 1, 2, 3], [4]))
    items, scores = index.score_one(np.array([0], np.int32))
    found = dict(zip(items.tolist(), scores.tolist(), strict=True))
    assert found[1] > found[2] > found[3]


def test_visits_of_shoppers_are_their_baskets_newest_by_time():
    mine = planted_histories()
    index = VisitKNN().fit(mine)
    assert len(index.visit_starts) - 1 == len(mine.by_basket())
    assert (np.diff(index.visits[index.item_starts[0] : index.item_starts[1]]) > 0).all()


# --- trends --------------------------------------------------------------------------------------


def test_trends_count_only_what_happened_before():
    mine = past([0, 1], [0, 2], at=np.array([0, 5 * DAY, 3 * DAY, 9 * DAY]))
    trends = Trending({"days": 3}).fit(mine)
    assert trends.before([0])[0].tolist() == [0, 0, 0, 0, 0]
    assert trends.before([4 * DAY])[0].tolist() == [2, 0, 0, 0, 0]
    assert trends.score([6 * DAY])[0].tolist() == [1, 1, 0, 0, 0]
    assert trends.score(None, 2).tolist() == [[2, 1, 1, 0, 0]] * 2


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 40))
def test_trends_agree_with_a_count_up_to_their_edges(seed, most):
    random = np.random.default_rng(seed)
    rows, items = random.integers(0, 4, 20), random.integers(0, 5, 20)
    at = random.integers(0, 30 * DAY, 20)
    mine = histories(rows, items, n_rows=4, n_items=5, at=at)
    trends = Trending({"numbers": 5 * most}).fit(mine)
    for moment in (0, 10 * DAY, 40 * DAY):
        edge = trends.edges[trends.column(moment)]
        assert edge <= max(moment, trends.edges[0])
        early = at < edge
        spans = np.searchsorted(trends.edges, at, side="right")
        wanted = [
            len(
                {
                    (r, s)
                    for r, i, s in zip(rows[early], items[early], spans[early], strict=True)
                    if i == item
                }
            )
            for item in range(5)
        ]
        assert trends.before([moment])[0].tolist() == wanted


def test_one_event_of_long_ago_costs_no_more_than_any():
    long = np.array([-700_000 * DAY, 5 * DAY, 3 * DAY, 9 * DAY])
    trends = Trending({"numbers": 250}).fit(past([0, 1], [0, 2], at=long))
    assert len(trends.edges) < 50
    assert trends.edges[-1] - trends.edges[-2] == DAY
    assert trends.before([4 * DAY], 3)[0].tolist() == [1, 0, 0, 0, 0]
    assert trends.before([4 * DAY])[0].tolist() == [2, 0, 0, 0, 0]


def test_a_log_without_times_has_counts_and_no_trend():
    trends = Trending().fit(past([0, 1], [0]))
    assert trends.score([10 * DAY], 1)[0].tolist() == [2, 1, 0, 0, 0]


# --- new items -----------------------------------------------------------------------------------


def planted_new(form):
    """The planted log without the events of every seventh item; (known part, trainer)."""
    mine = planted_histories(shoppers=240)
    return mine.keep(mine.items % 7 != 0), NewItems({"form": form})


@pytest.mark.parametrize("form", ["content", "neighbours", "factors", "regression"])
def test_a_new_item_goes_to_those_of_its_taste(form):
    known, trainer = planted_new(form)
    matrix = trainer.fit(known, features=planted_features()).matrix.toarray()
    new = np.arange(60)[::7]
    assert not matrix[:, np.arange(60) % 7 != 0].any()
    assert not matrix[new].any()
    assert np.isfinite(matrix).all()
    for item in new:
        taste = matrix[np.arange(60) % 6 == item % 6, item].sum()
        assert taste > 0.5 * matrix[:, item].sum() > 0


def test_new_items_need_features_and_to_be_new():
    known, trainer = planted_new("content")
    with pytest.raises(NotEnoughData, match="feature"):
        trainer.fit(known)
    everything = past([0, 1], [1, 0], n_items=2)
    ones = Features(matrix=sparse.csr_matrix(np.ones((2, 1), np.float32)), names=("x",))
    with pytest.raises(NotEnoughData, match="no item without events"):
        trainer.fit(everything, features=ones)
    with pytest.raises(ValueError, match="must be one of"):
        NewItems({"form": "contents"})
