"""What every page of the shop shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from example_shop.shop.cart import Cart
from example_shop.shop.models import Category


def shop(request: HttpRequest) -> dict[str, Any]:
    return {
        "departments": SimpleLazyObject(lambda: list(Category.objects.filter(parent=None)[:8])),
        "cart_count": SimpleLazyObject(lambda: Cart(request).count),
    }
