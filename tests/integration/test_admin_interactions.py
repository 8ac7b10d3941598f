"""The list of interactions: found by shopper, user and product, and never dear."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import adminshop
import pytest
from adminshop import VIEW, Rights
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from testapp.models import Customer

from reco_plugin.admin import paging
from reco_plugin.capture.identity import shopper_id
from reco_plugin.models import Interaction
from reco_plugin.types import EventKind, EventSource

pytestmark = pytest.mark.django_db
LIST = "/admin/reco/interaction/"
SEE_USERS = "testapp.view_customer"
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="statement timeouts and plans are PostgreSQL's"
)


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


def shown(client: Client, query: str = "") -> list[str]:
    """Keys of the rows of the page, as listed."""
    response = client.get(f"{LIST}{query}")
    assert response.status_code == 200, query
    return re.findall(r"/interaction/(\d+)/change/", response.content.decode())


def keys(*rows: Interaction) -> list[str]:
    return [str(row.pk) for row in rows]


# --- finding -------------------------------------------------------------------------------------


def test_by_shopper(rights: Rights) -> None:
    client = rights.operator(*VIEW)
    ours, other = adminshop.event(adminshop.product()), adminshop.event(adminshop.product())
    assert shown(client, f"?q={ours.shopper}") == keys(ours)
    assert sorted(shown(client)) == sorted(keys(ours, other))


def test_by_product_s_key_and_title(rights: Rights) -> None:
    client = rights.operator(*VIEW)
    boots, lamp = adminshop.product("Winter boots"), adminshop.product("Lamp")
    ours, other = adminshop.event(boots), adminshop.event(lamp)
    assert shown(client, f"?q={boots.pk}") == shown(client, "?q=WINTER") == keys(ours)
    assert shown(client, f"?q={lamp.pk}") == keys(other)


def test_by_user_only_for_whom_may_see_users(rights: Rights) -> None:
    user = Customer.objects.create_user("ada@example.com")
    row = adminshop.event(adminshop.product(), shopper=shopper_id(1, user.pk), user_id=user.pk)
    may, may_not = rights.operator(*VIEW, SEE_USERS), rights.operator(*VIEW, name="other")
    assert shown(may, "?q=ada@") == keys(row)
    assert shown(may_not, "?q=ada@") == []
    assert str(user) in may.get(LIST).content.decode()
    assert str(user) not in may_not.get(LIST).content.decode()


def test_by_the_search_fields_of_the_shop_s_own_admin(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = admin.site.get_model_admin(Customer)
    monkeypatch.setattr(type(own), "search_fields", ("=email",))
    user = Customer.objects.create_user("ada@example.com")
    row = adminshop.event(adminshop.product(), shopper=shopper_id(1, user.pk))
    client = rights.operator(*VIEW, SEE_USERS)
    assert shown(client, "?q=ada@example.com") == keys(row)
    assert shown(client, "?q=ada@") == []


def test_users_whom_the_shop_s_own_admin_hides_stay_hidden(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = admin.site.get_model_admin(Customer)
    hidden = Customer.objects.create_user("ada@example.com")
    row = adminshop.event(adminshop.product(), shopper=shopper_id(1, hidden.pk), user_id=hidden.pk)
    monkeypatch.setattr(own, "get_queryset", lambda request: Customer.objects.exclude(pk=hidden.pk))
    client = rights.operator(*VIEW, SEE_USERS)
    assert shown(client, "?q=ada@") == []
    assert str(hidden) not in client.get(LIST).content.decode()
    assert str(hidden) not in client.get(f"{LIST}{row.pk}/change/").content.decode()


def test_a_user_of_another_shop_is_somebody_else(rights: Rights) -> None:
    user = Customer.objects.create_user("ada@example.com")
    client = rights.operator(*VIEW, SEE_USERS)
    for site in (1, 2):
        adminshop.event(None, shopper=shopper_id(site, user.pk), site=site, query="boots")
    first, second = shown(client, "?q=ada"), shown(client, "?q=ada&site=2")
    assert len(first) == len(second) == 1
    assert first != second


def test_precisely_a_product_a_shopper_or_a_user(rights: Rights) -> None:
    client = rights.operator(*VIEW, SEE_USERS)
    product = adminshop.product()
    user = Customer.objects.create_user(f"{product.pk}@example.com")  # its name holds the key
    ours = adminshop.event(product)
    theirs = adminshop.event(adminshop.product("Lamp"), shopper=shopper_id(1, user.pk))
    assert set(shown(client, f"?q={product.pk}")) == set(keys(ours, theirs))
    assert shown(client, f"?q=product:{product.pk}") == keys(ours)
    assert shown(client, f"?q=shopper:{ours.shopper}") == keys(ours)
    assert shown(client, f"?q=user:{product.pk}") == keys(theirs)
    for nothing in ("product:x", "shopper:x", "user:zzz", "product:", f"product:{ours.shopper}"):
        assert shown(client, f"?q={nothing}") == []


@pytest.mark.parametrize("term", ["nobody", "%00", "'; DROP TABLE", "%", "x" * 4000, "²", "0" * 40])
def test_what_nothing_is_called(rights: Rights, term: str) -> None:
    adminshop.event(adminshop.product())
    found = shown(rights.operator(*VIEW, SEE_USERS), f"?q={term}")
    assert len(found) == (1 if term == "%00" else 0)  # nothing was asked for then


def test_filters(rights: Rights) -> None:
    client = rights.operator(*VIEW)
    product = adminshop.product()
    view = adminshop.event(product)
    bought = adminshop.event(product, kind=EventKind.PURCHASE, source=EventSource.BACKFILL)
    old = adminshop.event(product, occurred_at=timezone.now() - dt.timedelta(days=10))
    assert shown(client, f"?kind__exact={EventKind.PURCHASE.value}") == keys(bought)
    assert shown(client, f"?source__exact={EventSource.BACKFILL.value}") == keys(bought)
    assert str(old.pk) not in shown(client, "?days=7")
    assert set(shown(client, "?days=30")) == set(keys(view, bought, old))
    assert len(shown(client, "?days=nonsense")) == 3


def test_a_product_and_a_user_that_are_gone(rights: Rights) -> None:
    product, user = adminshop.product(), Customer.objects.create_user("ada@example.com")
    row = adminshop.event(product, user_id=user.pk)
    type(product).objects.filter(pk=product.pk).delete()
    user.delete()
    client = rights.operator(*VIEW, SEE_USERS)
    assert shown(client) == keys(row)
    assert client.get(f"{LIST}{row.pk}/change/").status_code == 200


def test_one_row_in_full_leads_to_its_shopper_and_its_product(rights: Rights) -> None:
    row = adminshop.event(
        adminshop.product(), price=12.5, currency="GBP", order="A1", device="tablet"
    )
    client = rights.operator(*VIEW)
    text = client.get(f"{LIST}{row.pk}/change/").content.decode()
    for words in ("12.50 GBP", "A1", "tablet", "view_item", str(row.shopper), str(row.product_id)):
        assert words in text, words
    for link in re.findall(rf'href="({LIST}\?q=[^"]+)"', text):
        assert shown(client, link.removeprefix(LIST).replace("&amp;", "&")) == keys(row)


# --- going through millions ----------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists end after 20 rows, pages after 10."""
    monkeypatch.setattr(paging, "MOST", 20)
    from reco_plugin.admin.interactions import InteractionAdmin

    monkeypatch.setattr(InteractionAdmin, "list_per_page", 10)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("apart", [3_600, 0])
