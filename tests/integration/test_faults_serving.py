"""Whatever breaks around us, a page with recommendations is shown, soon, and with what can be shown."""

from __future__ import annotations

import json
import threading
import time
import uuid

import faults
import pytest
import servingshop as ss
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError, connection, connections, transaction
from django.db.models import BooleanField, Func
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client
from django.urls import path
from testapp.models import Product, StockRecord
from testapp.reco import TestCatalog

from reco_plugin import breaker, signals
from reco_plugin.capture import background
from reco_plugin.models import Impression
from reco_plugin.serving import plan, pointers, recommend, spots
from reco_plugin.types import Rung

pytestmark = [
    pytest.mark.urls(__name__),
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="locks and limits of PostgreSQL"
    ),
]
PAGE = Template(
    "{% load reco %}<h1>Boots</h1>"
    '{% recommend "personal" limit=3 placement="top" %}{% recommend "popular" limit=3 placement="end" %}'
    "<p>the end</p>"
)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE.render(Context({"request": request})))


urlpatterns = [path("page/", page)]


class Sleep(Func):
    template = "(pg_sleep(5) IS NOT NULL)"
    output_field = BooleanField()


@pytest.fixture(autouse=True)
def fresh(settings):
    """With limits that a busy machine keeps, and that are far below what the faults would last."""
    settings.RECO_STATEMENT_TIMEOUT_MS = 900
    pointers.forget()
    yield
    background.join(5)
    pointers.forget()


@pytest.fixture
def shop(transactional_db) -> ss.Shop:
    made = ss.Shop(products=ss.products(8))
    ss.publish(made)
    ss.rank(made, {"": [0, 1, 2, 3]})
    made.viewed(3)
    return made


@pytest.fixture
def person() -> Client:
    return Client(headers={"user-agent": ss.AGENT})


@pytest.fixture
def slow_eligible(monkeypatch):
    before = TestCatalog.eligible

    def eligible(self, queryset, request):
        return before(self, queryset, request).filter(Sleep())

    monkeypatch.setattr(TestCatalog, "eligible", eligible)


def seconds_of(work) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_r01_a_page_of_two_slates_waits_less_than_two_limits_for_a_slow_database(
    shop, person, slow_eligible
):
    person.get("/page/")  # a visitor with a history, so that every rung is tried
    response = None

    def look():
        nonlocal response
        response = person.get("/page/")

    assert seconds_of(look) < 4
    assert response.status_code == 200
    assert b"<h1>Boots</h1>" in response.content
    assert b"the end" in response.content


def test_r01_a_slate_has_one_allowance_for_all_its_rungs(shop, slow_eligible):
    took = seconds_of(lambda: recommend("personal", shopper=shop.shopper))
    assert took < 3
    notes = recommend("personal", shopper=shop.shopper).notes
    assert "personal: statement timeout" in notes
    assert any("out of time" in note or "popular" in note for note in notes)


def test_r01_a_rung_that_timed_out_is_not_tried_again_on_the_same_page(shop, monkeypatch):
    """Vectors are slow, all else is well: the page loses one limit, not one for each slate."""
    request = ss.request()
    monkeypatch.setattr(
        "reco_plugin.stores.pgvector.queries._NEAREST_EXACT",
        "SELECT key, 0.0 FROM {items}{where} WHERE %s <> '' AND pg_sleep(5) IS NOT NULL LIMIT %s",
    )
    from reco_plugin.stores.pgvector import queries

    queries._written.cache_clear()
    try:
        first = recommend("personal", request=request, shopper=shop.shopper, limit=2)
        took = seconds_of(
            lambda: recommend("personal", request=request, shopper=shop.shopper, limit=2)
        )
    finally:
        queries._written.cache_clear()
    assert first.notes[0] == "personal: statement timeout"
    assert len(first) == 2, "a lower rung filled it"
    assert took < 0.9


