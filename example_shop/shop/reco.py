"""How this shop introduces itself to reco_plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from example_shop.shop.cart import Cart
from example_shop.shop.models import on_stock
from reco_plugin.catalog import Catalog, OrderMapping


class ShopCatalog(Catalog):
    """What a product is, in words every shop shares."""

    title = "title"
    description = "description"
    brand = "brand.name"
    price = "price"
    list_price = "compare_at_price"
    category = "category"
    image = "image"
    group = "parent_id"
    available_since = "created_at"
    attributes = {"gender": "gender", "age_group": "age_group", "colour": "colour"}
    select_related = ("brand", "category__parent__parent")

    def eligible(self, queryset: QuerySet[Any], request: HttpRequest | None) -> QuerySet[Any]:
        """What may be shown right now: active, with a page of its own, and on stock somewhere."""
        return queryset.filter(on_stock(), is_active=True, parent=None).select_related("brand")


class ShopOrders(OrderMapping):
    """Where the orders are, and what their states mean."""

    model = "shop.OrderLine"
    product = "product_id"
    quantity = "quantity"
    price = "price"
    order = "order__number"
    user = "order__user_id"
    visitor = "order__visitor"
    status = "order__status"
    placed_at = "order__placed_at"
    changed_at = "order__changed_at"
    paid = {"paid"}
    cancelled = {"cancelled"}
    refunded = {"refunded"}

    def order_reference(self, order: Any) -> str:
        return str(order.number)


def cart_products(request: HttpRequest) -> Iterable[int]:
    """Keys of the products in the cart, so that they are not recommended back."""
    for line in Cart(request).lines:
        yield line.product.pk
        yield line.product.canonical.pk
