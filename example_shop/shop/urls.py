"""Pages of the shop."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from example_shop.shop.views import account, basket, catalogue

app_name = "shop"
urlpatterns = [
    path("", catalogue.home, name="home"),
    path("c/<path:path>/", catalogue.category, name="category"),
    path("search/", catalogue.search, name="search"),
    path("p/<int:pk>/<slug:slug>/", catalogue.product, name="product"),
    path("wishlist/<int:pk>/", account.wish, name="wish"),
    path("cart/", basket.cart, name="cart"),
    path("cart/add/", basket.add, name="cart-add"),
    path("cart/change/", basket.change, name="cart-change"),
    path("checkout/", basket.checkout, name="checkout"),
    path("thank-you/", basket.thanks, name="thanks"),
    path("thank-you/e-mail/", basket.confirmation, name="mail"),
    path("account/", account.account, name="account"),
    path("account/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("account/logout/", LogoutView.as_view(), name="logout"),
    path("account/register/", account.register, name="register"),
]
