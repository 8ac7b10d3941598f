"""Whatever breaks around us, a checkout ends exactly as it would without us, and what can be saved is."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import Any

import faults
import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from testapp.models import Line, Order, Product

from reco_plugin import breaker, signals, track
from reco_plugin.capture import attempts, background, drops, identify
from reco_plugin.jobs.sync_orders import sync_orders
from reco_plugin.models import Interaction
from reco_plugin.types import EventKind

pytestmark = [
    pytest.mark.urls(__name__),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="locks and triggers of PostgreSQL"
    ),
]

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PATIENCE = 3.0
"""Seconds a checkout may take here, on a busy machine: far less than any of the faults would last."""


def checkout(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    product = Product.objects.get(pk=pk)
    signals.product_viewed.send(sender=None, request=request, product=product)
    signals.basket_item_added.send(sender=None, request=request, product=product)
    with transaction.atomic():
        identify(request)
        order = Order.objects.create(number=uuid.uuid4().hex[:10], state="paid")
        Line.objects.create(order=order, product=product, amount=2)
        signals.order_completed.send(sender=None, order=order, request=request)
        Line.objects.create(order=order, product=product, amount=1)
    order.refresh_from_db()
    return HttpResponse(f"{order.state}, {order.lines.count()} lines")


urlpatterns = [path("checkout/<uuid:pk>/", checkout)]

FAULTS: dict[str, faults.Fault] = {
    "our tables locked": faults.locked,
    "one of our tables locked": lambda: faults.locked("reco_visitor_link"),
    "our writes slow": faults.slow,
    "our statement cancelled": faults.cancelled,
    "our connection ended": faults.terminated,
    "disk full": faults.raising("53100"),
    "server read-only": faults.raising("25006"),
    "deadlock": faults.raising("40P01"),
    "integrity error": faults.raising("23505"),
    "our table missing": faults.table_missing,
    "newer schema": faults.newer_schema,
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch, settings):
    """Retries come soon, and none is left to the next test."""
    monkeypatch.setattr(background, "PAUSES", (0.05,) * 5)
    monkeypatch.setattr(background, "REFUSED_SECONDS", 0.05)
    monkeypatch.setattr(attempts, "PATIENT_MS", 100)
    settings.RECO_BREAKER_SECONDS = 0.05
    settings.RECO_WRITE_TIMEOUT_MS = 50
    background.join(5)
    drops.flush()
    yield
    assert background.join(5)
    drops.flush()


@pytest.fixture(params=["plain", "atomic requests", "no middleware", "transactional"])
def kind(request, settings):
    connection.settings_dict["ATOMIC_REQUESTS"] = request.param == "atomic requests"
    if request.param == "transactional":
        settings.RECO_PURCHASE_DURABILITY = "transactional"
    if request.param == "no middleware":
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Reco" not in name]
    yield request.param
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.fixture
def product() -> Product:
    return Product.objects.create(label="Boot")


def buy(product: Product) -> tuple[int, bytes, list[Any]]:
    """What the shopper sees, and what the shop's tables hold, but for numbers made up on the way."""
    response = Client(headers={"user-agent": PERSON}, raise_request_exception=False).get(
        f"/checkout/{product.pk}/"
    )
    bought = list(Line.objects.order_by("pk").values_list("product_id", "amount", "order__state"))
    Order.objects.all().delete()
    return response.status_code, response.content, bought


@pytest.fixture
def as_without_us(product, settings, kind):
    """What a checkout comes to while we are switched off."""
    settings.RECO_ENABLED = False
    expected = buy(product)
    assert expected == (200, b"paid, 2 lines", [(product.pk, 2, "paid"), (product.pk, 1, "paid")])
    settings.RECO_ENABLED = True
    return expected


@pytest.mark.parametrize("name", FAULTS)
def test_r04_a_checkout_under_every_fault_ends_as_without_us(name, product, as_without_us, kind):
    if kind == "transactional" and name == "our connection ended":
        pytest.skip("who asks for one transaction shares its connection, too")
    with FAULTS[name]():
        for _ in range(3):
            began = time.monotonic()
            assert buy(product) == as_without_us
            assert time.monotonic() - began < PATIENCE
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "0"
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone()[0] == "0"


PASSING = [name for name in FAULTS if name not in ("integrity error", "newer schema")]


@pytest.mark.parametrize("name", PASSING)
def test_r02_what_could_not_be_written_is_written_when_the_fault_has_passed(name, product):
    with FAULTS[name]():
        response = Client(headers={"user-agent": PERSON}).get(f"/checkout/{product.pk}/")
        assert response.status_code == 200
    deadline = time.monotonic() + 10
    while Interaction.objects.count() < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    kinds = sorted(Interaction.objects.values_list("kind", flat=True))
    assert kinds == sorted(
        [EventKind.VIEW_ITEM, EventKind.ADD_TO_CART, EventKind.PURCHASE, EventKind.PURCHASE]
    )
    visitor = response.cookies["reco_visitor"].value
    assert {str(row.shopper) for row in Interaction.objects.all()} == {visitor}


def test_r26_an_old_worker_writes_into_a_newer_schema(product, settings):
    settings.RECO_WRITE_TIMEOUT_MS = 5_000
    with faults.newer_schema():
        Client(headers={"user-agent": PERSON}).get(f"/checkout/{product.pk}/")
        assert Interaction.objects.count() == 4


