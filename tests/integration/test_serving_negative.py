"""Returns, cancellations and dismissals are heard by the very next list."""

from __future__ import annotations

import pytest
from servingshop import Shop, products, publish

from reco_plugin.serving import recommend
from reco_plugin.types import EventKind

pytestmark = pytest.mark.django_db

LIKED, SENT_BACK = 5, 30


@pytest.fixture
def shop() -> Shop:
    """Products on half a circle: near numbers are near products."""
    made = Shop(products=products(40))
    publish(made)
    return made


def near(numbers, number):
    return [one for one in numbers if abs(one - number) <= 6]


@pytest.mark.parametrize("kind", [EventKind.REFUND, EventKind.DISMISS_ITEM])
def test_a_product_sent_back_and_its_like_step_back(shop, kind):
    shop.did(EventKind.ADD_TO_CART, shop.products[LIKED], days=3)
    shop.did(EventKind.PURCHASE, shop.products[SENT_BACK], days=2)
    before = shop.numbers(recommend("personal", shopper=shop.shopper, limit=8))
    assert near(before, SENT_BACK)
    shop.did(kind, shop.products[SENT_BACK], days=1)
    after = shop.numbers(recommend("personal", shopper=shop.shopper, limit=8))
    assert len(after) == 8
    assert not near(after, SENT_BACK)
    assert near(after, LIKED)
