"""The e-mail that confirms an order, with two products the shopper may like next."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from example_shop.shop.models import Order
from reco_plugin.types import Shopper

SENDER = "Fern & Fable <hello@fern-and-fable.example>"


def confirm(order: Order, shopper: Shopper | None) -> None:
    """Send it: what is recommended is chosen now, from what is on stock now."""
    if not (order.email and settings.ORDER_MAILS):
        return
    message = EmailMultiAlternatives(
        subject=f"Your order {order.number}",
        body=render_to_string("shop/mail/order.txt", content(order, shopper)),
        from_email=SENDER,
        to=[order.email],
    )
    message.attach_alternative(html(order, shopper), "text/html")
    message.send()


def html(order: Order, shopper: Shopper | None) -> str:
    return render_to_string("shop/mail/order.html", content(order, shopper))


def content(order: Order, shopper: Shopper | None) -> dict[str, Any]:
    """No request: the links must work elsewhere, and nobody has seen the products yet."""
    lines = list(order.lines.select_related("product"))
    bought = [line.product.canonical for line in lines if line.product]
    return {"order": order, "lines": lines, "bought": bought, "shopper": shopper, "currency": "£"}
