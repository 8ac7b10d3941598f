"""Capture never hurts the shop's transaction, and leaves no event of one that was rolled back."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import uuid
from decimal import Decimal

import hypothesis
import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, TestCase
from django.urls import path
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from testapp.models import Customer, Line, Order, Product

from reco_plugin import signals
from reco_plugin.capture import background, drops, record, shopper_id, track, write
from reco_plugin.capture.lifecycle import close, state_of
from reco_plugin.jobs.sync_orders import sync_orders
from reco_plugin.models import Interaction, VisitorLink
from reco_plugin.types import EventKind, EventSource, ShopEvent, Shopper

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def event(kind=EventKind.VIEW_ITEM, **changes) -> ShopEvent:
    values = {
        "event_id": uuid.uuid4(),
        "kind": kind,
        "shopper": Shopper(id=uuid.uuid4()),
        "occurred_at": timezone.now(),
        "product": uuid.uuid4(),
    }
    return ShopEvent(**values | changes)


def checkout(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    product = Product.objects.get(pk=pk)
    order = Order.objects.create(number=uuid.uuid4().hex[:10], state="paid")
    Line.objects.create(order=order, product=product)
    signals.product_viewed.send(sender=None, request=request, product=product)
    signals.order_completed.send(sender=None, order=order, request=request)
    assert not Interaction.objects.exists()
    if "fail" in request.GET:
        raise ValueError("the shop changed its mind")
    return HttpResponse("thanks")


STREAM = [event(quantity=1 + n) for n in range(24)]
urlpatterns = [path("checkout/<uuid:pk>/", checkout)]


@pytest.fixture
def request_of_a_person():
    request = RequestFactory(headers={"user-agent": PERSON}).get("/")
    request.COOKIES["reco_visitor"] = str(uuid.uuid4())
    return request


PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126 Mobile Safari/537.36"
)
TABLET = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) Version/16.6 Mobile/15E148 Safari/604.1"


def refuses(request: HttpRequest) -> bool:
    return False


def asked_with(agent: str, **cookies: str) -> HttpRequest:
    request = RequestFactory(headers={"user-agent": agent}).get("/")
    request.COOKIES.update(cookies)
    return request


@contextlib.contextmanager
def rolled_back():
    class Undo(Exception):
        pass

    with contextlib.suppress(Undo), transaction.atomic():
        yield
        raise Undo


@pytest.fixture
def order() -> Order:
    order = Order.objects.create(number="N1", state="paid")
    Line.objects.create(order=order, product=Product.objects.create(label="Boot"))
    return order


def send_everything(request: HttpRequest, order: Order) -> None:
    product = order.lines.all()[0].product if order else None
    both = {"sender": None, "request": request}
    signals.product_viewed.send(**both, product=product)
    signals.basket_item_added.send(**both, product=product, quantity=2)
    signals.basket_item_removed.send(**both, product=product)
    signals.product_wishlisted.send(**both, product=product)
    signals.search_performed.send(**both, query="boots")
    signals.product_rated.send(**both, product=product, rating=4)
    signals.recommendation_dismissed.send(**both, product=product)
    signals.order_completed.send(**both, order=order)
    signals.order_refunded.send(**both, order=order)


@pytest.fixture
def loaded_order(order) -> Order:
    return Order.objects.prefetch_related("lines__product").get(pk=order.pk)


def test_no_signal_runs_sql_inside_a_transaction(
    request_of_a_person, loaded_order, django_assert_num_queries
):
    with transaction.atomic():
        with django_assert_num_queries(0):
            send_everything(request_of_a_person, loaded_order)
        assert not Interaction.objects.exists()
    kinds = set(Interaction.objects.values_list("kind", flat=True))
    assert kinds == set(EventKind) - {EventKind.SELECT_ITEM}
    assert set(Interaction.objects.values_list("source", flat=True)) == {EventSource.SIGNAL}
    rated = Interaction.objects.get(kind=EventKind.RATE_ITEM)
    assert rated.rating == pytest.approx(0.8)


def test_one_view_is_one_insert(request_of_a_person, django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        track(request_of_a_person, "view_item", uuid.uuid4())
    assert "INSERT INTO" in queries.captured_queries[0]["sql"]
    assert Interaction.objects.count() == 1


@pytest.mark.parametrize(
    ("agent", "said", "kept"),
    [
        (PHONE, None, "mobile"),
        (TABLET, None, "tablet"),
        (PERSON, None, "desktop"),
        (PERSON, "mobile", "mobile"),
        (PHONE, "", ""),
        (PHONE, "fridge of Ann", ""),
    ],
)
def test_of_the_device_its_class_alone_is_kept(agent, said, kept):
    request = asked_with(agent, reco_visitor=str(uuid.uuid4()))
    track(request, "view_item", uuid.uuid4(), device=said)
    (row,) = Interaction.objects.values()
    assert row["device"] == kept
    assert not any("Mozilla" in str(value) or "fridge" in str(value) for value in row.values())


def test_without_consent_nothing_of_a_device_is_kept(settings):
    settings.RECO_CONSENT = f"{__name__}.refuses"
    track(asked_with(PHONE, reco_visitor=str(uuid.uuid4())), "view_item", uuid.uuid4())
    assert not Interaction.objects.exists()


def test_an_order_has_the_device_of_who_ordered_and_of_nobody_else(loaded_order):
    """A payment service reports it, too, and the sync reads it again."""
    ann = Customer.objects.create_user("ann@example.com")
    Order.objects.update(customer=ann)
    order = Order.objects.prefetch_related("lines__product").get(pk=loaded_order.pk)
    signals.order_completed.send(
        sender=None, order=order, request=asked_with(PERSON, reco_visitor=str(uuid.uuid4()))
    )
    assert Interaction.objects.get().device == ""
    Interaction.objects.all().delete()
    theirs = asked_with(PHONE)
    theirs.user = ann
    signals.order_completed.send(sender=None, order=order, request=theirs)
    sync_orders()
    row = Interaction.objects.get()
    assert (row.shopper, row.device) == (shopper_id(1, ann.pk), "mobile")
    signals.order_refunded.send(sender=None, order=order, request=theirs)
    assert Interaction.objects.get(kind=EventKind.REFUND).device == ""


def test_signals_in_an_aborted_transaction_do_not_raise(request_of_a_person, loaded_order):
    with rolled_back():
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column")
        send_everything(request_of_a_person, loaded_order)
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("durability", ["on_commit", "transactional"])
def test_a_rolled_back_order_leaves_no_event(
    request_of_a_person, loaded_order, settings, durability
):
    settings.RECO_PURCHASE_DURABILITY = durability
    with rolled_back():
        send_everything(request_of_a_person, loaded_order)
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("durability", ["on_commit", "transactional"])
def test_a_rolled_back_savepoint_leaves_no_event(
    request_of_a_person, loaded_order, settings, durability
):
    settings.RECO_PURCHASE_DURABILITY = durability
    with transaction.atomic():
        with rolled_back():
            send_everything(request_of_a_person, loaded_order)
        track(request_of_a_person, "view_item", uuid.uuid4())
    assert Interaction.objects.get().kind == EventKind.VIEW_ITEM


def test_transactional_purchases_are_in_the_shops_transaction(
    request_of_a_person, loaded_order, settings
):
    settings.RECO_PURCHASE_DURABILITY = "transactional"
    with transaction.atomic():
        signals.order_completed.send(sender=None, order=loaded_order, request=request_of_a_person)
        assert Interaction.objects.get().kind == EventKind.PURCHASE
        track(request_of_a_person, "purchase", uuid.uuid4(), order="N2")
        record([event(EventKind.PURCHASE), event()])
        assert Interaction.objects.count() == 3
    assert Interaction.objects.count() == 4


def test_a_failing_transactional_write_does_not_abort_the_shop(
    request_of_a_person, loaded_order, settings, monkeypatch
):
    settings.RECO_PURCHASE_DURABILITY = "transactional"
    monkeypatch.setattr("reco_plugin.capture.writing._sql", lambda *_: "INSERT INTO nowhere")
    with transaction.atomic():
        signals.order_completed.send(sender=None, order=loaded_order, request=request_of_a_person)
        Product.objects.create(label="the shop goes on")
    assert Product.objects.filter(label="the shop goes on").exists()


def test_a_failing_write_is_counted_and_does_not_reach_the_shop(request_of_a_person, monkeypatch):
    drops.flush()
    monkeypatch.setattr("reco_plugin.capture.writing._sql", lambda *_: "INSERT INTO nowhere")
    with transaction.atomic():
        track(request_of_a_person, "view_item", uuid.uuid4())
        Product.objects.create(label="kept")
    assert Product.objects.filter(label="kept").exists()
    assert drops.pending()[1, "write_failed"] == 1


def test_an_unreachable_database_is_counted(request_of_a_person, monkeypatch):
    drops.flush()

    def refuse(*_):
        raise DatabaseError("no route to host")

    monkeypatch.setattr("reco_plugin.capture.recording.write", refuse)
    monkeypatch.setattr(connection, "is_usable", lambda: False)
    track(request_of_a_person, "view_item", uuid.uuid4())
    record([event(), event()])
    assert drops.pending()[1, "write_failed"] == 3


def test_by_hand_managed_transactions_lose_no_event(request_of_a_person):
    connection.set_autocommit(False)
    try:
        track(request_of_a_person, "view_item", uuid.uuid4())
        Product.objects.create(label="the shop's")
        connection.commit()
    finally:
        connection.set_autocommit(True)
    assert background.join(5)
    assert Interaction.objects.count() == 1


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="a database in memory is never disconnected"
)
def test_r02_a_page_without_sql_connects_nowhere_while_the_database_is_down(
    request_of_a_person, monkeypatch
):
    """What it did waits for the end of the response, and there for the breaker."""
    state = state_of(request_of_a_person)
    state.has_middleware = True
    tried = []

    def refuse(*_):
        tried.append(1)
        raise OperationalError("connection refused")

    connection.close()
    with monkeypatch.context() as down:
        down.setattr(type(connections["default"]), "get_new_connection", refuse)
        track(request_of_a_person, "view_item", uuid.uuid4())
        assert not tried
        close(state)
        assert tried
    assert background.join(5)
    assert Interaction.objects.count() == 1


def test_a_poison_event_does_not_take_the_others_with_it():
    drops.flush()
    good = event()
    record([event(quantity=2**70), good])
    assert Interaction.objects.get().event_id == good.event_id
    assert drops.pending()[1, "write_failed"] == 1


@pytest.mark.parametrize("who_is_first", ["shop", "reco"])
def test_a_shop_whose_own_callback_raises(request_of_a_person, loaded_order, who_is_first):
    def raises():
        raise RuntimeError("the shop's own")

    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
        if who_is_first == "shop":
            transaction.on_commit(raises)
        signals.order_completed.send(sender=None, order=loaded_order)
        if who_is_first == "reco":
            transaction.on_commit(raises)
    assert Interaction.objects.exists() is (who_is_first == "reco")
    sync_orders()
    assert Interaction.objects.get().kind == EventKind.PURCHASE


@pytest.mark.parametrize("failing", [False, True])
def test_atomic_requests(settings, failing):
    product = Product.objects.create(label="Boot")
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    client = Client(headers={"user-agent": PERSON}, raise_request_exception=False)
    try:
        response = client.get(f"/checkout/{product.pk}/", {"fail": 1} if failing else {})
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert response.status_code == (500 if failing else 200)
    assert Order.objects.exists() is not failing
    if failing:
        assert not Interaction.objects.exists()
        return
    assert Interaction.objects.count() == 2
    visitor = response.cookies["reco_visitor"].value
    assert {str(row.shopper) for row in Interaction.objects.all()} == {visitor}


def test_receivers_never_raise_but_when_asked_to(request_of_a_person, settings):
    drops.flush()
    signals.product_viewed.send(sender=None, request=request_of_a_person, product="not a key")
    signals.product_viewed.send(sender=None, request=None, product=uuid.uuid4())
    signals.product_rated.send(
        sender=None, request=request_of_a_person, product=uuid.uuid4(), rating="x"
    )
    signals.order_completed.send(sender=None, order=object())
    assert not Interaction.objects.exists()
    assert drops.pending()[1, "invalid"] == 1
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(ValueError, match=r"cannot be a key of testapp\.Product"):
        signals.product_viewed.send(sender=None, request=request_of_a_person, product="not a key")
    with pytest.raises(ValueError):
        signals.product_rated.send(
            sender=None, request=request_of_a_person, product=uuid.uuid4(), rating="x"
        )


def test_fixtures_are_ignored(request_of_a_person):
    signals.product_viewed.send(
        sender=None, request=request_of_a_person, product=uuid.uuid4(), raw=True
    )
    assert not Interaction.objects.exists()


def test_switched_off_captures_nothing(request_of_a_person, loaded_order, settings):
    settings.RECO_ENABLED = False
    send_everything(request_of_a_person, loaded_order)
    track(request_of_a_person, "view_item", uuid.uuid4())
    record([event()])
    assert not Interaction.objects.exists()


def test_events_are_written_once_by_their_id():
    twice = event()
    assert write([twice, twice, event()]) == 2
    assert write([twice]) == 0
    assert write([event(event_id=twice.event_id, site=2)]) == 1
    assert write([]) == 0
    record([twice])
    assert Interaction.objects.count() == 3


@given(st.data())
@hypothesis.settings(max_examples=25, deadline=None)
def test_r15_any_order_and_repetition_of_a_stream_leaves_the_same_rows(stream):
    Interaction.objects.all().delete()
    stream_of = st.lists(st.sampled_from(STREAM), min_size=len(STREAM), max_size=60)
    delivered = [*stream.draw(stream_of), *stream.draw(st.permutations(STREAM))]
    cuts = stream.draw(st.lists(st.integers(1, len(delivered)), max_size=3).map(sorted))
    for start, end in itertools.pairwise([0, *cuts, len(delivered)]):
        write(delivered[start:end])
    kept = Interaction.objects.values_list("event_id", "kind", "shopper", "product_id", "quantity")
    assert set(kept) == {
        (each.event_id, each.kind, each.shopper.id, each.product, each.quantity) for each in STREAM
    }
    assert len(kept) == len(STREAM)


def test_a_large_batch_is_written_in_few_statements(django_assert_max_num_queries):
    with django_assert_max_num_queries(25):
        assert write([event() for _ in range(1_200)]) == 1_200


@pytest.mark.parametrize("rows", [1, 19, 20, 61])
def test_few_and_many_rows_are_written_alike(rows):
    ann = Customer.objects.create_user("ann@example.com")
    linked, guest = uuid.uuid4(), uuid.uuid4()
    VisitorLink.objects.create(visitor=linked, shopper=shopper_id(1, ann.pk))
    awkward = {
        "price": Decimal("12.3456"),
        "currency": "EUR",
        "order": '{"a\\b", NULL}',
        "rating": 0.1,
        "query": 'größe \\ "38" {x}, NULL',
        "quantity": 3,
        "device": "tablet",
    }
    shoppers = [
        Shopper(id=linked),
        Shopper(id=guest),
        Shopper(id=shopper_id(1, ann.pk), user=ann.pk),
    ]
    sent = [event(shopper=shoppers[n % 3], **awkward) for n in range(rows)]
    sent.append(event(EventKind.SEARCH, product=None, query="boots"))
    assert write([*sent, *sent]) == len(sent)
    found = {row.event_id: row for row in Interaction.objects.all()}
    for each in sent:
        row = found[each.event_id]
        owner = shopper_id(1, ann.pk) if each.shopper.id == linked else each.shopper.id
        assert row.shopper == owner
        assert (row.user_id, row.product_id) == (each.shopper.user, each.product)
        for name in (*awkward, "occurred_at"):
            assert getattr(row, name) == getattr(each, name)


def test_backfilled_events_keep_their_dates():
    past = timezone.now() - dt.timedelta(days=4_000)
    write([event(occurred_at=past)])
    assert Interaction.objects.get().occurred_at == past


class TestInTestCase(TestCase):
    """A shop's own TestCase sees our events as it sees its own callbacks."""

    def setUp(self) -> None:
        self.client = Client(headers={"user-agent": PERSON})
        self.product = Product.objects.create(label="Boot")

    def test_callbacks_can_be_captured(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            response = self.client.get(f"/checkout/{self.product.pk}/")
        assert response.status_code == 200
        assert len(callbacks) == 2
        shoppers = {str(row.shopper) for row in Interaction.objects.all()}
        assert shoppers == {response.cookies["reco_visitor"].value}
        assert Interaction.objects.count() == 2

    def test_nothing_is_written_unless_captured(self) -> None:
        self.client.get(f"/checkout/{self.product.pk}/")
        assert not Interaction.objects.exists()

    def test_an_integrity_error_in_ours_leaves_the_test_usable(self) -> None:
        with pytest.raises((OverflowError, DatabaseError)):
            write([event(quantity=2**70)])
        assert Customer.objects.count() == 0
