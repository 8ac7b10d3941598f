from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin import metrics
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.ranking import blend, folds, logit, members
from reco_plugin.ranking.evidence import Evidence, Source, gather, names
from reco_plugin.ranking.facts import PairFacts, TrendFacts
from reco_plugin.ranking.requests import Requests
from reco_plugin.testing.neighbours import planted_features, planted_histories
from reco_plugin.trainers.histories import histories
from reco_plugin.trainers.trending import DAY, Trending

CUTS = {
    "leave-last-out": folds.last_event,
    "new": lambda past: folds.last_basket(past, new=True),
    "again": lambda past: folds.last_basket(past, new=False),
    "cart": folds.cart,
    "time": folds.after_moment,
}

# --- the ranker ----------------------------------------------------------------------------------


def choices(seed=0, lists=300, each=8):
    """Candidates of which the one with the largest known score, and some noise, is chosen."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(lists * each, 3)).astype(np.float32)
    utility = features @ np.array([2.0, -1.0, 0.0]) + random.gumbel(size=lists * each)
    chosen = np.zeros((lists, each), bool)
    chosen[np.arange(lists), utility.reshape(lists, each).argmax(axis=1)] = True
    return features, np.full(lists, each), chosen.ravel()


def test_the_logit_finds_the_weights_that_made_the_choices():
    found = logit.fit(*choices(lists=4_000), belief=0.1)
    assert found.weights == pytest.approx([2.0, -1.0, 0.0], abs=0.15)


def test_its_slope_is_the_slope():
    features, counts, chosen = choices(lists=20)
    loss = logit._Loss(features, counts, chosen, np.array([0.5, 0.0, 0.0]), 0.1)
    at = np.array([0.3, -0.2, 0.1])
    _, slope = loss(at)
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-3
        assert (loss(at + step)[0] - loss(at - step)[0]) / 2e-3 == pytest.approx(
            slope[place], abs=1e-3
        )


def test_little_evidence_leaves_the_prior_and_much_overrules_it():
    prior = np.array([0.0, 0.0, 3.0])
    few = logit.fit(*choices(lists=1), prior=prior)
    assert few.weights[2] > 2
    many = logit.fit(*choices(lists=3_000), prior=prior)
    assert abs(many.weights[2]) < 0.2
    features, counts, chosen = choices(lists=5)
    none = logit.fit(features, counts, np.zeros_like(chosen), prior=prior)
    assert np.array_equal(none.weights, prior)


def test_a_feature_that_never_differs_gets_no_weight():
    features, counts, chosen = choices()
    features[:, 2] = 7
    assert logit.fit(features, counts, chosen).weights[2] == 0


def test_unlike_shapes_are_refused():
    features, counts, chosen = choices()
    with pytest.raises(ValueError, match="candidates"):
        logit.fit(features, counts[1:], chosen)


# --- evidence ------------------------------------------------------------------------------------


def asked(rows=3, n_items=5, **told):
    past = histories(np.arange(rows), np.zeros(rows, int), n_rows=rows, n_items=n_items)
    return Requests(past=past, **told)


def test_candidates_are_the_best_of_each_source_without_what_is_barred():
    scores = np.array([[9, 3, 2, 1, 0]] * 3, np.float32)
    source = Source(name="one", score=lambda requests: sparse.csr_matrix(scores), proposes=2)
    exclude = sparse.csr_matrix(([1.0], ([1], [0])), shape=(3, 5))
    eligible = np.array([True, True, False, True, True])
    found = next(gather(asked(exclude=exclude, eligible=eligible), [source], []))
    assert found.counts.tolist() == [2, 2, 2]
    assert found.items.tolist() == [0, 1, 1, 3, 0, 1]
    assert found.features[:, 0] == pytest.approx([1, 1 / 3, 1, 1 / 3, 1, 1 / 3])
    assert names([source], []) == ["one share", "one root", "one log"]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_the_best_are_the_best(seed, k):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 5, 6)
    items = np.concatenate([np.sort(random.choice(9, count, replace=False)) for count in counts])
    scores = random.integers(0, 3, counts.sum()).astype(np.float32)
    evidence = Evidence(
        counts=counts, items=items.astype(np.int32), features=np.zeros((len(items), 0))
    )
    found = evidence.best(scores, k)
    for row in range(6):
        mine = evidence.rows == row
        pairs = sorted(zip(-scores[mine], items[mine], strict=True))[:k]
        want = [int(item) for _, item in pairs]
        assert found[row].tolist() == want + [-1] * (k - len(want))


def test_pairs_tell_how_often_and_how_long_ago():
    past = histories(
        np.zeros(4, int),
        np.array([2, 1, 2, 3]),
        n_rows=1,
        n_items=5,
        at=np.array([0, 1, 2, 4]) * DAY,
    )
    requests = Requests(past=past, now=np.array([5 * DAY]))
    found = PairFacts(part="past")(requests, np.zeros(3, int), np.array([2, 3, 4]))
    assert found[0] == pytest.approx([1, np.log(2), np.log(2), np.log(4)], rel=1e-5)
    assert found[1] == pytest.approx([1, 0, 0, np.log(2)], rel=1e-5)
    assert found[2].tolist() == [0, 0, 0, 0]


def test_trends_know_nothing_of_the_request_s_own_future():
    past = planted_histories()
    trends = TrendFacts(Trending().fit(past), timed=True)
    early = Requests(past=past.select(np.array([0])), now=past.at.min()[None])
    assert trends.lists(early).toarray().max() == 0
    facts = trends(early, np.zeros(60, int), np.arange(60))
    assert facts[:, :4].max() == 0
    assert (facts[:, 4:] == 1).all()


# --- the whole -----------------------------------------------------------------------------------


def fitted(cut, past, ranker="linear", **told):
    fold = cut(past)
    return fold, blend.fit(fold.train, cut, fold.requests, ranker=ranker, **told)


@pytest.mark.parametrize("name", CUTS)
def test_it_learns_planted_habits_better_than_popularity(name):
    past = planted_histories(shoppers=240)
    fold, found = fitted(CUTS[name], past, features=planted_features())
    ranked = found.rank(fold.requests, 10)
    popular = np.argsort(-fold.train.counts(), kind="stable")[:10].astype(np.int32)
    floor = metrics.ndcg_at_k(np.tile(popular, (len(ranked), 1)), fold.wanted).mean()
    assert metrics.ndcg_at_k(ranked, fold.wanted).mean() > 2 * floor


@pytest.mark.parametrize("name", CUTS)
def test_lists_hold_no_item_twice_and_none_that_is_barred(name):
    fold, found = fitted(CUTS[name], planted_histories())
    for row, barred in zip(found.rank(fold.requests, 10), fold.requests.barred(), strict=True):
        answered = row[row >= 0]
        assert len(set(answered.tolist())) == len(answered)
        assert not barred[answered].any()


def test_a_visit_that_goes_on():
    past = planted_histories(shoppers=240)
    visits = replace(past, basket=None, at=None)
    fold, found = fitted(lambda log: folds.next_in_visit(log, share=0.2), visits)
    assert found.traits.visits
    ranked = found.rank(fold.requests, 5)
    assert metrics.mrr(ranked, fold.wanted).mean() > 0.5


def test_the_same_seed_gives_the_same_lists():
    fold, one = fitted(folds.last_event, planted_histories())
    _, two = fitted(folds.last_event, planted_histories())
    assert np.array_equal(one.rank(fold.requests, 10), two.rank(fold.requests, 10))


def test_one_request_alone_gets_the_list_it_gets_among_many():
    fold, found = fitted(folds.last_event, planted_histories())
    whole = found.rank(fold.requests, 10)
    for row in (0, 7, 50):
        assert np.array_equal(found.rank(fold.requests.select(np.array([row])), 10)[0], whole[row])


def test_shuffled_answers_fall_to_chance():
    """A pipeline that still does well when what happened is dealt out at random sees the answers."""
    past = planted_histories(shoppers=240)
    random = np.random.default_rng(0)
    fold = folds.last_event(past)
    found = blend.fit(fold.train, folds.last_event, fold.requests, ranker="linear")
    ranked = found.rank(fold.requests, 10)
    dealt = sparse.csr_matrix(
        (
            np.ones(len(fold.requests), np.float32),
            random.integers(0, 60, len(fold.requests)),
            np.arange(len(fold.requests) + 1),
        ),
        shape=fold.wanted.shape,
    )
    assert metrics.recall_at_k(ranked, dealt).mean() < 0.3  # ten of sixty is a sixth


def test_items_first_sold_after_the_cut_are_never_answered():
    past = planted_histories()
    late = past.items >= 54
    moment = np.int64(np.median(past.at))
    honest = past.keep(~late | (past.at >= moment))
    cut = folds.after_moment
    fold = cut(honest, share=float((honest.at >= moment).mean()))
    unseen = fold.train.counts() == 0
    found = blend.fit(fold.train, cut, fold.requests, ranker="linear")
    answered = found.rank(fold.requests, 10)
    assert unseen.any()
    assert not unseen[answered[answered >= 0]].any()


def test_a_log_too_small_to_cut_gets_the_plain_blend():
    past = histories(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]), n_rows=2, n_items=3)
    asked = Requests(past=past, exclude=past.sets())
    found = blend.fit(past, folds.last_event, asked)
    assert found.ranker.rounds == 0
    assert found.rank(asked, 1).tolist() == [[2], [1]]


def test_nothing_is_not_enough():
    past = histories(np.zeros(0, int), np.zeros(0, int), n_rows=2, n_items=3)
    with pytest.raises(NotEnoughData):
        blend.fit(past, folds.last_event, Requests(past=past))


def test_no_source_proposes_nothing():
    past = histories(np.array([0]), np.array([1]), n_rows=1, n_items=3)
    (found,) = gather(Requests(past=past), [], [])
    assert found.counts.tolist() == [0]
    assert found.features.shape == (0, 0)


def test_members_follow_from_what_there_is():
    past = planted_histories()
    fold = folds.last_basket(past, new=False)
    of = members.traits(fold.train, fold.requests, None)
    assert (of.repeats, of.timed, of.baskets, of.here, of.features) == (
        True,
        True,
        True,
        False,
        False,
    )
    new = folds.last_basket(past, new=True)
    assert not members.traits(new.train, new.requests, None).repeats
    bare = replace(past, at=None, basket=None)
    plain = folds.last_event(bare)
    of = members.traits(plain.train, plain.requests, planted_features())
    assert (of.repeats, of.timed, of.baskets, of.features) == (False, False, False, True)


def test_in_the_middle_of_a_basket_the_order_inside_it_is_read(monkeypatch):
    past = planted_histories(shoppers=240, items=120, each=12)
    visit = np.arange(len(past.items)) // 6
    past = replace(past, basket=visit.astype(np.int32), at=visit * DAY)
    assert not members.traits(*_cut(folds.last_basket(past, new=False)), None).ongoing
    fold, found = fitted(folds.last_event, past)
    assert found.traits.ongoing
    assert "in order one by one 0.4" in [source.name for source in found.members.sources]
    monkeypatch.setattr(members, "ONGOING", 1.1)
    _, other = fitted(folds.last_event, past)
    assert not other.traits.ongoing
    ours, theirs = (one.rank(fold.requests, 10) for one in (found, other))
    assert (
        metrics.ndcg_at_k(ours, fold.wanted, 10).mean()
        > 1.1 * metrics.ndcg_at_k(theirs, fold.wanted, 10).mean()
    )


def _cut(fold):
    return fold.train, fold.requests


def test_items_nobody_took_are_told_apart_by_their_features():
    past = planted_histories(shoppers=240)
    fold, found = fitted(folds.new_items, past, features=planted_features())
    assert found.traits.new
    ranked = found.rank(fold.requests, 12)
    chance = np.random.default_rng(0).permuted(
        np.tile(np.flatnonzero(fold.requests.eligible), (len(ranked), 1)), axis=1
    )
    floor = metrics.ndcg_at_k(chance, fold.wanted, 3).mean()
    assert metrics.ndcg_at_k(ranked, fold.wanted, 3).mean() > 1.5 * floor
