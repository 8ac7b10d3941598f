"""A blend learns from the very products, in the very order, of which a page asks it."""

from __future__ import annotations

import datetime as dt
import uuid

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_plugin.datasets import EventLog
from reco_plugin.jobs.blend_material import in_order
from reco_plugin.jobs.histories import moment
from reco_plugin.ranking.served import newest
from reco_plugin.retrieval import blended
from reco_plugin.retrieval.base import Query
from reco_plugin.stores.base import PastEvent
from reco_plugin.types import EventKind, IdMap, id_map

KINDS = (
    EventKind.VIEW_ITEM,
    EventKind.ADD_TO_CART,
    EventKind.PURCHASE,
    EventKind.DISMISS_ITEM,
    EventKind.SEARCH,
)
MINUTE = 60_000_000


def log(kinds, items, at) -> EventLog:
    n = len(kinds)
    return EventLog(
        shopper=np.zeros(n, np.int32),
        item=np.asarray(items, np.int32),
        kind=np.asarray(kinds, np.uint8),
        at=np.asarray(at, np.int64),
        quantity=np.ones(n, np.int32),
        rating=np.full(n, np.nan, np.float32),
        shoppers=id_map([uuid.UUID(int=1)]),
        items=IdMap(keys=np.arange(6)),
    )


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5)), max_size=25), st.data())
def test_what_is_learnt_from_is_what_a_page_asks(events, data):
    """Orders are of several lines at one moment, all else happens at moments of its own."""
    at, now = [], 0
    for place, (kind, item) in enumerate(events):
        follows = place and kind is EventKind.PURCHASE is events[place - 1][0]
        same = follows and item not in {
            one for (_, one), t in zip(events, at, strict=False) if t == now
        }
        now += 0 if same and data.draw(st.booleans()) else MINUTE
        at.append(now)
    found = newest(in_order(log([k for k, _ in events], [i for _, i in events], at)), 99)
    told = blended.told(
        Query(
            events=tuple(
                PastEvent(key=item, kind=kind, occurred_at=moment(t), vector=None)
                for (kind, item), t in sorted(
                    zip(events, at, strict=True), key=lambda one: one[1], reverse=True
                )
            ),
            blends=99,
        )
    )
    baskets: dict[int, set[int]] = {}
    for event, step in zip(told, blended.steps(told), strict=True):
        baskets.setdefault(step, set()).add(int(event.key))  # type: ignore[call-overload]
    learnt: dict[int, set[int]] = {}
    for item, step in zip(found.items.tolist(), found.steps_back.tolist(), strict=True):
        learnt.setdefault(step, set()).add(item)
    assert learnt == baskets


def test_a_look_the_cart_and_the_purchase_are_one_step():
    kinds = [EventKind.VIEW_ITEM, EventKind.ADD_TO_CART, EventKind.PURCHASE, EventKind.VIEW_ITEM]
    found = in_order(log(kinds, [3, 3, 3, 4], [1, 2, 3, 4]))
    assert found.items.tolist() == [3, 4]
    assert found.at.tolist() == [3, 4]


def test_nothing_happened():
    assert not len(in_order(log([], [], [])).items)
    assert moment(0) == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def test_of_what_was_taken_the_dearer_counts_more_where_the_shop_says_so():
    from reco_plugin.ranking import folds, served
    from reco_plugin.testing.neighbours import planted_histories

    whole = planted_histories(shoppers=60)
    fold = folds.after_moment(whole)
    assert fold.shoppers is not None
    shopper, taken = int(fold.shoppers[0]), fold.wanted[0].indices.tolist()
    worth = whole.sets()
    worth[shopper, taken[0]] = 5
    found = served._taken(fold, 0, worth.tocsr())
    assert found == {item: 5.0 if item == taken[0] else 1.0 for item in taken}
    assert set(served._taken(fold, 0, None).values()) == {1.0}