def test_older_rows_are_reached_without_counting_the_newer(rights: Rights, apart: int) -> None:
    """Also where all have one time, as imported orders of a day may."""
    client = rights.operator(*VIEW)
    now = timezone.now()
    rows = [
        adminshop.event(None, occurred_at=now - dt.timedelta(seconds=apart * place))
        for place in range(45)
    ]
    if not apart:
        rows.reverse()  # of one time, the last written comes first
    seen: list[str] = []
    query: str | None = ""
    while query is not None:
        first = client.get(f"{LIST}{query}").content.decode()
        seen += shown(client, query)
        if "20 interactions" not in first and "?p=2" not in first:
            break
        last = f"{query}{'&' if query else '?'}p=2"
        seen += shown(client, last)
        older = re.search(
            r'href="(\?[^"]*before=[^"]+)">Older ones', client.get(f"{LIST}{last}").content.decode()
        )
        query = older.group(1).replace("&amp;", "&") if older else None
    assert seen == keys(*rows)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("before", ["", "nonsense", "2026-13-45"])
def test_a_moment_that_is_none_is_no_moment(rights: Rights, before: str) -> None:
    row = adminshop.event(None)
    assert shown(rights.operator(*VIEW), f"?before={before}") == keys(row)


def test_nothing_is_counted_whole(rights: Rights) -> None:
    adminshop.event(adminshop.product())
    client = rights.operator(*VIEW)
    for query in ("", "?q=boots", "?days=7", "?kind__exact=1", "?_facets=True"):
        with CaptureQueriesContext(
            connection,
        ) as done:
            shown(client, query)
        counts = [one["sql"] for one in done if "COUNT(" in one["sql"]]
        assert all("LIMIT" in sql for sql in counts), counts


