"""How the awkward shop introduces itself."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest

from reco_plugin.catalog import Catalog, OrderMapping


class TestCatalog(Catalog):
    __test__ = False

    title = "label"
    description = "blurb"
    brand = "maker"
    category = "shelves"
    group = "canonical_id"
    available_since = "born"
    prefetch_related = ("shelves__parent",)

    def get_price(self, product: Any) -> float | None:
        return None if product.cents is None else product.cents / 100

    def get_attributes(self, product: Any) -> dict[str, str]:
        return {name: str(value) for name, value in product.facts.items()}

    def eligible(self, queryset: QuerySet[Any], request: HttpRequest | None) -> QuerySet[Any]:
        return (
            queryset.filter(hidden=False, cents__gt=0)
            .annotate(on_hand=Sum("stockrecords__count"))
            .filter(on_hand__gt=0)
        )


class TestOrders(OrderMapping):
    __test__ = False

    model = "testapp.Line"
    product = "product_id"
    quantity = "amount"
    price = "unit_cents"
    order = "order__number"
    user = "order__customer_id"
    visitor = "order__visitor"
    status = "order__state"
    placed_at = "order__placed"
    changed_at = "order__touched"
    paid = {"paid", "sent"}
    cancelled = {"cancelled"}
    refunded = {"refunded"}