def test_r02_after_failures_in_a_row_nothing_is_tried(product, settings, django_assert_num_queries):
    settings.RECO_BREAKER_SECONDS = 30.0
    request = _request()
    with faults.locked():
        for _ in range(5):
            track(request, "view_item", product)
        assert breaker.states()["writes of default"] == "open"
        began = time.monotonic()
        with django_assert_num_queries(0):
            for _ in range(20):
                track(request, "view_item", product)
        assert time.monotonic() - began < 1.0
        assert background.waiting() in (24, 25)  # one may be in hand
    breaker.reset()
    background.join(5)
    assert Interaction.objects.count() == 25


def test_what_is_lost_for_good_is_counted(product, monkeypatch):
    heard: list[tuple[str, int]] = []

    def listen(sender, reason, site, count, **_):
        heard.append((reason, count))

    monkeypatch.setattr(background, "PAUSES", (0.01,))
    signals.events_dropped.connect(listen)
    try:
        with faults.table_missing():
            track(_request(), "view_item", product)
            deadline = time.monotonic() + 5
            while not heard and time.monotonic() < deadline:
                time.sleep(0.01)
    finally:
        signals.events_dropped.disconnect(listen)
    assert heard == [("write_failed", 1)]
    assert drops.pending()[1, "write_failed"] == 1


def test_r05_a_purchase_whose_process_dies_after_the_commit_is_read_from_the_orders(
    product, monkeypatch
):
    """Nothing of what follows the commit happens; the order sync finds the purchase all the same."""
    monkeypatch.setattr("reco_plugin.capture.lifecycle.guarded", lambda callback: None)
    monkeypatch.setattr("reco_plugin.capture.recording.guarded", lambda callback: None)
    response = Client(headers={"user-agent": PERSON}).get(f"/checkout/{product.pk}/")
    assert response.status_code == 200
    assert not Interaction.objects.exists()
    sync_orders()
    assert [row.kind for row in Interaction.objects.all()] == [EventKind.PURCHASE] * 2
    sync_orders()
    assert Interaction.objects.count() == 2


def test_r05_a_transactional_purchase_outlives_a_process_that_dies_after_the_commit(
    product, monkeypatch, settings
):
    """Nothing that follows the commit is needed: the purchase went with the order."""
    settings.RECO_PURCHASE_DURABILITY = "transactional"
    settings.RECO_WRITE_TIMEOUT_MS = 5_000
    monkeypatch.setattr("reco_plugin.capture.lifecycle.guarded", lambda callback: None)
    monkeypatch.setattr("reco_plugin.capture.recording.guarded", lambda callback: None)
    Client(headers={"user-agent": PERSON}).get(f"/checkout/{product.pk}/")
    assert [row.kind for row in Interaction.objects.all()] == [EventKind.PURCHASE]


def test_r05_a_purchase_that_is_written_and_synced_is_there_once(product, settings):
    settings.RECO_WRITE_TIMEOUT_MS = 5_000
    Client(headers={"user-agent": PERSON}).get(f"/checkout/{product.pk}/")
    sync_orders()
    assert Interaction.objects.filter(kind=EventKind.PURCHASE).count() == 2


@pytest.mark.parametrize("hook", ["CONSENT", "SITE", "CART"])
@pytest.mark.parametrize("how", ["raises", "breaks_the_transaction"])
def test_r04_a_hook_that_raises_leaves_the_checkout_alone(
    hook, how, product, as_without_us, settings, caplog
):
    setattr(settings, f"RECO_{hook}", f"{__name__}.{how}")
    assert buy(product) == as_without_us
    assert not Interaction.objects.exclude(kind=EventKind.PURCHASE).exists() or hook == "CART"
    if hook != "CART":  # a checkout asks nothing of the cart
        assert "raised" in caplog.text or "recognised" in caplog.text or "failed" in caplog.text


def raises(request):
    raise RuntimeError("the shop's own service is down")


def breaks_the_transaction(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column")


@pytest.mark.parametrize(
    "broken",
    [
        "reco_plugin.receivers.orders.completed",
        "reco_plugin.capture.recording.write",
        "reco_plugin.capture.tracking.product_key",
        "reco_plugin.capture.identity.visitor_of",
        "reco_plugin.middleware.identity.finish",
    ],
)
def test_r04_a_bug_of_ours_does_not_reach_the_checkout(
    broken, product, as_without_us, kind, monkeypatch, caplog
):
    def bug(*_, **__):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(broken, bug)
    assert buy(product) == as_without_us
    if kind == "no middleware" and "middleware" in broken:
        return
    assert "ZeroDivisionError" in caplog.text


def test_r03_no_request_asks_the_broker_anything(product, as_without_us, settings):
    celery = pytest.importorskip("celery")
    from celery import _state

    before = _state.default_app
    with faults.silent_broker() as (url, asked):
        app = celery.Celery("shop", broker=url)
        app.set_default()
        app.autodiscover_tasks(["reco_plugin"], force=True)
        try:
            began = time.monotonic()
            assert buy(product) == as_without_us
            assert time.monotonic() - began < PATIENCE
        finally:
            _state.set_default_app(before) if before else None
    assert asked == []


def test_logs_of_a_failure_say_nothing_personal(product, caplog):
    with faults.raising("23505")(), contextlib.suppress(Exception):
        track(_request(), "search", query="my secret wish")
        track(_request(), "view_item", product)
    assert "could not be written" in caplog.text
    told = [record.reco for record in caplog.records if hasattr(record, "reco")]
    assert {"kind": "search", "site": 1, "error": "IntegrityError 23505"} in told
    assert "secret" not in caplog.text
    assert str(product.pk) not in caplog.text


def _request() -> HttpRequest:
    from django.test import RequestFactory

    request = RequestFactory(headers={"user-agent": PERSON}).get("/")
    request.COOKIES["reco_visitor"] = str(uuid.uuid4())
    return request
