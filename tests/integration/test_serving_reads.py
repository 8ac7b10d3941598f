"""The statement timeout: it works, and it never leaks into the shop's own queries."""

from __future__ import annotations

import time
import uuid

import pytest
import servingshop as ss
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.models import BooleanField, Func
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin.serving import pointers, recommend
from reco_plugin.serving.reads import Unavailable, bounded
from reco_plugin.types import Rung, Shopper

pytestmark = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="statement timeouts are PostgreSQL's"
)


class Sleep(Func):
    template = "(pg_sleep(0.5) IS NOT NULL)"
    output_field = BooleanField()


def show(request):
    Product.objects.filter(label="Thing 1").update(label="Changed")
    slate = recommend("popular", request=request)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.25)")
        cursor.execute("SHOW statement_timeout")
        limit = cursor.fetchone()[0]
    return HttpResponse(f"{len(slate)} {limit}")


urlpatterns = [path("show/", show)]


@pytest.fixture(autouse=True)
def fresh(settings):
    settings.RECO_STATEMENT_TIMEOUT_MS = 150
    pointers.forget()
    yield
    pointers.forget()


@pytest.fixture
def popular(transactional_db) -> ss.Shop:
    made = ss.Shop(products=ss.products(5))
    ss.rank(made, {"": [0, 1, 2]})
    return made


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


def test_a_slow_read_is_cut_off_and_noted(popular, slow_eligible):
    began = time.monotonic()
    slate = recommend("popular")
    assert time.monotonic() - began < 0.45
    assert slate.rung is Rung.NOTHING
    assert slate.notes == ("popular: statement timeout",)
    assert not connection.in_atomic_block
    assert limit() == "0"


@pytest.fixture
def slow_eligible(monkeypatch):
    before = TestCatalog.eligible

    def eligible(self, queryset, request):
        return before(self, queryset, request).filter(Sleep())

    monkeypatch.setattr(TestCatalog, "eligible", eligible)


@pytest.mark.parametrize("own", ["0", "7s"])
def test_inside_the_shops_transaction_after_a_timeout(popular, slow_eligible, own):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{own}'")
        Product.objects.create(label="Mine", cents=1)
        assert not recommend("popular")
        assert limit() == own
        Product.objects.create(label="Mine too", cents=1)
    assert Product.objects.filter(label__startswith="Mine").count() == 2


@pytest.mark.parametrize("own", ["0", "7s"])
def test_inside_the_shops_transaction_after_an_answer(popular, own):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{own}'")
        assert len(recommend("popular")) == 3
        assert limit() == own
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.2)")


def test_outside_a_transaction_after_an_answer(popular):
    assert len(recommend("popular")) == 3
    assert limit() == "0"
    assert connection.get_autocommit()


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("is_slow", [False, True])
def test_atomic_requests(popular, is_slow, request):
    if is_slow:
        request.getfixturevalue("slow_eligible")
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        response = Client(headers={"user-agent": ss.AGENT}).get("/show/")
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert response.content.decode() == ("0 0" if is_slow else "3 0")
    assert Product.objects.filter(label="Changed").exists()


def test_any_database_error_leaves_the_shops_transaction_usable(popular, monkeypatch):
    def broken(self, queryset, request):
        return queryset.extra(where=["no_such_column = 1"])

    monkeypatch.setattr(TestCatalog, "eligible", broken)
    with transaction.atomic():
        slate = recommend("popular")
        Product.objects.create(label="Mine", cents=1)
    assert slate.notes == ("popular: ProgrammingError 42703",)
    assert Product.objects.filter(label="Mine").exists()


def test_a_query_of_the_catalogue_itself_that_fails(popular, monkeypatch):
    def broken(self, queryset, request):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        return queryset

    monkeypatch.setattr(TestCatalog, "eligible", broken)
    with transaction.atomic():
        assert not recommend("popular")
        Product.objects.create(label="Mine", cents=1)
    assert Product.objects.filter(label="Mine").exists()


def test_in_a_transaction_that_is_broken_already(popular):
    with transaction.atomic():
        transaction.set_rollback(True)
        slate = recommend("popular")
    assert not slate
    with pytest.raises(DatabaseError), transaction.atomic():  # noqa: PT012
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert not recommend("popular")
        Product.objects.create(label="Mine", cents=1)


def test_a_database_that_is_down_is_an_empty_slate(popular, monkeypatch):
    def down(self):
        raise OperationalError("connection refused")

    recommend("popular")
    connections["default"].close()
    with monkeypatch.context() as patch:
        patch.setattr(type(connections["default"]), "get_new_connection", lambda *a, **k: down(0))
        slate = recommend("personal", shopper=Shopper(id=uuid.uuid4()))
    assert slate.rung is Rung.NOTHING
    assert slate.notes == ("database: connection refused",)


def test_a_connection_lost_on_the_way_ends_the_climb(popular, monkeypatch):
    before = TestCatalog.eligible

    class Kill(Func):
        template = "(pg_terminate_backend(pg_backend_pid()) IS NOT NULL)"
        output_field = BooleanField()

    monkeypatch.setattr(
        TestCatalog, "eligible", lambda self, qs, request: before(self, qs, request).filter(Kill())
    )
    with pytest.raises(DatabaseError), transaction.atomic():  # noqa: PT012
        slate = recommend("popular")
        assert slate.notes == (
            "popular: OperationalError 57P01",
            "database: the connection is lost",
        )
        Product.objects.create(label="Mine", cents=1)
    assert not recommend("popular")
    monkeypatch.setattr(TestCatalog, "eligible", before)
    assert len(recommend("popular")) == 3


@pytest.mark.django_db
def test_bounded_undoes_what_happens_inside():
    with bounded("default", 100):
        Product.objects.create(label="Undone", cents=1)
    assert not Product.objects.filter(label="Undone").exists()


def test_bounded_says_when_nothing_can_be_read(popular):
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(Unavailable), bounded("default", 100):
            pass
