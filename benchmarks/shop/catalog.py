"""How the benchmark shop introduces itself."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest

from reco_plugin.catalog import Catalog, OrderMapping


class ShopCatalog(Catalog):
    title = "title"
    description = "description"
    brand = "brand"
    price = "price"
    category = "category"
    select_related = ("category__parent",)
    eligible_for_all = True

    def eligible(self, queryset: QuerySet[Any], request: HttpRequest | None) -> QuerySet[Any]:
        """Live filters on price, and on stock that is an aggregate over stock records."""
        narrowed: QuerySet[Any] = (
            queryset.filter(is_active=True, price__gt=0)
            .annotate(on_hand=Sum("stockrecords__quantity"))
            .filter(on_hand__gt=0)
        )
        return narrowed


class ShopOrders(OrderMapping):
    model = "shop.OrderLine"
    price = "unit_price"
    order = "order_id"
    user = "order__customer_id"
    status = "order__status"
    placed_at = "order__placed_at"
    changed_at = "order__updated_at"
    paid = ("paid",)
    cancelled = ("cancelled",)
    refunded = ("refunded",)
