"""What shoppers say they like: said in a form without JavaScript, theirs alone, and gone with them."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
import servingshop as ss
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import path
from hypothesis import given, settings
from hypothesis import strategies as st
from testapp.models import Customer, Product
from testapp.reco import TestCatalog
from testapp.urls import urlpatterns as shop_urls

from reco_plugin import clock
from reco_plugin.capture import interests
from reco_plugin.capture.identity import shopper_id
from reco_plugin.capture.lifecycle import state_of
from reco_plugin.capture.merge import merge
from reco_plugin.jobs.erase import erase_user, erase_visitor
from reco_plugin.jobs.retention import retain
from reco_plugin.jobs.sweep import sweep
from reco_plugin.models import ActiveRun, Interest, RankedList, Run, RunStatus, VisitorLink
from reco_plugin.serving import picker
from reco_plugin.types import Shopper

SHOES = ("category", "Women > Shoes")
ACME = ("brand", "Acme")
FORM = "{% load reco_interests %}{% reco_interests limit=4 %}"


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(FORM).render(Context({"request": request})))


urlpatterns = [*shop_urls, path("page/", page)]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


def refuses(request: HttpRequest) -> bool:
    return False


@pytest.fixture(autouse=True)
def _looked_at_anew():
    picker.forget()


@pytest.fixture
def products():
    made = ss.products(4)
    brands, shelves = ["Acme", "Acme", "Best", ""], ["Women > Shoes", "Women > Hats", "Men > Hats"]
    for product, brand, shelf in zip(made, brands, [*shelves, "Men > Hats"], strict=True):
        ss.item(product, brand=brand, categories=[shelf])
    return made


@pytest.fixture
def client() -> Client:
    return Client(headers={"user-agent": ss.AGENT})


def request_of(visitor: uuid.UUID | None = None) -> HttpRequest:
    cookies = {"reco_visitor": str(visitor)} if visitor else {}
    made = RequestFactory(headers={"user-agent": ss.AGENT}).get("/")
    made.COOKIES.update(cookies)
    state_of(made).has_middleware = True
    return made


def liked(shopper: uuid.UUID, site: int = 1) -> list[tuple[str, str]]:
    return list(interests.of(Shopper(id=shopper), site))


# --- declaring -----------------------------------------------------------------------------------


def test_what_is_declared_acts_at_once_and_newest_first():
    guest = uuid.uuid4()
    assert interests.declare(request_of(guest), [SHOES])
    assert interests.declare(request_of(guest), [ACME, SHOES])
    assert liked(guest) == [ACME, SHOES]
    assert liked(guest, site=2) == []


def test_what_was_offered_and_not_ticked_goes_and_the_rest_stays():
    guest = uuid.uuid4()
    interests.declare(request_of(guest), [SHOES, ACME])
    hats = ("category", "Women > Hats")
    interests.choose(request_of(guest), [hats], offered=[hats, SHOES])
    assert set(liked(guest)) == {hats, ACME}


def test_some_or_all_is_taken_back():
    guest = uuid.uuid4()
    interests.declare(request_of(guest), [SHOES, ACME])
    interests.forget(request_of(guest), [SHOES])
    assert liked(guest) == [ACME]
    interests.forget(request_of(guest))
    assert liked(guest) == []


def test_without_consent_nothing_is_kept(settings):
    settings.RECO_CONSENT = f"{__name__}.refuses"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interests, "identify", lambda request: None)
        assert not interests.declare(request_of(uuid.uuid4()), [SHOES])
        assert not interests.forget(request_of(uuid.uuid4()))
    assert not Interest.objects.exists()


def test_only_so_many_and_only_what_can_be_one():
    guest = uuid.uuid4()
    many = [("brand", f"Brand {n}") for n in range(interests.MOST + 5)]
    interests.declare(request_of(guest), many)
    assert len(liked(guest)) == interests.MOST
    odd = [("colour", "red"), ("brand", ""), ("brand", "x" * 256), ("brand", "a\x00b"), ("", "")]
    assert interests.clean([*odd, ("brand", "  Acme   & Co ")]) == [("brand", "Acme & Co")]
    interests.declare(request_of(guest), [ACME])
    assert ACME in liked(guest)
    assert Interest.objects.count() == interests.MOST


def test_a_guest_just_met_costs_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert interests.of(Shopper(id=uuid.uuid4(), is_new=True), 1) == ()
        assert interests.of(None) == ()
    with django_assert_num_queries(1):
        assert interests.of(Shopper(id=uuid.uuid4()), 1) == ()


def test_a_database_that_refuses_does_not_hurt_the_shop(monkeypatch):
    def refuse(*args: object) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr(interests, "_write", refuse)
    assert interests.declare(request_of(uuid.uuid4()), [SHOES])


# --- whose they are ------------------------------------------------------------------------------


def test_a_guests_become_the_users_at_login():
    guest, user = uuid.uuid4(), Customer.objects.create_user("ann@example.com")
    mine = shopper_id(1, user.pk)
    Interest.objects.create(shopper=mine, facet="brand", value="Acme")
    interests.declare(request_of(guest), [SHOES, ACME])
    merge(guest, 1, user.pk)
    assert set(liked(mine)) == {SHOES, ACME}
    assert liked(guest) == []


def test_on_a_shared_device_they_stay_with_the_first_who_logged_in():
    guest = uuid.uuid4()
    merge(guest, 1, "first")
    Interest.objects.create(shopper=guest, facet="brand", value="Acme")
    assert merge(guest, 1, "second") is None
    assert liked(shopper_id(1, "second")) == []


def test_what_comes_late_for_a_guest_goes_to_whom_they_turned_out_to_be():
    guest, user = uuid.uuid4(), Customer.objects.create_user("ann@example.com")
    merge(guest, 1, user.pk)
    interests.declare(request_of(guest), [SHOES])
    assert liked(shopper_id(1, user.pk)) == [SHOES]
    Interest.objects.create(shopper=guest, facet="brand", value="Acme")
    assert sweep(1).merged == 1
    assert set(liked(shopper_id(1, user.pk))) == {SHOES, ACME}
    assert sweep(1).merged == 0


def test_an_erased_shopper_leaves_none_and_their_old_cookie_leaves_none_either():
    guest, other = uuid.uuid4(), uuid.uuid4()
    for shopper in (guest, other):
        interests.declare(request_of(shopper), [SHOES])
    assert erase_visitor(guest, dry_run=True).interests == 1
    assert erase_visitor(guest).interests == 1
    interests.declare(request_of(guest), [ACME])
    assert liked(guest) == []
    assert liked(other) == [SHOES]


def test_a_user_is_erased_with_what_they_like_on_every_site():
    user = Customer.objects.create_user("ann@example.com")
    Interest.objects.create(shopper=shopper_id(1, user.pk), facet="brand", value="Acme")
    guest = uuid.uuid4()
    VisitorLink.objects.create(visitor=guest, site=1, shopper=shopper_id(1, user.pk))
    Interest.objects.create(shopper=guest, site=2, facet="brand", value="Acme")
    assert erase_user(user.pk).interests == 2
    assert not Interest.objects.exists()


def test_what_was_said_before_events_are_kept_goes_too(settings):
    settings.RECO_RETENTION_DAYS = 100
    guest = uuid.uuid4()
    interests.declare(request_of(guest), [SHOES, ACME])
    Interest.objects.filter(facet="brand").update(declared_at=clock.now() - dt.timedelta(days=101))
    assert retain(1, dry_run=True).interests == 1
    assert retain(1).interests == 1
    assert liked(guest) == [SHOES]


# --- the form ------------------------------------------------------------------------------------


def boxes(html: str) -> dict[str, bool]:
    found = re.findall(r'<input type="checkbox" name="interest" value="([^"]*)"( checked)?>', html)
    return {value.replace("&gt;", ">"): bool(checked) for value, checked in found}


def test_the_form_works_as_it_stands(client, products):
    html = client.get("/page/").content.decode()
    shelves = ["Men", "Men > Hats", "Women", "Women > Hats"]  # a fifth is one too many
    assert list(boxes(html)) == [
        *(f"category:{one}" for one in shelves),
        "brand:Acme",
        "brand:Best",
    ]
    assert not any(boxes(html).values())
    assert "<legend>Brands</legend>" in html
    assert "Forget what I like" not in html
    sent = {"interest": ["brand:Acme"], "offered": list(boxes(html)), "next": "/page/?a=1"}
    response = client.post("/reco/interests/", sent)
    assert (response.status_code, response["Location"]) == (302, "/page/?a=1")
    html = client.get("/page/").content.decode()
    assert [key for key, checked in boxes(html).items() if checked] == ["brand:Acme"]
    client.post("/reco/interests/", {"forget": "all", "interest": "brand:Acme", "next": "/page/"})
    assert not any(boxes(client.get("/page/").content.decode()).values())


def test_a_run_says_what_is_sought_after(client, products):
    run = Run.objects.create(kind="brands", trainer="brands", status=RunStatus.PUBLISHED)
    RankedList.objects.create(run=run, keys=["Zeta", "Acme"], scores=[2.0, 1.0])
    ActiveRun.objects.create(kind="brands", run=run)
    found = [key for key in boxes(client.get("/page/").content.decode()) if key[0] == "b"]
    assert found == ["brand:Zeta", "brand:Acme"]


def test_what_was_chosen_stays_in_sight(client, products):
    client.get("/page/")
    client.post("/reco/interests/", {"interest": "brand:<b>Rare</b>"})
    html = client.get("/page/").content.decode()
    assert 'value="brand:&lt;b&gt;Rare&lt;/b&gt;" checked' in html
    assert "<b>Rare" not in html


def test_what_every_product_has_says_nothing(products):
    from reco_plugin.models import Item

    Item.objects.update(brand="Only", categories=["All > Women > Shoes > Boots"])
    assert picker.offers(1) == {"category": [], "brand": []}


def test_the_form_asks_the_database_little(client, products, django_assert_max_num_queries):
    client.get("/page/")
    with django_assert_max_num_queries(3):  # BEGIN, what they like, ROLLBACK at most
        client.get("/page/")


def test_pictures_are_of_products_that_may_be_shown_each_once(products, monkeypatch):
    monkeypatch.setattr(TestCatalog, "image_url", lambda self, product: f"/{product.label}.webp")
    shop = ss.Shop(products=products)
    ss.rank(
        shop,
        {"": [0, 1, 2, 3], "Women": [0, 1], "Women > Shoes": [0], "Men": [3], "brand:Acme": [1, 0]},
    )
    products[3].hidden = True
    products[3].save()
    found = picker.options(request_of(uuid.uuid4()), 12, pictures=True)
    assert found is not None
    images = {option.key: option.image for each in found.values() for option in each}
    assert images["category:Women"] == "/Thing 0.webp"
    assert images["category:Women > Shoes"] == ""  # its only one stands for another
    assert images["category:Men"] == ""  # its only one is hidden
    assert images["brand:Acme"] == "/Thing 1.webp"


def test_a_picture_that_is_lost_costs_nothing_but_itself(products, monkeypatch, caplog):
    def lost(self: TestCatalog, product: Product) -> str:
        if product.label == "Thing 0":
            raise ValueError("no file")
        return f"/{product.label}.webp"

    monkeypatch.setattr(TestCatalog, "image_url", lost)
    ss.rank(ss.Shop(products=products), {"Women": [0, 1], "": [0, 1]})
    found = picker.options(request_of(uuid.uuid4()), 12, pictures=True)
    assert found is not None
    assert {option.image for option in found["category"]} == {"", "/Thing 1.webp"}
    assert "no picture" in caplog.text


def test_without_pictures_none_is_looked_for(products):
    plain = picker.options(request_of(uuid.uuid4()), 12)
    assert plain is not None
    assert not any(option.image for each in plain.values() for option in each)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:x", ""]
)
def test_it_leads_nowhere_else(client, products, elsewhere):
    response = client.post("/reco/interests/", {"interest": "brand:Acme", "next": elsewhere})
    assert response["Location"] == "/"


def test_it_is_asked_by_post_and_by_our_own_pages_only(products, settings):
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware", *settings.MIDDLEWARE]
    client = Client(headers={"user-agent": ss.AGENT}, enforce_csrf_checks=True)
    assert client.get("/reco/interests/").status_code == 405
    assert client.post("/reco/interests/", {"interest": "brand:Acme"}).status_code == 403
    assert not Interest.objects.exists()
    html = client.get("/page/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)
    assert token is not None
    sent = {"interest": "brand:Acme", "csrfmiddlewaretoken": token[1]}
    assert client.post("/reco/interests/", sent).status_code == 302
    assert Interest.objects.get().value == "Acme"


def test_nothing_is_shown_to_whom_may_not_be_recognised(client, products, settings):
    assert "reco-interests" not in Client(headers={"sec-gpc": "1"}).get("/page/").content.decode()
    robot = Client(headers={"user-agent": "Googlebot/2.1"})
    assert robot.get("/page/").content == b""
    settings.RECO_ENABLED = False
    assert client.get("/page/").content == b""
    assert Template(FORM).render(Context({})) == ""


def test_a_failure_leaves_the_page_without_it(client, products, monkeypatch, caplog):
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(picker, "options", fail)
    assert client.get("/page/").content == b""
    assert "{% reco_interests %} failed" in caplog.text


def test_no_script_and_no_inline_style(client, products):
    html = client.get("/page/").content.decode()
    assert not re.search(r"<script|style=|\son\w+=|javascript:", html)
    assert len(re.findall(r"<label", html)) == len(boxes(html))


# --- whatever is said ----------------------------------------------------------------------------

SAID = st.tuples(
    st.sampled_from(["category", "brand", "colour"]), st.sampled_from([*"ABCDE", "", "x" * 300])
)
STEP = st.tuples(st.sampled_from(["choose", "forget"]), st.lists(SAID, max_size=6), st.booleans())


@settings(max_examples=15, deadline=None)
@given(st.lists(STEP, max_size=6))
def test_what_is_kept_is_what_was_said_last(steps):
    guest, expected = uuid.uuid4(), set()
    for verb, said, is_all in steps:
        sound = {(facet, value) for facet, value in said if facet != "colour" and len(value) == 1}
        if verb == "forget":
            interests.forget(request_of(guest), None if is_all else said)
            expected = set() if is_all else expected - sound
        else:
            interests.choose(request_of(guest), said, [("brand", "A")])
            expected = (expected - {("brand", "A")}) | sound
        assert set(liked(guest)) == expected
