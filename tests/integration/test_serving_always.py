"""What must hold of every slate, whatever the shop looks like."""

from __future__ import annotations

import pytest
import servingshop as ss
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testapp.models import Product, StockRecord

from reco_plugin.serving import pointers, recommend
from reco_plugin.types import Rung

SIZE = 24
NUMBERS = st.sets(st.integers(0, SIZE - 1))


@pytest.mark.django_db
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sold_out=NUMBERS,
    hidden=NUMBERS,
    excluded=st.sets(st.integers(0, SIZE - 1), max_size=5),
    parents=st.dictionaries(st.integers(8, SIZE - 1), st.integers(0, 7), max_size=12),
    limit=st.integers(1, SIZE),
    kind=st.sampled_from(["personal", "similar", "popular"]),
)
def test_r20_a_slate_holds_exactly_what_may_be_shown(
    sold_out, hidden, excluded, parents, limit, kind
):
    with transaction.atomic():
        shop = ss.Shop(products=ss.products(SIZE))
        keys = [product.pk for product in shop.products]
        ss.publish(shop)
        ss.rank(shop, {"": list(range(SIZE))})
        shop.viewed(3)
        for child, parent in parents.items():
            Product.objects.filter(pk=keys[child]).update(canonical_id=keys[parent])
        StockRecord.objects.filter(product__in=[keys[n] for n in sold_out]).update(count=0)
        Product.objects.filter(pk__in=[keys[n] for n in hidden]).update(hidden=True)
        slate = recommend(
            kind,
            shopper=shop.shopper,
            product=shop.products[0] if kind == "similar" else None,
            exclude=[keys[n] for n in excluded],
            limit=limit,
        )
        shown = shop.numbers(slate)
        transaction.set_rollback(True)
    pointers.forget()

    def group(number: int) -> int:
        return parents.get(number, number)

    left_out = {group(n) for n in excluded | ({0} if kind == "similar" else set())}
    allowed = {n for n in range(SIZE) if n not in sold_out | hidden and group(n) not in left_out}
    assert set(shown) <= allowed
    assert len({group(n) for n in shown}) == len(shown)
    assert len(shown) == min(limit, len({group(n) for n in allowed}))
    for rung in Rung:
        scores = [item.score for item in slate if item.rung is rung]
        assert scores == sorted(scores, reverse=True)
