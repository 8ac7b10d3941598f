"""Orders → purchases and refunds: by signal, by sync and by backfill, each once."""

from __future__ import annotations

import datetime as dt
import io
import json
import uuid
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from testapp.models import Customer, Line, Order, Product
from testapp.reco import TestOrders

from reco_plugin import signals
from reco_plugin.capture import drops, shopper_id
from reco_plugin.exceptions import MappingError
from reco_plugin.jobs.backfill import backfill
from reco_plugin.jobs.erase import erase_user
from reco_plugin.jobs.sync_orders import sync_orders
from reco_plugin.models import Dropped, Interaction, OrderCursor
from reco_plugin.types import EventKind, EventSource

pytestmark = pytest.mark.django_db(transaction=True)


class NoTimestamps(TestOrders):
    changed_at = ""


class Misspelt(TestOrders):
    price = "unit_pence"
    status = "order__stat"


class ByProductKey(TestOrders):
    """Lines of a model without an integer key are read on by date."""

    model = "testapp.Product"
    product = order = "pk"
    quantity = "cents"
    price = user = visitor = status = changed_at = ""
    placed_at = "born"


class Everything(TestOrders):
    status = ""
    paid = ()


class Guests(TestOrders):
    visitor = ""
    guest = "order__number"


@pytest.fixture
def products() -> list[Product]:
    return [Product.objects.create(label=f"P{n}") for n in range(3)]


@pytest.fixture
def customer() -> Customer:
    return Customer.objects.create_user("ann@example.com")


def place(products, state="paid", number=None, **extra) -> Order:
    order = Order.objects.create(number=number or uuid.uuid4().hex[:12], state=state, **extra)
    for product in products:
        Line.objects.create(order=order, product=product, amount=2, unit_cents=Decimal("9.90"))
    return order


def kinds() -> list[EventKind]:
    return [
        EventKind(kind)
        for kind in Interaction.objects.order_by("id").values_list("kind", flat=True)
    ]


def test_saves_become_purchases_of_the_customer(products, customer):
    placed = timezone.now() - dt.timedelta(days=40)
    order = place(products[:1], customer=customer, placed=placed)
    report = sync_orders()
    event = Interaction.objects.get()
    assert (report.read, report.purchases, report.refunds) == (1, 1, 0)
    assert event.kind == EventKind.PURCHASE
    assert (event.user_id, event.shopper) == (customer.pk, shopper_id(1, customer.pk))
    assert (event.product_id, event.quantity, event.price) == (products[0].pk, 2, Decimal("9.90"))
    assert (event.order, event.occurred_at, event.source) == (
        order.number,
        placed,
        EventSource.ORDER_SYNC,
    )


def test_bulk_create_is_picked_up(products):
    sync_orders()
    orders = Order.objects.bulk_create([Order(number=f"B{n}", state="paid") for n in range(2)])
    Line.objects.bulk_create([Line(order=order, product=products[0]) for order in orders])
    assert sync_orders().purchases == 2


@pytest.mark.parametrize("mapping", ["TestOrders", "NoTimestamps"])
def test_queryset_update_is_picked_up(products, settings, mapping):
    settings.RECO_ORDERS = f"{__name__}.{mapping}"
    place(products, state="new")
    assert sync_orders().purchases == 0
    Order.objects.update(state="paid")
    assert sync_orders().purchases == 3
    Order.objects.update(state="refunded")
    assert sync_orders().refunds == 3
    assert sync_orders().purchases == 0
    assert kinds() == [EventKind.PURCHASE] * 3 + [EventKind.REFUND] * 3


def test_a_refunded_order_is_a_purchase_taken_back(products):
    place(products[:1], state="refunded")
    sync_orders()
    assert kinds() == [EventKind.PURCHASE, EventKind.REFUND]


def test_a_cancelled_order_takes_back_only_what_was_recorded(products):
    place(products[:1], state="cancelled")
    paid = place(products[:1], state="paid")
    sync_orders()
    assert kinds() == [EventKind.PURCHASE]
    Order.objects.filter(pk=paid.pk).update(state="cancelled")
    sync_orders()
    assert kinds() == [EventKind.PURCHASE, EventKind.REFUND]
    assert sync_orders().refunds == 0


def test_negative_quantities_are_refunds(products):
    order = place([])
    Line.objects.create(order=order, product=products[0], amount=-3)
    sync_orders()
    event = Interaction.objects.get()
    assert (event.kind, event.quantity) == (EventKind.REFUND, 3)


