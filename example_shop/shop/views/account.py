"""Accounts, orders and wishlists."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from example_shop.shop.forms import RegisterForm
from example_shop.shop.models import Order, Product, WishlistItem
from reco_plugin.signals import product_wishlisted


@login_required
def account(request: HttpRequest) -> HttpResponse:
    orders = Order.objects.filter(user=request.user).prefetch_related("lines")
    wishes = WishlistItem.objects.filter(user=request.user).select_related(
        "product__brand", "product__category"
    )
    return render(
        request,
        "shop/account.html",
        {"orders": orders[:20], "wishes": [wish.product for wish in wishes]},
    )


def register(request: HttpRequest) -> HttpResponse:
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save(), backend="django.contrib.auth.backends.ModelBackend")
        return redirect("shop:account")
    return render(request, "registration/register.html", {"form": form})


@login_required
@require_POST
def wish(request: HttpRequest, pk: int) -> HttpResponse:
    product = get_object_or_404(Product.objects.canonical().active(), pk=pk)
    item, created = WishlistItem.objects.get_or_create(user=request.user, product=product)
    if created:
        product_wishlisted.send(wish, request=request, product=product)  # reco: what is dreamt of
        messages.success(request, f"{product} is on your wishlist.")
    else:
        item.delete()
        messages.success(request, f"{product} is off your wishlist.")
    return redirect(product)
