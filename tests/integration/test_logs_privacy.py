"""The whole line with every record kept, from the first page to erasure, well and broken: nobody is in it."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator

import pytest
import servingshop
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client
from django.urls import include, path
from testapp.models import Customer, Line, Order, Product

from reco_plugin import breaker, recommend, signals, track
from reco_plugin.capture import background, drops
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.schedule import specs
from reco_plugin.models import Click, Impression, Interaction
from reco_plugin.types import EventKind

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

EMAIL, ADDRESS = "ann.onymous@example.com", "203.0.113.77"
PAGE = (
    '{% load reco %}{% recommend "personal" placement="home" limit=3 %}'
    '{% recommend "popular" placement="foot" limit=3 %}'
)


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def product(request: HttpRequest) -> HttpResponse:
    found = Product.objects.get(pk=request.GET["key"])
    signals.product_viewed.send(Product, request=request, product=found)
    signals.search_performed.send(None, request=request, query=f"boots for {EMAIL}")
    signals.basket_item_added.send(Product, request=request, product=found, quantity=2)
    return HttpResponse(found.label)


def buy(request: HttpRequest) -> HttpResponse:
    customer = request.user if request.user.is_authenticated else None
    order = Order.objects.create(number=uuid.uuid4().hex[:12], customer=customer, state="paid")
    Line.objects.create(order=order, product_id=request.GET["key"], unit_cents=100)
    signals.order_completed.send(Order, order=order, request=request)
    return HttpResponse("thanks")


def mistakes(request: HttpRequest) -> HttpResponse:
    track(request, "no_such_event", request.GET["key"])
    track(request, "view_item", "no key")
    track(request, "purchase", request.GET["key"], price="many", quantity=10**12)
    return HttpResponse("oops")


urlpatterns = [
    path("", home),
    path("product/", product),
    path("buy/", buy),
    path("mistakes/", mistakes),
    path("reco/", include("reco_plugin.urls")),
]


class Kept(logging.Handler):
    """Every record as text, with all it carries."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        carried = {key: str(value) for key, value in vars(record).items() if key != "exc_info"}
        self.told.append(f"{self.format(record)} {json.dumps(carried)}")


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, ours = Kept(), logging.getLogger("reco_plugin")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield handler
    ours.removeHandler(handler)
    ours.setLevel(level)


@pytest.fixture
def shop() -> servingshop.Shop:
    made = servingshop.Shop(products=servingshop.products(6))
    servingshop.publish(made)
    servingshop.rank(made, {"": [0, 1, 2, 3]})
    return made


class Person:
    """A customer with an account, in a browser."""

    def __init__(self) -> None:
        self.user = Customer.objects.create_user(EMAIL, "secret")
        self.client = Client(headers={"user-agent": servingshop.AGENT}, REMOTE_ADDR=ADDRESS)
        self.key = str(self.user.pk)
        self.cookies: set[str] = set()

    def walk(self, shop: servingshop.Shop) -> None:
        """As a guest, then logged in: pages, a click, an order, some mistakes."""
        key = {"key": str(shop.products[1].pk)}
        for address in ("/", "/product/", "/mistakes/"):
            self.get(address, key)
        self.client.force_login(self.user)
        for address in ("/", "/product/", "/buy/", "/mistakes/"):
            self.get(address, key)
        for link in self.links():
            self.get(link, {})
        self.client.logout()
        self.get("/", {})

    def get(self, address: str, data: dict[str, str]) -> HttpResponse:
        self.page = self.client.get(address, data)
        self.cookies |= {morsel.value for morsel in self.client.cookies.values()} - {""}
        return self.page

    def links(self) -> list[str]:
        html = self.get("/", {}).content.decode()
        return [part.split('"')[0] for part in html.split('href="') if part.startswith("/reco/")][
            :2
        ]

    @property
    def traces(self) -> set[str]:
        """What must be in no record."""
        shoppers = set(Interaction.objects.values_list("shopper", flat=True))
        own = {EMAIL, "ann.onymous", ADDRESS, self.key, servingshop.AGENT}
        return own | self.cookies | {str(each) for each in shoppers}


def nobody_in(kept: Kept, person: Person, earlier: frozenset[str] = frozenset()) -> None:
    text = "\n".join(kept.told)
    assert [trace for trace in person.traces | earlier if trace in text] == []


def test_all_is_well(kept, shop) -> None:
    person = Person()
    person.walk(shop)
    assert {row.kind for row in Interaction.objects.all()} >= {
        EventKind.VIEW_ITEM,
        EventKind.SEARCH,
        EventKind.ADD_TO_CART,
        EventKind.PURCHASE,
    }
    assert Impression.objects.exists()
    assert Click.objects.exists()
    assert len(person.traces) > 6
    for name in specs():
        if name != "train":
            execute(name)
    earlier = frozenset(person.traces)
    call_command("reco_train", "--kind", "popular", verbosity=0)
    person.user.delete()
    execute("sweep")
    nobody_in(kept, person, earlier)


def test_nothing_is_well(kept, shop, settings) -> None:
    person = Person()
    person.walk(shop)
    if connection.vendor == "postgresql":
        break_tables()
    settings.RECO_CART = f"{__name__}.no_such_callable"
    settings.RECO_DEBUG_RAISE = False
    try:
        person.walk(shop)
        recommend("similar", product=EMAIL)
        earlier = frozenset(person.traces)
        person.user.delete()
        shop.products[1].delete()
        background.join(10)
        for name in ("sync_orders", "popular", "rollup", "sweep"):
            execute(name)
        drops.flush()
    finally:
        if connection.vendor == "postgresql":
            mend_tables()
        breaker.reset()
    assert any('"levelname": "WARNING"' in each for each in kept.told)
    nobody_in(kept, person, earlier)


REFUSE = """
CREATE OR REPLACE FUNCTION reco_test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'refused' USING ERRCODE = '23514', DETAIL = 'Failing row contains ' ||
coalesce(NEW::text, OLD::text);
END $$
"""
TRIGGER = """
CREATE TRIGGER reco_test_refuse BEFORE INSERT OR UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION reco_test_refuse()
"""


def break_tables() -> None:
    """From now on each row is refused, and quoted, as by a constraint."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
        for table in ("reco_interaction", "reco_visitor_link"):
            cursor.execute(TRIGGER.format(table=table))


def mend_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION reco_test_refuse CASCADE")
