"""After a backfill pages show products, the sync reads on from there, and sites stay apart."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.utils import timezone
from testapp.models import Line, Order, Product, StockRecord
from testapp.reco import TestCatalog, TestOrders

from reco_plugin import recommend
from reco_plugin.jobs.backfill import backfill, show_popular
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.sync_orders import sync_orders
from reco_plugin.models import ActiveRun, Interaction, Item, OrderCursor, Outcome
from reco_plugin.types import EventKind, EventSource

pytestmark = pytest.mark.django_db(transaction=True)


class NoTimestamps(TestOrders):
    changed_at = ""


class OfSites(TestOrders):
    """The order's number says where it was bought."""

    def queryset_of(self, site: int) -> QuerySet[Any]:
        return self.queryset().filter(order__number__startswith=f"{site}-")


class CatalogOfSites(TestCatalog):
    def products_of(self, site: int) -> QuerySet[Any]:
        return self.products().filter(maker=f"site {site}")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sites_of_a_test", sys.modules[__name__])


def sell(count: int, prefix: str = "", **values: Any) -> list[Product]:
    made = []
    for n in range(count):
        product = Product.objects.create(label=f"P {n}", cents=100, **values)
        StockRecord.objects.create(product=product, count=1)
        order = Order.objects.create(number=f"{prefix}{n}", state="paid")
        Line.objects.create(order=order, product=product)
        made.append(product)
    return made


def command(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("reco_backfill", *words, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_after_a_backfill_pages_show_products_without_any_training() -> None:
    sell(3)
    assert not recommend("personal")
    told = command()
    assert told["purchases"] == 3
    assert told["shown"] == [
        "3 products read, 0 skipped.",
        "3 popular products in 1 lists are live: {% recommend %} shows them from now on.",
    ]
    assert len(recommend("personal")) == 3
    assert ActiveRun.objects.get().kind == "popular"


def test_without_any_order_the_newest_products_are_shown() -> None:
    sell(2)
    Line.objects.all().delete()
    assert command()["purchases"] == 0
    assert len(recommend("personal")) == 2


def test_a_dry_run_and_only_orders_leave_what_is_popular_alone() -> None:
    sell(2)
    assert command("--dry-run")["shown"] == []
    assert Interaction.objects.count() == OrderCursor.objects.count() == 0
    assert command("--only-orders")["shown"] == []
    assert Interaction.objects.count() == 2
    assert not ActiveRun.objects.exists()


def test_what_fails_is_said_in_words(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    sell(1)
    monkeypatch.setattr(
        "reco_plugin.jobs.window.read_log", lambda *_, **__: (_ for _ in ()).throw(MemoryError())
    )
    assert "popular failed: Out of memory" in show_popular(1)[-1]
    settings.RECO_ENABLED = False
    assert show_popular(1)[-1] == "popular was left out: switched off."


@pytest.mark.parametrize("mapping", ["testapp.reco.TestOrders", "sites_of_a_test.NoTimestamps"])
def test_the_sync_reads_on_from_a_backfill(settings: Any, mapping: str) -> None:
    settings.RECO_ORDERS = mapping
    settings.RECO_ORDER_RESCAN_DAYS = 0
    sell(3)
    Order.objects.update(touched="2026-01-01T00:00:00Z")
    backfill()
    again = sync_orders()
    assert again.purchases == 0
    assert again.read <= 1  # the mark's own line
    sell(2, prefix="later ")
    assert sync_orders().purchases == 2


def test_a_backfill_of_some_days_leaves_the_mark_alone() -> None:
    import datetime as dt

    sell(1)
    backfill(since=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert not OrderCursor.objects.exists()


def test_a_dry_sync_writes_nothing_and_leaves_the_mark() -> None:
    sell(2)
    out = io.StringIO()
    call_command("reco_sync_orders", "--dry-run", stdout=out)
    assert "2 purchases and 0 refunds would be new" in out.getvalue()
    assert Interaction.objects.count() == OrderCursor.objects.count() == 0
    assert sync_orders().purchases == 2
    mark = OrderCursor.objects.get().mark
    sell(1, prefix="more ")
    assert sync_orders(dry_run=True).purchases == 1
    assert OrderCursor.objects.get().mark == mark


def test_the_order_sync_as_a_job() -> None:
    sell(2)
    done = execute("sync_orders")
    assert done.outcome == Outcome.DONE, done.error
    assert done.report["purchases"] == 2


def test_two_sites_in_one_process(settings: Any) -> None:
    settings.RECO_ORDERS = "sites_of_a_test.OfSites"
    settings.RECO_CATALOG = "sites_of_a_test.CatalogOfSites"
    sell(2, prefix="1-", maker="site 1")
    sell(3, prefix="2-", maker="site 2")
    assert backfill(1).purchases == 2
    assert backfill(2).purchases == 3
    assert sync_orders(1).purchases == sync_orders(2).purchases == 0
    sell(1, prefix="2-late", maker="site 2")
    assert sync_orders(1).purchases == 0
    assert sync_orders(2).purchases == 1
    assert set(Interaction.objects.values_list("site", flat=True)) == {1, 2}
    execute("sync_items", 1)
    execute("sync_items", 2)
    assert Item.objects.filter(site=1).count() == 2
    assert Item.objects.filter(site=2).count() == 4


# --- after a change of the mapping ------------------------------------------------------------------------


class Undated(TestOrders):
    placed_at = ""


def test_again_forgets_what_a_mapping_without_a_date_imported(settings):
    made = sell(3)
    settings.RECO_ORDERS = "sites_of_a_test.Undated"
    command("--only-orders")
    began = timezone.now() - dt.timedelta(days=1)
    Order.objects.update(placed=began)
    tracked = Interaction.objects.create(
        event_id=uuid.uuid4(),
        shopper=uuid.uuid4(),
        product=made[0],
        kind=EventKind.VIEW_ITEM,
        source=EventSource.TRACK,
        occurred_at=began,
    )
    settings.RECO_ORDERS = "testapp.reco.TestOrders"
    assert command("--only-orders")["purchases"] == 0
    assert not Interaction.objects.filter(occurred_at=began, kind=EventKind.PURCHASE).exists()
    assert command("--only-orders", "--again")["purchases"] == 3
    assert Interaction.objects.filter(occurred_at=began, kind=EventKind.PURCHASE).count() == 3
    assert Interaction.objects.filter(pk=tracked.pk).exists()


def test_again_with_a_mapping_that_cannot_be_read_keeps_what_is_there(settings):
    sell(2)
    command("--only-orders")
    settings.RECO_ORDERS = ""
    with pytest.raises(CommandError, match="RECO_ORDERS is not set"):
        command("--again")
    with pytest.raises(CommandError, match="goes through all orders"):
        command("--again", "--since", "2026-01-31")
    assert Interaction.objects.count() == 2


def test_no_order_line_and_too_many_that_wait_are_told(settings):
    out = io.StringIO()
    call_command("reco_backfill", "--only-orders", stdout=out)
    assert "There is no order line: look at `model` and queryset() of" in out.getvalue()
    sell(3)
    Order.objects.exclude(number="0").update(state="open")
    call_command("reco_backfill", "--only-orders", stdout=out)
    assert "Most are waiting" in out.getvalue()


def test_the_number_of_a_site_that_was_empty_is_told():
    sell(1)
    told = "Site 7 was empty before: pages read it where RECO_SITE says so."
    assert told not in command()["shown"]
    assert command("--site", "7")["shown"][0] == told
    assert told not in command("--site", "7")["shown"]