def test_r01_locked_tables_cost_a_page_little_and_soon_nothing(
    shop, person, settings, django_assert_num_queries
):
    settings.RECO_BREAKER_FAILURES = 2
    with faults.locked():
        for _ in range(2):
            assert seconds_of(lambda: person.get("/page/")) < 4
        assert breaker.states()["reads of default"] == "open"
        with django_assert_num_queries(0):
            slate = recommend("popular", request=ss.request())
        assert slate.notes[0].startswith("database: given up for ")
        assert seconds_of(lambda: person.get("/page/")) < 0.9
    breaker.reset()
    assert b"Thing 0" in person.get("/page/").content


def test_r02_the_breaker_closes_again_by_itself(shop, settings, monkeypatch):
    settings.RECO_BREAKER_FAILURES = 2
    settings.RECO_BREAKER_SECONDS = 0.1
    heard: list[str] = []

    def listen(sender, name, state, **_):
        heard.append(f"{name}: {state}")

    def down(*_, **__):
        raise OperationalError("connection refused")

    signals.breaker_changed.connect(listen)
    connections["default"].close()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(type(connections["default"]), "get_new_connection", down)
            assert [len(recommend("popular")) for _ in range(4)] == [0] * 4
        time.sleep(0.13)
        assert len(recommend("popular")) == 4
    finally:
        signals.breaker_changed.disconnect(listen)
    assert heard == [f"reads of default: {state}" for state in ("open", "half_open", "closed")]


def test_a_bug_in_a_hook_never_opens_the_breaker(shop, settings, monkeypatch):
    settings.RECO_BREAKER_FAILURES = 2

    def bug(self, queryset, request):
        raise OperationalError("the shop's other database")

    monkeypatch.setattr(TestCatalog, "eligible", bug)
    for _ in range(4):
        assert not recommend("popular")
    assert breaker.states()["reads of default"] == "closed"


def test_r23_a_cache_that_is_down_is_no_matter(shop, person, settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Down"}}
    assert b"Thing 0" in person.get("/page/").content


class Down(BaseCache):
    """Every use of it raises."""

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, *_, **__):
        raise ConnectionError("cache down")

    add = set = delete = touch = clear = get


def test_r23_sessions_that_are_down_are_no_matter_to_a_page_that_needs_none(
    shop, person, settings, monkeypatch
):
    """Who is asking cannot be told: nobody is recognised, the page is shown."""
    person.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32

    def down(self):
        raise ConnectionError("session store down")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", down)
    response = person.get("/page/")
    assert response.status_code == 200
    assert b"Thing 0" in response.content


def test_r23_at_expiry_of_what_is_kept_few_read_it_again(shop):
    """What each process keeps is small and cheap to read: a stampede costs one read per thread at most."""
    recommend("popular")
    pointers.forget()
    slates = []

    def ask():
        try:
            slates.append(len(recommend("popular")))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slates == [4] * 12


def test_r24_stock_that_goes_between_publishing_and_the_request(shop, person):
    assert b"Thing 0" in person.get("/page/").content
    StockRecord.objects.filter(product=shop.products[0]).update(count=0)
    Product.objects.filter(pk=shop.products[1].pk).update(hidden=True)
    shop.products[2].delete()
    shown = person.get("/page/").content
    assert not any(f"Thing {number}".encode() in shown for number in (0, 1, 2))
    assert b"Thing 3" in shown


def test_r27_a_page_with_someones_slate_is_never_kept_for_another(shop, person):
    assert "Cookie" in person.get("/page/")["Vary"]


def test_impressions_that_cannot_be_written_are_written_later_and_once(
    shop, person, monkeypatch, settings
):
    settings.RECO_WRITE_TIMEOUT_MS = 50
    monkeypatch.setattr(background, "PAUSES", (0.05,) * 5)
    with faults.locked("reco_impression"):
        assert seconds_of(lambda: person.get("/page/")) < 4
        assert background.waiting()
    background.join(5)
    assert Impression.objects.count() == 4  # of two slates, and no product is in both
    assert Impression.objects.values("slate", "position").distinct().count() == 4


# --- what instruments are told -------------------------------------------------------------------