@on_postgresql
def test_the_lists_are_read_by_index(rights: Rights) -> None:
    """20,000 events; every way to the list starts from an index of (site, …)."""
    products = [adminshop.product(f"Product {number}") for number in range(40)]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reco_interaction (site, event_id, kind, shopper, product_id, quantity, "
            'currency, "order", query, source, occurred_at, received_at) '
            "SELECT 1, gen_random_uuid(), 1, md5((n %% 2000)::text)::uuid, "
            "(%s::uuid[])[1 + n %% 40], 1, '', '', '', 1, now() - n * interval '1 minute', now() "
            "FROM generate_series(1, 20000) n",
            [[product.pk for product in products]],
        )
        cursor.execute("ANALYZE reco_interaction")
    shopper = Interaction.objects.values_list("shopper", flat=True)[0]
    for query in ("", f"?q={shopper}", f"?q={products[0].pk}", "?days=7"):
        plan = _page(rights, query).explain()
        assert "Seq Scan on reco_interaction" not in plan, (query, plan)


def _page(rights: Rights, query: str) -> object:
    """The queryset of the first page."""
    client = rights.operator(*VIEW)
    response = client.get(f"{LIST}{query}")
    changelist: ChangeList = response.context["cl"]
    return changelist.queryset[:50]


@on_postgresql
def test_what_takes_too_long_is_given_up_in_words(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    adminshop.event(adminshop.product())
    from reco_plugin.admin.sites import SiteChangeList

    def slow(self: SiteChangeList, request: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")

    monkeypatch.setattr(SiteChangeList, "get_results", slow)
    monkeypatch.setattr(
        "reco_plugin.admin.interactions.patiently", lambda database: paging.patiently(database, 50)
    )
    response = rights.operator(*VIEW).get(LIST)
    assert response.status_code == 200
    assert "That took too long" in response.content.decode()


@on_postgresql
def test_the_timeout_before_is_in_force_again() -> None:
    def in_force() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    before = in_force()
    with paging.patiently("default", 1234):
        assert in_force() == "1234ms"
    assert in_force() == before
    with pytest.raises(paging.TookTooLong), paging.patiently("default", 20):
        connection.cursor().execute("SELECT pg_sleep(5)")
    assert in_force() == before
    with pytest.raises(ZeroDivisionError), paging.patiently("default", 1234):
        1 / 0  # noqa: B018
    assert in_force() == before


def test_the_shop_s_rows_are_named_in_two_statements(rights: Rights) -> None:
    client = rights.operator(*VIEW, SEE_USERS)
    costs = []
    for _ in range(2):
        for _ in range(5):
            user = Customer.objects.create_user(f"{uuid.uuid4().hex}@example.com")
            adminshop.event(adminshop.product(), user_id=user.pk)
        with CaptureQueriesContext(connection) as done:
            shown(client)
        costs.append(len(done))
    assert costs[0] == costs[1]


def test_a_request_made_by_hand_has_a_site() -> None:
    from reco_plugin.admin.sites import chosen

    assert chosen(RequestFactory().get("/")) == 1
    assert chosen(RequestFactory().get("/?site=3")) == 3
