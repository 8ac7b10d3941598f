"""A shop whose views say nothing: events are told from the names of its URLs."""

from __future__ import annotations

import faults
import pytest
import servingshop
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from reco_plugin.capture import background, drops
from reco_plugin.contrib.polling.pages import pages
from reco_plugin.models import Interaction
from reco_plugin.types import EventKind

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]
AGENT = {"user-agent": servingshop.AGENT}


def product(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse(status=int(request.GET.get("status", 200)))


def add(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/cart/")


shop_urls = (
    [
        path("product/<uuid:ref>/", product, name="product"),
        path("named/<str:label>/", product, name="named"),
        path("add/", add, name="add"),
        path("search/", product, name="search"),
    ],
    "shop",
)
urlpatterns = [path("", include(shop_urls, namespace="shop"))]


@pytest.fixture(autouse=True)
def middleware(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "reco_plugin.contrib.polling.PageEvents"]
    settings.RECO_PAGE_EVENTS = {
        "shop:product": {"event": "view_item", "product": "ref"},
        "shop:named": {"product": "label", "field": "label"},
        "shop:add": {"event": "add_to_cart", "product": "product", "quantity": "count"},
        "shop:search": {"event": "search", "query": "q"},
    }


@pytest.fixture
def thing():
    return servingshop.products(3)[1]


@pytest.fixture
def client() -> Client:
    return Client(headers=AGENT)


def recorded() -> list[tuple[str, object, int, str]]:
    return [
        (EventKind(row.kind).ga4, row.product_id, row.quantity, row.query)
        for row in Interaction.objects.order_by("pk")
    ]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="locks and limits are PostgreSQL's")
def test_r02_a_product_that_is_not_found_in_time_is_not_looked_for_again_and_again(
    client, thing, settings
) -> None:
    settings.RECO_STATEMENT_TIMEOUT_MS = 20
    settings.RECO_BREAKER_FAILURES = 2
    with faults.locked("testapp_product"):
        for _ in range(2):
            assert client.get(f"/named/{thing.label}/").status_code == 200
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/named/{thing.label}/")
    assert not [query for query in captured if "testapp_product" in query["sql"]]
    assert recorded() == []


def test_views_carts_and_searches(client, thing) -> None:
    client.get(f"/product/{thing.pk}/")
    client.get(f"/named/{thing.label}/")
    client.post("/add/", {"product": str(thing.pk), "count": "3"})
    client.get("/search/", {"q": "red shoes"})
    assert recorded() == [
        ("view_item", thing.pk, 1, ""),
        ("view_item", thing.pk, 1, ""),
        ("add_to_cart", thing.pk, 3, ""),
        ("search", None, 1, "red shoes"),
    ]
    assert Interaction.objects.values("shopper").distinct().count() == 1


def test_a_page_that_was_not_shown_is_no_view(client, thing) -> None:
    for status in (301, 403, 404, 500):
        client.get(f"/product/{thing.pk}/", {"status": status})
    assert recorded() == []


def test_another_method_means_nothing(client, thing) -> None:
    client.post(f"/product/{thing.pk}/")
    client.get("/add/", {"product": str(thing.pk)})
    client.head(f"/product/{thing.pk}/")
    assert recorded() == []


def test_what_names_no_product(client, thing) -> None:
    client.get("/named/Nothing of the kind/")
    client.post("/add/", {})
    client.post("/add/", {"product": "no key", "count": "many"})
    client.get("/nowhere/")
    assert recorded() == []


def test_bots_cost_no_statement(thing, django_assert_num_queries) -> None:
    bot = Client(headers={"user-agent": "Googlebot/2.1"})
    with django_assert_num_queries(0):
        bot.get(f"/named/{thing.label}/")
    assert recorded() == []


def test_a_failure_reaches_nobody(client, thing, settings) -> None:
    settings.RECO_PAGE_EVENTS = {"shop:named": {"product": "label", "field": "no_such_field"}}
    before = drops.pending().get((1, "page_failed"), 0)
    assert client.get(f"/named/{thing.label}/").status_code == 200
    assert drops.pending()[1, "page_failed"] == before + 1


def test_switched_off(client, thing, settings) -> None:
    settings.RECO_ENABLED = False
    assert client.get(f"/product/{thing.pk}/").status_code == 200
    assert recorded() == []


@pytest.mark.asyncio
async def test_under_an_event_loop() -> None:
    thing = (await sync_to_async(servingshop.products)(3))[1]
    for address in (f"/product/{thing.pk}/", f"/named/{thing.label}/"):
        await AsyncClient().get(address, headers=AGENT)
    await sync_to_async(background.join)(5)
    found = await sync_to_async(recorded)()
    await sync_to_async(connections.close_all)()
    assert found == [("view_item", thing.pk, 1, "")] * 2


@pytest.mark.django_db(databases=[])
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"event": "purchase", "product": "id"}, "RECO_ORDERS"),
        ({"event": "look"}, "'look' is not an event kind"),
        ({"event": "view_item"}, "say which parameter is the product"),
        ({"event": "search"}, "say which parameter is the query"),
        ({"products": "id"}, "it takes event, field, product"),
    ],
)
def test_a_wrong_entry_is_named(entry, words) -> None:
    with pytest.raises(ImproperlyConfigured, match="RECO_PAGE_EVENTS\\['shop:page'\\]") as caught:
        pages({"shop:page": entry})
    assert words in str(caught.value)
