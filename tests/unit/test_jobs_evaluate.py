from __future__ import annotations

import datetime as dt
import json
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from reco_plugin.datasets import EventLog, EventWeights, features_of
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.jobs.evaluate import WAYS, difference, evaluate, period
from reco_plugin.jobs.histories import Histories
from reco_plugin.jobs.material import Material
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.jobs.trial import K, Trial, everyone, popular_lists
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import CatalogItem, Dataset, EventKind, id_map

DAY = 86_400_000_000
SHOPPERS, ITEMS = 12, 30


def log_of(rows: list[tuple[int, int, int, int]]) -> EventLog:
    """(shopper, item, kind, day) rows."""
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
    return EventLog(
        shopper=table[:, 0].astype(np.int32),
        item=table[:, 1].astype(np.int32),
        kind=table[:, 2].astype(np.uint8),
        at=table[:, 3] * DAY + np.arange(len(table)),
        quantity=np.ones(len(table), np.int32),
        rating=np.full(len(table), np.nan, np.float32),
        shoppers=id_map([uuid.UUID(int=number + 1) for number in range(SHOPPERS)]),
        items=id_map(list(range(ITEMS))),
        read=len(table),
    )


events = st.tuples(
    st.integers(0, SHOPPERS - 1),
    st.integers(0, ITEMS - 1),
    st.sampled_from([int(EventKind.VIEW_ITEM), int(EventKind.PURCHASE)]),
    st.integers(1, 60),
)


def busy_log(seed: int = 0, rows: int = 400) -> EventLog:
    random = np.random.default_rng(seed)
    columns = (SHOPPERS, ITEMS, 1, 60)
    return log_of([tuple(int(random.integers(n)) + 1 * (n == 1) for n in columns)
                   for _ in range(rows)])  # fmt: skip


def learnt_from(dataset: Dataset, seed: int = 0) -> Learnt:
    random = np.random.default_rng(seed)
    return Learnt(
        item_vectors=random.normal(size=(ITEMS, 4)).astype(np.float32),
        item_biases=random.normal(size=ITEMS).astype(np.float32),
        shopper_vectors=random.normal(size=(SHOPPERS, 4)).astype(np.float32),
        feature_vectors=np.zeros((0, 4), np.float32),
        feature_biases=np.zeros(0, np.float32),
        epochs=3,
    )


def material(log: EventLog) -> Material:
    from reco_plugin.datasets import build_reported

    features = features_of([CatalogItem(key=at, brand=f"B{at % 3}") for at in range(ITEMS)])
    built = build_reported(log, weights=EventWeights(), item_features=features)
    return Material(
        log=log,
        features=features,
        whole=built.dataset,
        quality=built.report,
        weights=EventWeights(),
    )


@given(st.lists(events, min_size=1, max_size=80), st.integers(1, 5))
def test_histories_are_the_newest_events_newest_first(rows, limit):
    log = log_of(rows)
    histories = Histories(log, limit)
    for shopper in range(SHOPPERS):
        found = histories.events(shopper)
        own = np.flatnonzero(log.shopper == shopper)
        assert list(found) == sorted(own, key=lambda at: -log.at[at])[:limit]


def test_a_history_is_what_a_store_would_tell():
    log = log_of([(0, 3, 1, 5), (0, 4, 6, 9), (1, 5, 1, 7)])
    vectors = np.arange(ITEMS * 2, dtype=np.float32).reshape(ITEMS, 2)
    past = Histories(log, 30).of(0, vectors, None)
    assert [event.key for event in past.events] == [4, 3]
    assert past.events[0].kind is EventKind.PURCHASE
    assert past.events[0].occurred_at.date() == dt.date(1970, 1, 10)
    np.testing.assert_array_equal(past.events[1].vector, vectors[3])
    assert past.vector is None


@settings(max_examples=30)
@given(st.lists(events, min_size=5, max_size=120), st.integers(10, 50))
def test_nothing_met_before_is_shown_or_looked_for(rows, day):
    from reco_plugin.datasets import time_split

    past, during, at = time_split(log_of(rows), at=day * DAY)
    judged = period(past, during, at, seed=0)
    assert judged.sample.seen.multiply(judged.wanted).nnz == 0
    lists = popular_lists(past, judged.sample)
    for row, seen in zip(lists, judged.sample.seen, strict=True):
        assert not set(row[row >= 0]) & set(seen.indices)
    assert all(judged.wanted.getnnz(axis=1) > 0)


