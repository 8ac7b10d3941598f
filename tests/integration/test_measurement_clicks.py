"""Impressions and clicks: whose count, and how often."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
import servingshop as ss
from django.core import signing
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, path, reverse
from testapp.models import Customer
from testapp.reco import TestCatalog
from testapp.urls import urlpatterns as shop_urls

from reco_plugin import measurement
from reco_plugin.capture import background
from reco_plugin.measurement import clicks
from reco_plugin.models import Click, Impression, Interaction
from reco_plugin.serving import pointers, recommend
from reco_plugin.signals import recommendation_clicked
from reco_plugin.types import EventKind, Rung, Slate, SlateItem


def show(request):
    from django.http import HttpResponse

    slate = recommend("popular", request=request, limit=3, placement="home")
    return HttpResponse(str(len(slate)))


on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="time limits are PostgreSQL's"
)
urlpatterns = [*shop_urls, path("show/", show)]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    yield
    pointers.forget()


@pytest.fixture
def shop() -> ss.Shop:
    made = ss.Shop(products=ss.products(5))
    ss.rank(made, {"": [0, 1, 2, 3]})
    return made


@pytest.fixture
def person() -> Client:
    return Client(headers={"user-agent": ss.AGENT})


def slate_of(shop: ss.Shop) -> Slate:
    tile = SlateItem(
        product=shop.products[2],
        key=shop.products[2].pk,
        position=1,
        score=1.0,
        source="popular",
        rung=Rung.POPULAR,
    )
    return Slate(
        id=uuid.uuid4(), placement="home", kind="popular", items=(tile,), rung=Rung.POPULAR
    )


def link(slate: Slate) -> str:
    return reverse("reco:click", args=[measurement.click_token(slate, slate.items[0])])


# --- impressions ---------------------------------------------------------------------------------


def test_a_slate_shown_to_a_person_is_recorded_whole(shop, person):
    person.get("/show/")
    rows = list(Impression.objects.order_by("position"))
    assert [row.position for row in rows] == [0, 1, 2]
    assert [row.product_id for row in rows] == [each.pk for each in shop.products[:3]]
    assert {row.placement for row in rows} == {"home"}
    assert {(row.source, row.rung, row.run) for row in rows} == {
        ("popular", "popular", shop.popular.pk)
    }
    assert len({row.slate for row in rows}) == 1


def test_impressions_are_one_insert(shop):
    slate = recommend("popular", limit=4)
    with CaptureQueriesContext(connection) as captured:
        measurement.record_impressions(slate)
    assert [query["sql"][:6] for query in captured if "INSERT" in query["sql"]] == ["INSERT"]


@pytest.mark.parametrize(
    "headers",
    [{"user-agent": "Googlebot/2.1"}, {"user-agent": ss.AGENT, "sec-purpose": "prefetch"}],
)
def test_robots_and_previews_leave_none(shop, headers):
    assert Client(headers=headers).get("/show/").content == b"3"
    assert not Impression.objects.exists()


def test_staff_leave_none(shop, person):
    person.force_login(Customer.objects.create(email="a@example.com", is_staff=True))
    person.get("/show/")
    assert not Impression.objects.exists()


def test_nothing_is_recorded_without_consent_or_when_told_not_to(shop, person, settings):
    settings.RECO_CONSENT = f"{__name__}.refuse"
    person.get("/show/")
    settings.RECO_CONSENT = ""
    settings.RECO_RECORD_IMPRESSIONS = False
    person.get("/show/")
    recommend("popular", request=ss.request(), record=False)
    assert not Impression.objects.exists()


def refuse(request):
    return False


def test_impressions_that_cannot_be_written_hurt_nobody(shop, person, monkeypatch, caplog):
    def broken(slate):
        raise RuntimeError("full")

    monkeypatch.setattr(measurement, "record_impressions", broken)
    assert person.get("/show/").content == b"3"
    assert "3 impressions could not be written: RuntimeError" in caplog.text


def test_impressions_that_cannot_be_written_leave_the_shops_transaction_usable(shop):
    slate = slate_of(shop)
    bad = replace(slate, items=(replace(slate.items[0], position=-1),))
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            measurement.record_impressions(bad)
        assert Customer.objects.count() == 0


# --- clicks --------------------------------------------------------------------------------------


def test_a_click_counts_once_and_leads_on(shop, person):
    slate = slate_of(shop)
    heard = []

    def listen(sender, click, request, **kwargs):
        heard.append(click)

    recommendation_clicked.connect(listen)
    try:
        for _ in range(3):
            response = person.get(link(slate))
            assert response.status_code == 302
            assert response["Location"] == f"/p/{shop.products[2].pk}/"
    finally:
        recommendation_clicked.disconnect(listen)
    click = Click.objects.get()
    assert (click.slate, click.position, click.product_id) == (slate.id, 1, shop.products[2].pk)
    assert heard == [click]
    assert Interaction.objects.filter(kind=EventKind.SELECT_ITEM).count() == 1
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in response["Cache-Control"]


def test_a_product_without_an_address_is_not_found(shop, person, monkeypatch, settings):
    def unknown(self, product):
        raise NoReverseMatch("no such page")

    monkeypatch.setattr(TestCatalog, "url", unknown, raising=False)
    assert person.get(link(slate_of(shop))).status_code == 404
    assert not Click.objects.exists()
    settings.RECO_DEBUG_RAISE = True
    with pytest.raises(NoReverseMatch):
        person.get(link(slate_of(shop)))


@on_postgresql
def test_who_listens_to_clicks_is_not_under_our_time_limit(shop, person, settings):
    settings.RECO_WRITE_TIMEOUT_MS = 50
    heard = []

    def listen(sender, click, request, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            heard.extend(cursor.fetchone())

    recommendation_clicked.connect(listen)
    try:
        person.get(link(slate_of(shop)))
        assert background.join(5)
    finally:
        recommendation_clicked.disconnect(listen)
    assert heard == ["0"]


@pytest.mark.parametrize("method", ["robot", "head", "prefetch"])
def test_robots_head_and_prefetch_lead_on_but_do_not_count(shop, person, method):
    url = link(slate_of(shop))
    if method == "robot":
        response = Client(headers={"user-agent": "Googlebot/2.1"}).get(url)
    elif method == "head":
        response = person.head(url)
    else:
        response = person.get(url, headers={"sec-purpose": "prefetch"})
    assert response.status_code == 302
    assert not Click.objects.exists()


def test_an_old_link_leads_on_but_does_not_count(shop, person, monkeypatch):
    url = link(slate_of(shop))
    monkeypatch.setattr(clicks, "COUNTS_FOR", -120)
    assert person.get(url).status_code == 302
    assert not Click.objects.exists()


def test_a_product_that_is_gone_is_not_found(shop, person):
    url = link(slate_of(shop))
    shop.products[2].delete()
    assert person.get(url).status_code == 404


@pytest.mark.parametrize("change", ["tampered", "other salt", "garbage", "other shape"])
def test_links_that_are_not_ours_are_not_found(shop, person, change):
    token = {
        "tampered": measurement.click_token(slate_of(shop), slate_of(shop).items[0])[:-1] + "-",
        "other salt": signing.dumps(["https://evil.example"], salt="other"),
        "garbage": "x",
        "other shape": signing.Signer(salt=clicks.SALT).sign_object({"url": "https://evil"}),
    }[change]
    assert person.get(reverse("reco:click", args=[token])).status_code == 404
    assert not Click.objects.exists()


def test_a_click_leads_on_even_when_it_cannot_be_written(shop, person, monkeypatch):
    def broken(*args):
        raise RuntimeError("full")

    monkeypatch.setattr(measurement, "record_click", broken)
    assert person.get(link(slate_of(shop))).status_code == 302


def test_posting_a_click_is_refused(shop, person):
    assert person.post(link(slate_of(shop))).status_code == 405


def test_a_token_reads_back():
    slate = Slate(
        id=uuid.uuid4(), placement="a:b/c", kind="personal", items=(), rung=Rung.NOTHING, site=7
    )
    tile = SlateItem(
        product=None, key="k:é/1", position=3, score=0.0, source="x", rung=Rung.PERSONAL
    )
    said = measurement.read_token(measurement.click_token(slate, tile))
    assert said is not None
    assert (said.slate, said.placement, said.key, said.position, said.site) == (
        slate.id, "a:b/c", "k:é/1", 3, 7,
    )  # fmt: skip
    assert said.counts
