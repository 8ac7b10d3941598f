"""What was taken back does not count."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from reco_plugin.datasets import EventLog
from reco_plugin.datasets.interest import wanted
from reco_plugin.types import EventKind, id_map

K = EventKind


def log(*events: tuple[EventKind, int], rating: float = np.nan, quantity: int = 1) -> EventLog:
    """Events of one shopper about one product: (kind, when)."""
    n = len(events)
    return EventLog(
        shopper=np.zeros(n, np.int32),
        item=np.zeros(n, np.int32),
        kind=np.asarray([kind for kind, _ in events], np.uint8),
        at=np.asarray([at for _, at in events], np.int64),
        quantity=np.full(n, quantity, np.int32),
        rating=np.full(n, rating, np.float32),
        shoppers=id_map([uuid.UUID(int=1)]),
        items=id_map([7]),
    )


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        ([(K.VIEW_ITEM, 1), (K.PURCHASE, 2)], [1, 1]),
        ([(K.VIEW_ITEM, 1), (K.PURCHASE, 2), (K.REFUND, 3)], [0, 0, 0]),
        ([(K.VIEW_ITEM, 1), (K.REFUND, 3)], [0, 0]),
        ([(K.PURCHASE, 1), (K.PURCHASE, 2), (K.REFUND, 3)], [1, 1, 0]),
        ([(K.ADD_TO_CART, 1), (K.REMOVE_FROM_CART, 2), (K.ADD_TO_CART, 3)], [0, 0, 1]),
        ([(K.VIEW_ITEM, 1), (K.ADD_TO_CART, 1), (K.REMOVE_FROM_CART, 2)], [1, 0, 0]),
        ([(K.VIEW_ITEM, 1), (K.DISMISS_ITEM, 2), (K.VIEW_ITEM, 3)], [0, 0, 1]),
        ([], []),
    ],
)
def test_what_is_taken_back_does_not_count(events, kept):
    assert wanted(log(*events)).tolist() == [bool(one) for one in kept]


@pytest.mark.parametrize(("rating", "kept"), [(0.2, False), (0.9, True)])
def test_a_bad_rating_is_no_interest(rating, kept):
    assert wanted(log((K.RATE_ITEM, 1), rating=rating)).tolist() == [kept]