def test_popular_lists_count_only_the_window_before_the_split(settings):
    settings.RECO_POPULAR_DAYS = 10
    old = [(shopper, 20, 1, 5) for shopper in range(10)]
    recent = [(shopper, item, 1, 55) for shopper in range(3) for item in range(10, 22)]
    log = log_of([*old, *recent, (11, 0, 1, 58)])
    sample = period(log, log_of([(11, 1, 1, 61)]), 60 * DAY, seed=0).sample
    assert set(popular_lists(log, sample)[0]) <= set(range(10, 22))


def test_evaluation_judges_every_way_and_popularity():
    found = evaluate(material(busy_log()), learnt_from, seed=1)
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert set(told["results"]) == {*WAYS, "popularity"}
    assert told["served"] in WAYS
    assert told["epochs"] == 3
    assert 0 < told["shoppers"] <= SHOPPERS
    served = told["results"][told["served"]]["ndcg@10"]["mean"]
    assert found.difference.served == pytest.approx(served)
    best = max(told["validation"][way]["ndcg@10"]["mean"] for way in WAYS)
    assert told["validation"][told["served"]]["ndcg@10"]["mean"] == best


def test_the_trial_learns_nothing_from_the_future():
    """What is fitted ends before the validation period, which ends before the test period."""
    log = busy_log()
    given: list[Dataset] = []

    def fit(dataset: Dataset) -> Learnt:
        given.append(dataset)
        return learnt_from(dataset)

    found = evaluate(material(log), fit)
    (dataset,) = given
    late = log.at >= found.at
    early = np.unique(log.select(~late).cells())
    trained = set(dataset.interactions.tocoo().row * ITEMS + dataset.interactions.tocoo().col)
    assert trained <= set(early)
    assert len(trained) < len(early)
    assert dataset.holdout is not None
    assert dataset.holdout.multiply(dataset.interactions).nnz == 0


def test_nobody_to_judge_is_not_enough_data():
    with pytest.raises(NotEnoughData):
        evaluate(material(log_of([(0, item, 1, item) for item in range(20)])), learnt_from)


def test_a_shopper_without_a_vector_is_judged_by_what_the_ladder_gives_them():
    log = log_of([(0, 1, int(EventKind.DISMISS_ITEM), 3), (1, 2, 1, 3)])
    dataset = material(log).dataset()
    trial = Trial.of(dataset, learnt_from(dataset))
    sample = everyone(log, seed=0)
    fallback = np.arange(2 * K, dtype=np.int32).reshape(2, K)
    lists = trial.lists(sample, {"shopper_vector": "fold_in"}, fallback)
    assert list(lists[0]) == list(fallback[0])
    assert list(lists[1]) != list(fallback[1])


def test_an_untrained_shopper_has_no_vector_of_their_own():
    log = log_of([(0, 1, 1, 3)])
    dataset = material(log).dataset()
    trial = Trial.of(dataset, learnt_from(dataset))
    assert list(np.flatnonzero(trial.trained)) == [0]
    assert trial.norm == pytest.approx(
        float(np.linalg.norm(trial.learnt.shopper_vectors[0])), rel=1e-5
    )


def test_difference_is_paired():
    wanted = sparse.csr_matrix(np.eye(4, 30, dtype=np.float32))
    right = np.tile(np.arange(K, dtype=np.int32), (4, 1))
    wrong = right + 15
    found = difference(right, wrong, wanted)
    assert found.served > found.popular == 0
    same = difference(right, right, wanted)
    assert (same.served - same.popular, same.error) == (0, 0)


def test_a_sample_is_bounded_and_seeded(monkeypatch):
    monkeypatch.setattr("reco_plugin.jobs.trial.MOST_SHOPPERS", 5)
    log = busy_log()
    first, again = (everyone(log, seed=3).shoppers for _ in range(2))
    assert len(first) == 5
    np.testing.assert_array_equal(first, again)


def test_stages_add_up_and_survive_errors():
    stages = Stages()
    with pytest.raises(ValueError), stages.stage("fit"):
        raise ValueError
    with stages.stage("fit"):
        pass
    assert set(stages.seconds) == {"fit"}
    assert stages.seconds["fit"] >= 0


def test_a_history_that_ended_long_ago_weighs_like_a_fresh_one():
    """With a half-life of 90 days, events of 1971 would weigh 2**-200 today: nothing, in float32."""
    assert material(log_of([(0, 1, 1, 400)])).dataset().interactions.data == pytest.approx([1.0])
