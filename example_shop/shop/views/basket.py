"""Cart and checkout."""

from __future__ import annotations

import secrets
from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from example_shop.shop import mail
from example_shop.shop.cart import Cart
from example_shop.shop.forms import CheckoutForm
from example_shop.shop.models import Order, OrderLine, Product
from reco_plugin.capture import identify
from reco_plugin.signals import basket_item_added, basket_item_removed, order_completed

LAST_ORDER = "last_order"
MAIL_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
"""Mail programs know inline style only."""


def cart(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/cart.html", {"cart": Cart(request)})


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    products = Product.objects.active().on_stock().select_related("parent")
    product = get_object_or_404(products, pk=_number(request, "product"))
    if product.variants.active().exists():
        messages.error(request, "Please choose an option first.")
        return redirect(product)
    Cart(request).add(product)
    basket_item_added.send(add, request=request, product=product)  # reco: what is wanted
    messages.success(request, f"{product} is in your cart.")
    return redirect("shop:cart")


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    product = get_object_or_404(Product, pk=_number(request, "product"))
    quantity = _number(request, "quantity")
    Cart(request).set(product, quantity)
    if not quantity:
        basket_item_removed.send(change, request=request, product=product)  # reco: second thoughts
    return redirect("shop:cart")


def checkout(request: HttpRequest) -> HttpResponse:
    contents = Cart(request)
    if not contents.lines:
        return redirect("shop:cart")
    form = CheckoutForm(request.POST or None, initial=_known(request))
    if request.method == "POST" and form.is_valid():
        order = _place(request, contents, form.cleaned_data)
        request.session[LAST_ORDER] = order.pk
        contents.clear()
        return redirect("shop:thanks")
    return render(request, "shop/checkout.html", {"form": form, "cart": contents})


def thanks(request: HttpRequest) -> HttpResponse:
    order = get_object_or_404(Order, pk=request.session.get(LAST_ORDER))
    bought = [line.product for line in order.lines.select_related("product") if line.product]
    return render(request, "shop/thanks.html", {"order": order, "bought": bought})


def confirmation(request: HttpRequest) -> HttpResponse:
    """The e-mail of the last order, as it would be sent now."""
    order = get_object_or_404(Order, pk=request.session.get(LAST_ORDER))
    response = HttpResponse(mail.html(order, identify(request)))
    response["Content-Security-Policy"] = MAIL_POLICY
    return response


@transaction.atomic
def _place(request: HttpRequest, contents: Cart, details: dict[str, str]) -> Order:
    shopper = identify(request)  # reco: keeps a guest's order with what the guest looked at
    order = Order.objects.create(
        number=f"S{secrets.token_hex(5).upper()}",
        user=request.user if request.user.is_authenticated else None,
        visitor=str(shopper.id) if shopper and shopper.user is None else "",
        **details,
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product=line.product,
            title=str(line.product),
            quantity=line.quantity,
            price=line.product.price,
        )
        for line in contents.lines
    )
    order_completed.send(Order, order=order, request=request)  # reco: what is bought
    transaction.on_commit(partial(mail.confirm, order, shopper), robust=True)
    return order


def _known(request: HttpRequest) -> dict[str, str]:
    user = request.user
    if not user.is_authenticated:
        return {}
    return {"name": user.get_full_name(), "email": user.email}


def _number(request: HttpRequest, name: str) -> int:
    try:
        return int(request.POST[name])
    except (KeyError, ValueError):
        return 0
