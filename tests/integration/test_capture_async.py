"""Async views and event loops: the write goes elsewhere, the page does not wait."""

from __future__ import annotations

import asyncio
import threading
import uuid

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.contrib.auth import alogin, alogout
from django.core.asgi import get_asgi_application
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient
from django.urls import path
from django.utils import timezone
from testapp.models import Customer, Line, Order, Product

from reco_plugin import signals
from reco_plugin.capture import after_response, background, drops, record, shopper_id, track
from reco_plugin.models import Interaction
from reco_plugin.types import EventKind, ShopEvent, Shopper

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


async def view_product(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    track(request, "view_item", Product(pk=pk))
    signals.basket_item_added.send(sender=None, request=request, product=Product(pk=pk))
    await signals.product_wishlisted.asend(sender=None, request=request, product=Product(pk=pk))
    return HttpResponse("seen")


async def buy(request: HttpRequest, number: str) -> HttpResponse:
    order = await Order.objects.aget(number=number)
    signals.order_completed.send(sender=None, order=order, request=request)
    return HttpResponse("bought")


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    track(request, "search", query="before")

    async def body():
        yield b"one "
        after_response(request, lambda: track(request, "search", query="during"))
        count = await Interaction.objects.acount()
        yield str(count).encode()

    return StreamingHttpResponse(body())


async def log_in(request: HttpRequest, pk: str) -> HttpResponse:
    user = await Customer.objects.aget(pk=pk)
    await alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse("in")


async def log_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse("out")


at_work, gone = threading.Event(), threading.Event()


def buy_slowly(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    at_work.set()
    assert gone.wait(5)
    with transaction.atomic():
        track(request, "purchase", pk)
    return HttpResponse("bought, but nobody is there")


urlpatterns = [
    path("slowly/<uuid:pk>/", buy_slowly),
    path("in/<str:pk>/", log_in),
    path("out/", log_out),
    path("view/<uuid:pk>/", view_product),
    path("buy/<str:number>/", buy),
    path("stream/", stream),
]


class Browser(AsyncClient):
    """AsyncClient does not send the headers it was made with."""

    async def get(self, path, **extra):
        return await super().get(path, headers={"user-agent": PERSON}, **extra)


@pytest.fixture
def shopper() -> Browser:
    return Browser()


@pytest_asyncio.fixture(autouse=True)
async def _close_the_threads_connection():
    """The thread that runs sync code for the loop outlives the test; its connection must not."""
    yield
    await sync_to_async(connections.close_all)()


def an_event() -> ShopEvent:
    return ShopEvent(
        event_id=uuid.uuid4(),
        kind=EventKind.VIEW_ITEM,
        shopper=Shopper(id=uuid.uuid4()),
        occurred_at=timezone.now(),
        product=uuid.uuid4(),
    )


@sync_to_async
def events() -> list[Interaction]:
    background.join(5)
    return list(Interaction.objects.order_by("kind"))


@pytest.mark.asyncio
async def test_a_guest_in_async_views(shopper):
    pk = uuid.uuid4()
    first = await shopper.get(f"/view/{pk}/")
    await shopper.get(f"/view/{pk}/")
    found = await events()
    assert len(found) == 6
    assert {str(event.shopper) for event in found} == {first.cookies["reco_visitor"].value}


@pytest.mark.asyncio
async def test_a_user_in_async_views(shopper):
    ann = await sync_to_async(Customer.objects.create_user)("ann@example.com")
    await shopper.aforce_login(ann)
    await shopper.get(f"/view/{uuid.uuid4()}/")
    found = await events()
    assert {event.user_id for event in found} == {ann.pk}
    assert {event.shopper for event in found} == {shopper_id(1, ann.pk)}


@pytest.mark.asyncio
async def test_login_and_logout_in_async_code(shopper):
    ann = await sync_to_async(Customer.objects.create_user)("ann@example.com")
    await shopper.get(f"/view/{uuid.uuid4()}/")
    before = shopper.cookies["reco_visitor"].value
    await shopper.get(f"/in/{ann.pk}/")
    during = shopper.cookies["reco_visitor"].value
    await shopper.get(f"/view/{uuid.uuid4()}/")
    await shopper.get("/out/")
    await shopper.get(f"/view/{uuid.uuid4()}/")
    after = shopper.cookies["reco_visitor"].value
    assert len({before, during, after}) == 3
    assert {str(event.shopper) for event in await events()} == {
        str(shopper_id(1, ann.pk)),
        after,
    }


@pytest.mark.asyncio
async def test_an_order_in_an_async_view(shopper):
    product = await Product.objects.acreate(label="Boot")
    order = await Order.objects.acreate(number="A1", state="paid")
    await Line.objects.acreate(order=order, product=product)
    await shopper.get("/buy/A1/")
    (event,) = await events()
    assert (event.kind, event.product_id) == (EventKind.PURCHASE, product.pk)


@pytest.mark.asyncio
async def test_streaming(shopper):
    response = await shopper.get("/stream/")
    body = b"".join([part async for part in response.streaming_content])
    assert body == b"one 0"
    await sync_to_async(response.close)()
    assert [event.query for event in await events()] == ["before", "during"]


@pytest.mark.asyncio
async def test_without_the_middleware_the_background_thread_writes(shopper, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Reco" not in name]
    ann = await sync_to_async(Customer.objects.create_user)("ann@example.com")
    await shopper.aforce_login(ann)
    await shopper.get(f"/view/{uuid.uuid4()}/")
    assert len(await events()) == 3


@pytest.mark.asyncio
async def test_record_in_a_loop_without_a_request():
    record([an_event()])
    assert len(await events()) == 1


@pytest.mark.asyncio
async def test_a_full_queue_drops_and_counts(monkeypatch):
    await sync_to_async(drops.flush)()
    gate = threading.Event()
    small = background.Worker(capacity=2)
    monkeypatch.setattr(background, "_worker", small)
    small.submit(gate.wait)
    while len(small):
        await asyncio.sleep(0.01)
    for _ in range(5):
        record([an_event()])
    assert drops.pending()[1, "queue_full"] == 3
    gate.set()
    assert len(await events()) == 2


@pytest.mark.asyncio
async def test_who_leaves_before_the_answer_has_still_bought():
    at_work.clear()
    gone.clear()
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if asked:
            return asked.pop()
        while not at_work.is_set():
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.1, gone.set)
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/slowly/{uuid.uuid4()}/",
        "headers": [(b"user-agent", PERSON.encode()), (b"host", b"testserver")],
        "query_string": b"",
    }
    await get_asgi_application()(scope, receive, send)
    while not gone.is_set():
        await asyncio.sleep(0.01)
    assert [event.kind for event in await events()] == [EventKind.PURCHASE]


def by_their_account(request: HttpRequest) -> bool:
    return not Customer.objects.filter(email="no@example.com").exists()


@pytest.mark.asyncio
async def test_consent_that_is_read_from_the_database_is_asked_away_from_the_loop(
    shopper, settings
):
    settings.RECO_CONSENT = f"{__name__}.by_their_account"
    shopper.cookies["reco_visitor"] = str(uuid.uuid4())
    response = await shopper.get(f"/view/{uuid.uuid4()}/")
    assert len(await events()) == 3
    assert "reco_visitor" not in response.cookies  # nor taken away
