"""What was sent back, cancelled or dismissed speaks against a product and its like."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.datasets.weights import DEFAULTS
from reco_plugin.pipeline import personal_vector
from reco_plugin.stores.base import History, PastEvent
from reco_plugin.types import EventKind

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
BOOTS, HATS, BELTS = np.eye(3, dtype=np.float32)
TRAINED = {"shopper_vector": "trained"}


def did(kind, key, vector, *, days):
    at = NOW - dt.timedelta(days=days)
    return PastEvent(key=key, kind=kind, occurred_at=at, vector=vector)


def vector(*events, own=None, config=None, learnt=None, weights=DEFAULTS):
    return personal_vector(
        History(events=events, vector=own),
        config or {},
        weights=weights,
        norm=1.0,
        learnt_at=learnt,
        now=NOW,
    )


LOOKED = did(EventKind.VIEW_ITEM, "hat", HATS, days=3)
BOUGHT = did(EventKind.PURCHASE, "boot", BOOTS, days=2)
VIEWED = did(EventKind.VIEW_ITEM, "boot", BOOTS, days=2.1)


def test_a_purchase_draws_towards_its_like():
    assert vector(BOUGHT, VIEWED, LOOKED) @ BOOTS > 0.9


@pytest.mark.parametrize("kind", [EventKind.REFUND, EventKind.DISMISS_ITEM])
def test_what_was_turned_down_pushes_away(kind):
    down = did(kind, "boot", BOOTS, days=1)
    found = vector(down, BOUGHT, VIEWED, LOOKED)
    assert found @ BOOTS < 0 < found @ HATS


def test_only_that_product_is_turned_down():
    down = did(EventKind.REFUND, "belt", BELTS, days=1)
    found = vector(down, BOUGHT, VIEWED, LOOKED)
    assert found @ BOOTS > 0.5
    assert found @ BELTS < 0


def test_who_comes_back_to_it_is_believed():
    """The last word counts: what was done after sending it back speaks for it again."""
    again = did(EventKind.ADD_TO_CART, "boot", BOOTS, days=0.5)
    down = did(EventKind.REFUND, "boot", BOOTS, days=1)
    assert vector(again, down, BOUGHT, LOOKED) @ BOOTS > 0


def test_who_only_sent_back_tells_nothing_they_like():
    down = did(EventKind.REFUND, "boot", BOOTS, days=1)
    assert vector(down, BOUGHT, VIEWED) is None


def test_a_shop_may_weigh_refunds_itself():
    down = did(EventKind.REFUND, "boot", BOOTS, days=1)
    mild = vector(down, LOOKED, weights={**DEFAULTS, EventKind.REFUND: -0.1})
    harsh = vector(down, LOOKED, weights={**DEFAULTS, EventKind.REFUND: -9.0})
    assert harsh @ BOOTS < mild @ BOOTS < 0


def test_a_refund_after_training_takes_back_what_was_learnt():
    own = (BOOTS + HATS) / np.sqrt(2)
    learnt = NOW - dt.timedelta(days=1.5)
    down = did(EventKind.REFUND, "boot", BOOTS, days=1)
    same = vector(BOUGHT, VIEWED, LOOKED, own=own, config=TRAINED, learnt=learnt)
    found = vector(down, BOUGHT, VIEWED, LOOKED, own=own, config=TRAINED, learnt=learnt)
    assert same.tolist() == own.tolist()
    assert found @ BOOTS < 0 < found @ HATS


def test_a_refund_that_was_learnt_is_not_counted_again():
    learnt = NOW - dt.timedelta(days=0.5)
    down = did(EventKind.REFUND, "boot", BOOTS, days=1)
    found = vector(down, BOUGHT, LOOKED, own=HATS, config=TRAINED, learnt=learnt)
    assert found.tolist() == HATS.tolist()


def test_a_purchase_sent_back_since_is_no_news():
    """Bought and sent back, both after training: nothing is left but the refund."""
    learnt = NOW - dt.timedelta(days=2.5)
    down = did(EventKind.REFUND, "boot", BOOTS, days=1)
    found = vector(down, BOUGHT, LOOKED, own=HATS, config=TRAINED, learnt=learnt)
    assert found @ BOOTS < 0 < found @ HATS


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([kind for kind in EventKind if DEFAULTS[kind] > 0]),
            st.sampled_from(["boot", "hat", "belt"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([EventKind.REFUND, EventKind.DISMISS_ITEM]),
)
def test_turning_down_never_draws_nearer(before, kind):
    axes = {"boot": BOOTS, "hat": HATS, "belt": BELTS}
    events = [did(one, key, axes[key], days=2 + at) for at, (one, key) in enumerate(before)]
    down = did(kind, "boot", BOOTS, days=1)
    found = vector(down, *events)
    assert found is None or found @ BOOTS < 0


# --- the two together ----------------------------------------------------------------------------

BOTH = {"shopper_vector": "both"}


def test_both_is_the_mean_of_the_two():
    trained, folded = (vector(BOUGHT, LOOKED, own=BELTS, config=one) for one in (TRAINED, {}))
    assert vector(BOUGHT, LOOKED, own=BELTS, config=BOTH) == pytest.approx((trained + folded) / 2)


def test_both_is_the_one_there_is():
    assert vector(own=BELTS, config=BOTH) == pytest.approx(BELTS)
    assert vector(BOUGHT, LOOKED, config=BOTH) == pytest.approx(vector(BOUGHT, LOOKED))
    assert vector(config=BOTH) is None
