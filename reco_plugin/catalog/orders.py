"""How the shop writes an order: a declarative mapping the order sync reads by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from reco_plugin.types import Key


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderLine:
    """One line of an order, in our words."""

    key: Key
    order: str
    product: Key | None
    quantity: int
    price: Decimal | None
    currency: str
    user: Key | None
    visitor: str
    """The guest's visitor id (UUID text), where the shop kept it on the order; else ''."""
    guest: str
    """Anything stable that tells guests apart (e.g. a customer number); hashed, never stored."""
    status: str
    placed_at: dt.datetime | None


class OrderMapping:
    """Subclass it and name it in RECO_ORDERS. Paths are Django lookups from the order line.

    class ShopOrders(OrderMapping):
        model = "shop.OrderLine"
        order = "order__number"
        user = "order__user_id"
        status = "order__status"
        placed_at = "order__placed_at"
        changed_at = "order__updated_at"
        paid = {"paid", "shipped"}
    """

    model: ClassVar[str] = ""
    product: ClassVar[str] = "product_id"
    quantity: ClassVar[str] = "quantity"
    price: ClassVar[str] = ""
    currency: ClassVar[str] = ""
    order: ClassVar[str] = "order_id"
    user: ClassVar[str] = ""
    visitor: ClassVar[str] = ""
    guest: ClassVar[str] = ""
    status: ClassVar[str] = ""
    placed_at: ClassVar[str] = "order__created_at"
    changed_at: ClassVar[str] = ""
    """A timestamp that moves when the order changes; '' falls back to the key and a rescan."""
    paid: ClassVar[Iterable[str]] = ()
    """Statuses that make a purchase; empty means every order that is not cancelled or refunded."""
    cancelled: ClassVar[Iterable[str]] = ()
    refunded: ClassVar[Iterable[str]] = ()

    def order_reference(self, order: Any) -> Any:
        """The value of the `order` path for an order instance handed to `order_completed`."""
        return order.pk
