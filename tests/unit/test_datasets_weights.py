from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from reco_plugin.datasets import EventLog, EventWeights, grouping, weigh, weigh_counted
from reco_plugin.datasets.repeats import repeated
from reco_plugin.types import EventKind, IdMap

START = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
NOW = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
PLAIN = EventWeights(half_life_days=0)


def log(*events, shoppers=4, items=5):
    """Events as (shopper, item, kind, day, quantity=1, rating=nan)."""
    rows = [
        (*event, 1, np.nan)[:6] if len(event) == 4 else (*event, np.nan)[:6] for event in events
    ]
    columns = list(zip(*rows, strict=True)) or [()] * 6
    return EventLog(
        shopper=np.asarray(columns[0], np.int32),
        item=np.asarray(columns[1], np.int32),
        kind=np.asarray(columns[2], np.uint8),
        at=np.asarray([START + int(day * grouping.DAY) for day in columns[3]], np.int64),
        quantity=np.asarray(columns[4], np.int32),
        rating=np.asarray(columns[5], np.float32),
        shoppers=IdMap(keys=np.arange(shoppers)),
        items=IdMap(keys=np.arange(items)),
    )


events = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 4),
        st.sampled_from([kind for kind in EventKind if kind is not EventKind.SEARCH]),
        st.integers(0, 40).map(lambda half: half / 2),
        st.integers(-3, 3),
        st.floats(0, 1, width=32) | st.just(float("nan")),
    ),
    max_size=40,
)


@given(events, st.randoms(use_true_random=False))
def test_the_order_of_events_makes_no_difference(some, random):
    shuffled = random.sample(some, len(some))
    one, other = (weigh(log(*each), EventWeights(), NOW) for each in (some, shuffled))
    assert (one != other).nnz == 0


@given(events)
def test_repeated_events_are_found_but_for_one(some):
    twice = log(*some, *some, *some)
    again = repeated(twice)
    assert len(twice) - again.sum() == len({tuple(map(str, event)) for event in some})
    once = log(*some).select(~repeated(log(*some)))
    assert (weigh(twice.select(~again), PLAIN) != weigh(once, PLAIN)).nnz == 0


@given(events)
def test_only_positive_finite_weights_below_the_cap_per_day(some):
    found = weigh(log(*some), PLAIN)
    assert found.dtype == np.float32
    assert np.isfinite(found.data).all()
    assert (found.data > 0).all()
    days = len({event[3] // 1 for event in some})
    assert (found.data <= 5.0 * days + 1e-6).all()


@given(events)
def test_both_ways_of_grouping_agree(some):
    known = log(*some)
    fast = weigh(known, EventWeights(), NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "WORD", 1)
        slow = weigh(known, EventWeights(), NOW)
    assert (fast != slow).nnz == 0


@given(events, st.integers(1, 3))
def test_a_refund_after_a_purchase_cancels_it(some, units):
    others = [event for event in some if event[:2] != (0, 0)]
    view = (0, 0, EventKind.VIEW_ITEM, 3)
    bought = (0, 0, EventKind.PURCHASE, 3, units)
    back = (0, 0, EventKind.REFUND, 20, units)
    cancelled = weigh(log(*others, view, bought, back), EventWeights(), NOW)
    never = weigh(log(*others, view), EventWeights(), NOW)
    assert (cancelled != never).nnz == 0


def test_a_partial_refund_keeps_the_share_that_was_kept():
    found = weigh(log((0, 0, EventKind.PURCHASE, 0, 4), (0, 0, EventKind.REFUND, 1, 1)), PLAIN)
    assert found[0, 0] == pytest.approx(5 * 0.75)


def test_refunds_without_quantity_or_with_a_negative_one_count_as_units():
    bought = (0, 0, EventKind.PURCHASE, 0, 1)
    for quantity in (0, -1, 1):
        assert weigh(log(bought, (0, 0, EventKind.REFUND, 1, quantity)), PLAIN).nnz == 0


def test_a_stray_refund_is_counted_and_harmless():
    found = weigh_counted(log((0, 0, EventKind.VIEW_ITEM, 0), (0, 0, EventKind.REFUND, 1)), PLAIN)
    assert found.stray_refunds == 1
    assert found.matrix[0, 0] == 1


def test_r22_one_shopper_cannot_dominate_a_product_in_a_day():
    many = [(1, 2, EventKind.VIEW_ITEM, i / 100_000) for i in range(20_000)]
    found = weigh_counted(log(*many), PLAIN)
    assert found.matrix[1, 2] == 5.0
    assert found.capped_share == pytest.approx(1 - 5 / 20_000)


def test_a_half_life_halves():
    both = log((0, 0, EventKind.VIEW_ITEM, 29), (0, 1, EventKind.VIEW_ITEM, 19))
    found = weigh(both, EventWeights(half_life_days=10), NOW)
    assert found[0, 1] / found[0, 0] == pytest.approx(0.5)
    assert found[0, 0] == pytest.approx(0.5 ** (1 / 10))


def test_the_future_counts_as_today():
    found = weigh(log((0, 0, EventKind.VIEW_ITEM, 60)), EventWeights(), NOW)
    assert found[0, 0] == 1


def test_dislikes_remove_a_product():
    disliked = [(0, 0, EventKind.VIEW_ITEM, 0), (0, 0, EventKind.RATE_ITEM, 1, 1, 0.0)]
    assert weigh(log(*disliked), PLAIN).nnz == 0
    assert weigh(log(*disliked[:1], (0, 0, EventKind.DISMISS_ITEM, 1)), PLAIN).nnz == 0
    liked = weigh(log((0, 0, EventKind.RATE_ITEM, 1, 1, 0.75)), PLAIN)
    assert liked[0, 0] == pytest.approx(2.0)
    assert weigh(log((0, 0, EventKind.RATE_ITEM, 1, 1, np.inf)), PLAIN).nnz == 0


def test_kinds_of_tomorrow_weigh_nothing():
    assert weigh(log((0, 0, 77, 0), (0, 1, EventKind.RATE_ITEM, 0, 1, 1.0)), PLAIN).nnz == 1


@pytest.mark.parametrize("some", [[], [(0, 0, EventKind.VIEW_ITEM, 0)]])
def test_nothing_and_almost_nothing(some):
    found = weigh(log(*some, shoppers=1, items=1), PLAIN)
    assert found.shape == (1, 1)
    assert found.nnz == len(some)
    assert weigh(log(shoppers=0, items=0), PLAIN).shape == (0, 0)


def test_weights_are_overlaid_by_the_setting(settings):
    settings.RECO_EVENT_WEIGHTS = {"purchase": 9, "view_item": 0.5}
    settings.RECO_HALF_LIFE_DAYS = 0
    settings.RECO_DAILY_CAP = 100.0
    found = weigh(log((0, 0, EventKind.VIEW_ITEM, 0), (0, 0, EventKind.PURCHASE, 0)))
    assert found[0, 0] == 9.5


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RECO_EVENT_WEIGHTS", {"purchases": 5}, "'purchases' is not an event kind; choose from"),
        ("RECO_EVENT_WEIGHTS", {"purchase": "5"}, "must be a finite number"),
        ("RECO_EVENT_WEIGHTS", {"purchase": float("nan")}, "must be a finite number"),
        ("RECO_DAILY_CAP", 0.0, "RECO_DAILY_CAP must be a finite number of at least 0.001"),
        ("RECO_HALF_LIFE_DAYS", -1.0, "RECO_HALF_LIFE_DAYS must be a finite number of at least 0"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(settings, name, value, words):
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=words):
        EventWeights.from_settings()
