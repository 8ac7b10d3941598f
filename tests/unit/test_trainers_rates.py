"""Rates of few and many, what rises, and what converts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.trainers import rates
from reco_plugin.trainers.conversion import Funnel, conversion
from reco_plugin.trainers.momentum import HOUR, momentum, rising

NOW = 1_800_000_000_000_000


def numbers(*values):
    return np.asarray(values, np.float32)


def test_the_prior_finds_the_shop_it_was_drawn_from():
    random = np.random.default_rng(3)
    tries = random.integers(5, 400, 3_000)
    hits = random.binomial(tries, random.beta(3, 47, 3_000))
    prior = rates.fit_prior(hits, tries)
    assert prior is not None
    assert prior.mean == pytest.approx(3 / 50, rel=0.05)
    assert prior.strength == pytest.approx(50, rel=0.15)


def test_products_that_do_not_differ_make_a_strong_prior():
    random = np.random.default_rng(4)
    prior = rates.fit_prior(random.binomial(50, 0.1, 2_000), np.full(2_000, 50))
    assert prior is not None
    assert prior.strength > 500


@pytest.mark.parametrize(("hits", "tries"), [([], []), ([0, 0], [5, 3]), ([5, 3], [5, 3])])
def test_no_prior_where_nothing_differs(hits, tries):
    assert rates.fit_prior(hits, tries) is None


def test_more_hits_than_tries_are_refused():
    with pytest.raises(ValueError, match="more hits than tries"):
        rates.fit_prior([2], [1])


shops = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda two: (min(two), max(two))),
    min_size=1,
    max_size=40,
)


@given(shops)
def test_the_bound_lies_below_the_mean_and_within_0_and_1(shop):
    hits, tries = np.asarray(shop).T
    prior = rates.fit_prior(hits, tries)
    if prior is None:
        return
    low, middle = rates.surely(hits, tries, prior), rates.mean(hits, tries, prior)
    assert ((low >= 0) & (low <= middle) & (middle <= 1)).all()


@given(shops, st.integers(20, 500))
def test_one_of_one_never_stands_before_as_good_a_rate_of_many(shop, many):
    hits, tries = (
        np.append(column, extra)
        for column, extra in zip(np.asarray(shop).T, [(1, many)] * 2, strict=True)
    )
    prior = rates.fit_prior(hits, tries)
    if prior is not None:
        low = rates.surely(hits, tries, prior)
        assert low[-2] < low[-1]


def test_the_bound_of_both_steps_is_that_of_their_product():
    random = np.random.default_rng(5)
    low = rates.both((20.0, 80.0), (30.0, 40.0))
    drawn = random.beta(20, 80, 200_000) * random.beta(30, 40, 200_000)
    assert low == pytest.approx(np.quantile(drawn, rates.SURELY), rel=0.02)


# --- momentum ------------------------------------------------------------------------------------


def test_what_rises_surely_stands_before_what_everybody_buys_and_before_one_of_one():
    usual = np.full(60, 40)
    baseline = numbers(*usual, 300, 12, 0, 0)
    recent = numbers(*(usual / 3), 100, 40, 1, 0)
    scores = rising(recent, baseline)
    assert int(np.argmax(scores)) == 61
    assert scores[60] == scores[62] == scores[63] == 0


def test_a_shop_that_doubles_as_a_whole_has_no_trend():
    baseline = np.full(50, 30, np.float32)
    assert not rising(np.full(50, 60, np.float32), baseline).any()


def test_without_a_baseline_nothing_can_rise():
    assert not rising(numbers(5, 9), numbers(0, 0)).any()


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=40))
def test_scores_are_of_shoppers_that_were_there(counts):
    recent, baseline = np.asarray(counts, np.float32).T
    scores = rising(recent, baseline)
    assert ((scores >= 0) & (scores <= recent)).all()
    assert not scores[recent <= 1].any()


def events(*groups):
    """(item, first shopper, how many, hours ago) as columns."""
    rows = [
        (first + number, item, NOW - int(hours * HOUR))
        for item, first, people, hours in groups
        for number in range(people)
    ]
    columns = np.asarray(rows, np.int64).reshape(-1, 3).T
    return columns[0], columns[1], columns[2]


def test_ten_clicks_of_one_person_do_not_trend():
    usual = [(item, 0, 20, hours) for item in range(30) for hours in (5, 30, 50, 80)]
    spam = [(30, 0, 1, hour) for hour in range(1, 20)]
    real = [(31, 0, 19, 5)]
    found = momentum(*events(*usual, *spam, *real), n_items=32, now=NOW)
    assert found.hours == 24
    assert found.scores[30] == 0
    assert int(np.argmax(found.scores)) == 31


def test_a_quiet_shop_is_asked_about_longer_spans():
    usual = [(item, 0, 12, days * 24) for item in range(20) for days in (3, 10, 15, 20, 25)]
    found = momentum(*events(*usual, (20, 0, 15, 30), (20, 0, 2, 400)), n_items=21, now=NOW)
    assert found.hours == 48
    assert int(np.argmax(found.scores)) == 20


def test_a_day_of_chance_tells_less_than_a_week_of_demand():
    """Twelve products had two buyers today and none before; another dozen has doubled for a week."""
    usual = [(item, 0, 20, days * 24) for item in range(40) for days in range(1, 28)]
    chance = [(40 + item, 0, 2, 5) for item in range(12)]
    real = [(52 + item, 0, people, days * 24) for item in range(12)
            for days, people in ((2, 9), (3, 9), (4, 9), (9, 3), (16, 3), (23, 3))]  # fmt: skip
    found = momentum(*events(*usual, *chance, *real), n_items=64, now=NOW)
    assert found.hours > 24
    assert set(np.argsort(-found.scores)[:10].tolist()) <= set(range(52, 64))


def test_spans_do_not_reach_beyond_what_was_read():
    found = momentum(*events((0, 0, 3, 5)), n_items=2, now=NOW, reach=30 * 24)
    assert found.hours == 24
    assert not found.scores.any()


def test_nothing_happened():
    none = np.zeros(0, np.int64)
    assert not momentum(none, none, none, n_items=0, now=NOW).scores.any()


# --- conversion ----------------------------------------------------------------------------------


def test_one_of_one_does_not_win_and_carts_decide_where_purchases_are_few():
    found = conversion(
        Funnel(
            viewed=numbers(1, 300, 300, 300, 50),
            carted=numbers(1, 90, 60, 30, 0),
            bought=numbers(1, 20, 20, 20, 0),
        )
    )
    assert int(np.argmax(found.scores)) == 1
    assert found.scores[0] < found.scores[1]
    assert found.scores[4] == 0
    assert found.to_purchase == pytest.approx(61 / 951)


def test_a_shop_that_records_no_carts_is_ranked_by_purchases():
    bought = numbers(30, 10, 1)
    found = conversion(Funnel(viewed=numbers(100, 100, 1), carted=bought, bought=bought))
    assert np.argsort(-found.scores).tolist() == [0, 1, 2] or found.scores[2] < found.scores[0]
    assert found.scores[0] > found.scores[1] > 0


def test_a_shop_that_sells_nothing_yet_is_ranked_by_carts():
    found = conversion(Funnel(viewed=numbers(90, 90), carted=numbers(20, 5), bought=numbers(0, 0)))
    assert found.scores[0] > found.scores[1] > 0


def test_where_everybody_buys_there_is_nothing_to_tell():
    all_of_them = numbers(20, 5)
    found = conversion(Funnel(viewed=all_of_them, carted=all_of_them, bought=all_of_them))
    assert not found.scores.any()


@given(
    st.lists(
        st.lists(st.integers(0, 400), min_size=3, max_size=3).map(sorted), min_size=1, max_size=30
    )
)
def test_a_rate_lies_within_0_and_1(shop):
    bought, carted, viewed = np.asarray(shop, np.float32).T
    scores = conversion(Funnel(viewed=viewed, carted=carted, bought=bought)).scores
    assert ((scores >= 0) & (scores <= 1)).all()
    assert not scores[viewed == 0].any()


def test_planted_rates_are_found_where_raw_shares_are_misled():
    found = np.asarray([_planted(np.random.default_rng(seed)) for seed in range(8)]).mean(axis=0)
    of_ours, of_raw, of_popular, best = found.tolist()
    assert of_ours > 1.08 * of_raw
    assert of_ours > 1.5 * of_popular
    assert of_ours > 0.48 * best


def _planted(random):
    """Mean true rate of the best twenty by our bound, by the raw share, by views, and at all."""
    viewed = np.maximum(1, 400 / np.arange(1, 1_501) ** 0.8).astype(np.int64)
    to_cart, to_buy = random.beta(4, 36, 1_500), random.beta(8, 12, 1_500)
    carted = random.binomial(viewed, to_cart)
    bought = random.binomial(carted, to_buy)
    funnel = Funnel(viewed=numbers(*viewed), carted=numbers(*carted), bought=numbers(*bought))
    true = to_cart * to_buy
    orders = (conversion(funnel).scores, bought / viewed, viewed, true)
    return [true[np.argsort(-scores, kind="stable")[:20]].mean() for scores in orders]