def test_broken_lines_are_counted_and_the_rest_is_kept(products):
    order = place(products[:1])
    Line.objects.create(order=order, product=None)
    Line.objects.create(order=order, product=products[0], amount=0)
    Line.objects.create(order=order, product=products[0], amount=2_000_000)
    Line.objects.create(order=order, product=products[0], unit_cents=Decimal("-1"))
    if connection.vendor == "postgresql":  # SQLite has no NaN
        nan = Line.objects.create(order=order, product=products[0])
        with connection.cursor() as cursor:
            cursor.execute("UPDATE testapp_line SET unit_cents = 'NaN' WHERE id = %s", [nan.pk])
    else:
        Line.objects.create(order=order, product=products[0], unit_cents=Decimal("-2"))
    drops.flush()
    Dropped.objects.all().delete()
    report = backfill()
    assert Dropped.objects.get(reason="order_bad_price").count == 2
    Order.objects.update(touched=timezone.now() - dt.timedelta(hours=1))
    OrderCursor.objects.all().delete()
    Dropped.objects.all().delete()
    for _ in range(3):
        sync_orders()
        Order.objects.update(touched=timezone.now() - dt.timedelta(days=2))
    assert Dropped.objects.get(reason="order_zero_quantity").count == 1
    assert report.purchases == 1
    assert report.left_out == {
        "no_product": 1,
        "zero_quantity": 1,
        "bad_quantity": 1,
        "bad_price": 2,
    }


def test_a_guest_is_the_visitor_the_order_names(products):
    visitor = uuid.uuid4()
    place(products[:1], visitor=str(visitor))
    sync_orders()
    assert Interaction.objects.get().shopper == visitor


def test_a_guest_number_is_hashed_and_stable(products, settings):
    settings.RECO_ORDERS = f"{__name__}.Guests"
    place(products[:2], number="G1")
    place(products[:1], number="G2")
    sync_orders()
    shoppers = list(Interaction.objects.values_list("shopper", flat=True))
    assert len(set(shoppers)) == 2
    assert {shopper.version for shopper in shoppers} == {5}


def test_an_order_cannot_name_somebody_else_as_its_visitor(products, customer):
    place(products[:1], visitor=str(shopper_id(1, customer.pk)))
    sync_orders()
    assert Interaction.objects.get().shopper != shopper_id(1, customer.pk)


def test_signal_sync_and_backfill_write_the_same_events(
    products, customer, django_assert_num_queries
):
    order = place(products, customer=customer)
    signals.order_completed.send(sender=None, order=order)
    assert kinds() == [EventKind.PURCHASE] * 3
    assert set(Interaction.objects.values_list("source", flat=True)) == {EventSource.SIGNAL}
    signals.order_completed.send(sender=None, order=order)
    assert sync_orders().purchases == backfill().purchases == 0
    signals.order_refunded.send(sender=None, order=order, lines=[order.lines.first()])
    assert kinds().count(EventKind.REFUND) == 1
    Order.objects.update(state="refunded")
    assert sync_orders().refunds == 2
    assert Interaction.objects.count() == 6


def test_an_unpaid_order_is_no_purchase_even_when_signalled(products):
    order = place(products, state="new")
    signals.order_completed.send(sender=None, order=order)
    assert not Interaction.objects.exists()
    Order.objects.update(state="paid")
    assert sync_orders().purchases == 3


def test_a_sync_resumes_at_the_mark(products, monkeypatch):
    for n in range(5):
        place(products[:1], number=f"R{n}")
    monkeypatch.setattr(
        "reco_plugin.catalog.orders.OrderMapping.pages.__defaults__", ("pk", None, None, 2)
    )
    calls = []
    original = sync_orders.__globals__["take"]

    def dies(*args, **named):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        original(*args, **named)

    monkeypatch.setitem(sync_orders.__globals__, "take", dies)
    with pytest.raises(KeyboardInterrupt):
        sync_orders()
    assert Interaction.objects.count() == 2
    assert OrderCursor.objects.get().mark["by"] == "order__touched"
    monkeypatch.setitem(sync_orders.__globals__, "take", original)
    assert sync_orders().purchases == 3


def test_a_date_in_the_future_does_not_hide_what_comes_next(products):
    order = place(products[:1])
    Order.objects.update(
        touched=timezone.now() + dt.timedelta(days=900),
        placed=timezone.now() + dt.timedelta(days=900),
    )
    sync_orders()
    late = place(products[:1], placed=timezone.now() - dt.timedelta(days=100))
    assert sync_orders().purchases == 1
    assert set(Interaction.objects.values_list("order", flat=True)) == {order.number, late.number}
    assert all(event.occurred_at <= timezone.now() for event in Interaction.objects.all())


