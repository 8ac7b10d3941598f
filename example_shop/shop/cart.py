"""The cart, kept in the session as {product key: quantity}."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from django.http import HttpRequest

from example_shop.shop.models import Product

SESSION_KEY = "cart"
MOST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class CartLine:
    product: Product
    quantity: int

    @property
    def total(self) -> Decimal:
        return self.product.price * self.quantity


class Cart:
    """The cart of one request."""

    def __init__(self, request: HttpRequest) -> None:
        self.session = request.session

    @property
    def quantities(self) -> dict[int, int]:
        return {int(key): count for key, count in self.session.get(SESSION_KEY, {}).items()}

    @cached_property
    def lines(self) -> list[CartLine]:
        """What is in the cart and still sold, in the order it was added."""
        quantities = self.quantities
        products = Product.objects.active().select_related("brand", "parent").in_bulk(quantities)
        return [
            CartLine(product=products[key], quantity=count)
            for key, count in quantities.items()
            if key in products
        ]

    @property
    def count(self) -> int:
        return sum(self.quantities.values())

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines), Decimal())

    def set(self, product: Product, quantity: int) -> None:
        """Put exactly `quantity` of the product in the cart; 0 takes it out."""
        quantities = self.quantities
        quantities[product.pk] = min(max(quantity, 0), MOST)
        self._save({key: count for key, count in quantities.items() if count})

    def add(self, product: Product, quantity: int = 1) -> None:
        self.set(product, self.quantities.get(product.pk, 0) + quantity)

    def clear(self) -> None:
        self._save({})

    def _save(self, quantities: dict[int, int]) -> None:
        self.session[SESSION_KEY] = {str(key): count for key, count in quantities.items()}
        self.__dict__.pop("lines", None)
