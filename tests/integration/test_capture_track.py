"""track() through the real handler: views, cookies, users, transactions."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path
from testapp.models import Customer, Product

from reco_plugin.capture import after_response, identify, track
from reco_plugin.models import Interaction
from reco_plugin.types import EventKind

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def view_product(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    track(request, "view_item", Product(pk=pk))
    return HttpResponse("seen")


def buy(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The shop's order has no number yet, its market no currency, and its rating is a text."""
    track(request, "purchase", Product(pk=pk), currency=None, order=None, rating="four", price=None)
    return HttpResponse("bought")


def log_in(request: HttpRequest, pk: str) -> HttpResponse:
    login(request, Customer.objects.get(pk=pk), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse("in")


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def later(request: HttpRequest) -> HttpResponse:
    identify(request)
    after_response(request, lambda: track(request, "search", query="late"))
    return HttpResponse("before" if not Interaction.objects.exists() else "too early")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def body():
        yield b"one "
        after_response(request, lambda: track(request, "search", query="streamed"))
        yield b"none yet" if not Interaction.objects.exists() else b"too early"

    identify(request)
    return StreamingHttpResponse(body())


urlpatterns = [
    path("view/<uuid:pk>/", view_product),
    path("buy/<uuid:pk>/", buy),
    path("in/<str:pk>/", log_in),
    path("out/", log_out),
    path("later/", later),
    path("stream/", stream),
]


@pytest.fixture
def shop_client() -> Client:
    return Client(headers={"user-agent": PERSON})


@pytest.fixture
def product() -> Product:
    return Product.objects.create(label="Boot")


def test_a_view_is_recorded_for_a_new_visitor(shop_client, product):
    response = shop_client.get(f"/view/{product.pk}/")
    event = Interaction.objects.get()
    cookie = response.cookies["reco_visitor"]
    assert (event.kind, event.product_id) == (EventKind.VIEW_ITEM, product.pk)
    assert str(event.shopper) == cookie.value
    assert event.user_id is None
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")
    assert "Cookie" in response["Vary"]


def test_what_a_shop_does_not_know_costs_no_event(shop_client, product):
    shop_client.get(f"/buy/{product.pk}/")
    event = Interaction.objects.get()
    assert event.kind == EventKind.PURCHASE
    assert (event.currency, event.order, event.rating, event.price) == ("", "", None, None)


def test_the_cookie_is_secure_on_https_and_is_set_once(shop_client, product):
    first = shop_client.get(f"/view/{product.pk}/", secure=True)
    second = shop_client.get(f"/view/{product.pk}/", secure=True)
    assert first.cookies["reco_visitor"]["secure"] is True
    assert "reco_visitor" not in second.cookies
    assert Interaction.objects.values("shopper").distinct().count() == 1


def test_after_response_runs_when_the_response_is_closed(shop_client):
    assert shop_client.get("/later/").content == b"before"
    assert Interaction.objects.get().query == "late"


def test_after_response_of_a_streaming_response(shop_client):
    response = shop_client.get("/stream/")
    assert b"".join(response.streaming_content) == b"one none yet"
    assert Interaction.objects.get().query == "streamed"