def test_a_transaction_that_commits_late_is_not_missed(products, settings):
    settings.RECO_ORDER_RESCAN_DAYS = 0
    place(products[:1])
    sync_orders()
    mark = dt.datetime.fromisoformat(OrderCursor.objects.get().mark["at"])
    late = place(products[:1])
    Order.objects.filter(pk=late.pk).update(touched=mark - dt.timedelta(minutes=5))
    older = place(products[:1])
    Order.objects.filter(pk=older.pk).update(touched=mark - dt.timedelta(hours=5))
    assert sync_orders().purchases == 1
    assert Interaction.objects.latest("pk").order == late.number


def test_without_timestamps_the_key_is_the_mark(products, settings):
    settings.RECO_ORDERS = f"{__name__}.NoTimestamps"
    settings.RECO_ORDER_RESCAN_DAYS = 0
    place(products)
    assert sync_orders().read == 3
    assert OrderCursor.objects.get().mark == {"by": "pk", "key": Line.objects.latest("pk").pk}
    place(products)
    assert sync_orders().purchases == 3


def test_keys_that_do_not_grow_are_no_mark(products, settings):
    settings.RECO_ORDERS = f"{__name__}.ByProductKey"
    Product.objects.update(cents=1)
    assert ByProductKey().mark_path == "born"
    assert sync_orders().purchases == 3
    assert sync_orders().purchases == 0


def test_staff_orders_are_left_out_by_setting(products, settings):
    staff = Customer.objects.create_user("boss@example.com", is_staff=True)
    order = place(products[:1], customer=staff)
    place(products[:1])
    signals.order_completed.send(sender=None, order=order)
    assert not Interaction.objects.exists()
    assert sync_orders().purchases == 1
    settings.RECO_TRACK_STAFF = True
    assert backfill().purchases == 1


def test_backfill_twice_imports_nothing_twice(products):
    place(products, placed=timezone.now() - dt.timedelta(days=400))
    assert backfill(dry_run=True).purchases == 3
    assert not Interaction.objects.exists()
    assert backfill().purchases == 3
    assert backfill().purchases == 0
    assert set(Interaction.objects.values_list("source", flat=True)) == {EventSource.BACKFILL}
    assert Interaction.objects.earliest("occurred_at").occurred_at < timezone.now() - dt.timedelta(
        399
    )


def test_the_orders_of_an_erased_customer_do_not_come_back(products, customer):
    place(products, customer=customer)
    assert backfill().purchases == 3
    assert erase_user(customer.pk).interactions == 3
    report = backfill()
    assert (report.purchases, report.left_out["erased"]) == (0, 3)
    place(products[:1], customer=customer)
    assert sync_orders().purchases == 1


def test_a_mapping_without_status_takes_every_order(products, settings):
    settings.RECO_ORDERS = f"{__name__}.Everything"
    place(products, state="whatever")
    assert sync_orders().purchases == 3


def test_misspelt_paths_are_named_with_what_exists(settings):
    settings.RECO_ORDERS = f"{__name__}.Misspelt"
    with pytest.raises(
        MappingError, match=r"Misspelt.price = 'unit_pence' leads nowhere.*unit_cents"
    ) as error:
        sync_orders()
    assert "Misspelt.status = 'order__stat'" in str(error.value)


def test_commands_report_in_words_and_in_json(products, settings):
    place(products)
    out = io.StringIO()
    call_command("reco_backfill", "--dry-run", stdout=out)
    assert "3 order lines read; 3 purchases and 0 refunds would be new." in out.getvalue()
    out = io.StringIO()
    call_command("reco_backfill", "--json", "--since", "2020-01-31", stdout=out)
    assert json.loads(out.getvalue())["purchases"] == 3
    out = io.StringIO()
    call_command("reco_sync_orders", "--json", stdout=out)
    assert json.loads(out.getvalue())["purchases"] == 0
    settings.RECO_ORDERS = ""
    with pytest.raises(CommandError, match="RECO_ORDERS is not set"):
        call_command("reco_sync_orders")
    with pytest.raises(CommandError, match="is no date"):
        call_command("reco_backfill", "--since", "yesterday")


def test_statuses_that_are_spelt_otherwise_are_pointed_at(settings, monkeypatch, products):
    class Shouting(TestOrders):
        paid = ("PAID",)

    monkeypatch.setattr("testapp.reco.Shouting", Shouting, raising=False)
    settings.RECO_ORDERS = "testapp.reco.Shouting"
    order = Order.objects.create(number="S1", state="paid")
    Line.objects.create(order=order, product=products[0])
    assert any("does `paid` hold" in line for line in backfill(dry_run=True).lines())
    settings.RECO_ORDERS = "testapp.reco.TestOrders"
    assert not any("does `paid` hold" in line for line in backfill(dry_run=True).lines())