def test_slate_served_tells_the_seconds_of_each_rung(shop):
    heard: list[dict] = []

    def listen(sender, **said):
        heard.append(said)

    signals.slate_served.connect(listen)
    try:
        slate = recommend("personal", shopper=shop.shopper, limit=3, placement="top")
    finally:
        signals.slate_served.disconnect(listen)
    (said,) = heard
    assert said["slate"] is slate
    assert slate.rung is Rung.PERSONAL
    assert set(said["rungs"]) == set(slate.timings) == {"personal"}
    assert 0 < said["rungs"]["personal"] <= said["seconds"]
    assert slate.timings["personal"] == pytest.approx(1_000 * said["rungs"]["personal"])


def test_a_receiver_that_raises_costs_no_slate(shop):
    def listen(sender, **_):
        raise RuntimeError("an instrument is broken")

    signals.slate_served.connect(listen)
    try:
        assert len(recommend("popular")) == 4
    finally:
        signals.slate_served.disconnect(listen)


def test_server_timing_is_told_in_debug_only(shop, person, settings):
    assert not person.get("/page/").has_header("Server-Timing")
    settings.DEBUG = True
    told = person.get("/page/")["Server-Timing"]
    first, second = told.split(", ")
    assert first.startswith("reco;dur=")
    assert first.endswith('desc="popular top"')
    assert second.endswith('desc="popular end"')


def test_a_placement_can_be_switched_off(shop, person, settings, django_assert_num_queries):
    settings.RECO_DISABLED_PLACEMENTS = ["top"]
    with django_assert_num_queries(0):
        slate = recommend("personal", shopper=shop.shopper, placement="top")
    assert slate.notes == ("RECO_DISABLED_PLACEMENTS",)
    assert person.get("/page/").content.count(b"<section") == 1


def test_logs_of_serving_are_structured_and_say_nothing_personal(shop, slow_eligible, caplog):
    recommend("popular", shopper=shop.shopper, placement="top")
    (record,) = [record for record in caplog.records if hasattr(record, "reco")]
    assert record.reco == {"placement": "top", "rung": "popular", "error": "statement timeout"}
    assert str(shop.shopper.id) not in caplog.text + json.dumps(record.reco)


@pytest.mark.parametrize("hook", ["category_path", "get_group"])
def test_r04_a_catalogue_method_that_breaks_leaves_the_transaction_usable(shop, monkeypatch, hook):
    def breaks(self, *_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column")

    monkeypatch.setattr(TestCatalog, hook, breaks)
    with transaction.atomic():
        slate = recommend("similar", product=shop.products[0], category="Women", limit=3)
        Product.objects.create(pk=uuid.uuid4(), label="the shop goes on", cents=1)
    assert len(slate) == 3
    assert Product.objects.filter(label="the shop goes on").exists()


def test_r01_a_planned_page_waits_for_no_locked_table(shop):
    """Which runs are live is asked within the time limit, and not once more without it."""
    pointers.forget()
    spots.forget()
    with faults.locked():
        shelf = shop.products[:1]
        assert seconds_of(lambda: plan(ss.request(), page="cart", cart=shelf)) < 9
        page = plan(ss.request(), page="cart", cart=shelf)
    assert not any(page.values())


def test_a_source_with_a_bug_costs_nothing_but_itself(shop, monkeypatch, settings):
    settings.RECO_DEBUG_RAISE = False

    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("reco_plugin.retrieval.similar.Similar.candidates", fail)
    slate = recommend("similar", product=shop.products[0], limit=3)
    assert len(slate) == 3, "what is popular fills it"
    assert "contextual: error: ValueError" in slate.notes
    page = plan(ss.request(), ["similar", "popular"], product=shop.products[0])
    assert page["similar"]
    assert "contextual: error: ValueError" in page["similar"].notes


def test_which_runs_are_live_is_asked_once_for_a_page(shop, monkeypatch):
    asked: list[int] = []

    def out(*_: object) -> None:
        asked.append(1)
        raise OperationalError("down")

    monkeypatch.setattr(pointers, "recall", lambda *_: None)
    monkeypatch.setattr(pointers, "read", out)
    page = plan(ss.request(), ["similar", "popular", "trending"], product=shop.products[0])
    assert len(asked) == 1
    assert not any(page.values())
