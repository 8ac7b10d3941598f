"""Recommendations in an e-mail, and a bundle with one price."""

from __future__ import annotations

import re

import pytest
import servingshop as ss
from django.template import Context, Template
from django.template.loader import render_to_string
from testapp.models import Customer, StockRecord
from testapp.reco import TestCatalog

from reco_plugin import recommend
from reco_plugin.capture import shopper_id, shopper_of
from reco_plugin.models import Impression
from reco_plugin.serving import addresses, pointers
from reco_plugin.serving.addresses import absolute
from reco_plugin.serving.tiles import tiles

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh():
    pointers.forget()
    yield
    pointers.forget()


@pytest.fixture
def shop() -> ss.Shop:
    made = ss.Shop(products=ss.products(12))
    ss.publish(made)
    ss.rank(made, {"": list(range(12))})
    return made


def render(text: str, **context) -> str:
    return Template("{% load reco reco_mail reco_bundle %}" + text).render(Context(context))


# --- who, and where ------------------------------------------------------------------------------


def test_a_user_is_the_same_shopper_without_a_request():
    customer = Customer.objects.create_user("a@example.com")
    assert shopper_of(customer) == shopper_of(customer.pk)
    assert shopper_of(customer).id == shopper_id(1, customer.pk)
    assert shopper_of(customer, site=2).id == shopper_id(2, customer.pk)
    assert shopper_of(customer).user == customer.pk


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("https://shop.example", "/p/1/", "https://shop.example/p/1/"),
        ("https://shop.example/", "/p/1/?a=b#c", "https://shop.example/p/1/?a=b#c"),
        ("https://shop.example/uk", "p/1/", "https://shop.example/uk/p/1/"),
        ("https://shop.example", "//cdn.example/a.png", "//cdn.example/a.png"),
        ("https://shop.example", "http://cdn.example/a.png", "http://cdn.example/a.png"),
        ("https://shop.example", "", ""),
        ("", "/p/1/", "/p/1/"),
    ],
)
def test_addresses_have_the_shop_s_host(settings, base, url, expected):
    settings.RECO_BASE_URL = base
    assert absolute(url) == expected


def test_a_current_site_that_is_not_known_breaks_nothing(settings, monkeypatch):
    settings.RECO_DEBUG_RAISE = False
    monkeypatch.setattr(addresses.apps, "is_installed", lambda name: True)
    assert absolute("/p/1/") == "/p/1/"


# --- the e-mail ----------------------------------------------------------------------------------


def test_an_e_mail_follows_its_reader_and_leads_to_the_shop(shop, settings):
    settings.RECO_BASE_URL = "https://shop.example"
    shop.viewed(5)
    html = render(
        '{% recommend "personal" shopper=shopper limit=3 template="reco/email.html" %}',
        shopper=shop.shopper,
    )
    links = re.findall(r'href="([^"]+)"', html)
    expected = {f"https://shop.example/p/{shop.products[number].pk}/" for number in (4, 5, 6)}
    assert set(links) == expected
    assert html.count("<tr>") == html.count("</tr>") == 3
    assert "<script" not in html
    assert Impression.objects.count() == 0


def test_what_is_sold_out_when_it_is_sent_is_not_in_it(shop):
    shop.viewed(5)
    text = '{% recommend "personal" shopper=shopper limit=3 template="reco/email.txt" %}'
    assert "Thing 4" in render(text, shopper=shop.shopper)
    StockRecord.objects.filter(product=shop.products[4]).update(count=0)
    assert "Thing 4" not in render(text, shopper=shop.shopper)


def test_plain_text_has_no_markup(shop, settings, monkeypatch):
    settings.RECO_BASE_URL = "https://shop.example"
    monkeypatch.setattr(TestCatalog, "title", "blurb")
    for product in shop.products:
        product.blurb = "Salt & <pepper>"
        product.save()
    slate = recommend("popular", limit=2)
    text = render_to_string(
        "reco/email.txt", {"slate": slate, "title": "Ann & Bob", "tiles": tiles(slate, None)}
    )
    assert text.count("* Salt & <pepper>") == 2
    assert "Ann & Bob" in text
    assert "&amp;" not in text
    assert text.count("https://shop.example/p/") == 2


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_row_of_the_table_has_two_cells(shop, count):
    slate = recommend("popular", limit=count)
    values = {"slate": slate, "title": "x", "tiles": tiles(slate, None)}
    html = render_to_string("reco/email.html", values)
    rows = [row for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if "colspan" not in row]
    assert [row.count("<td") for row in rows] == [2] * len(rows)
    assert html.count("href=") == count


# --- the bundle ----------------------------------------------------------------------------------


def test_a_bundle_costs_what_its_parts_cost(shop):
    slate = recommend("popular", limit=2)
    shown = tiles(slate, None)
    assert render("{{ tiles|total_price }}", tiles=shown) == "2.01"
    own = shop.products[7]
    assert render("{{ tiles|total_price:product }}", tiles=shown, product=own) == "3.08"


def test_a_bundle_in_which_one_has_no_price_has_none(shop):
    shown = tiles(recommend("popular", limit=2), None)
    own = shop.products[7]
    own.cents = None
    assert render("{{ tiles|total_price:product }}", tiles=shown, product=own) == "None"
    html = render_to_string("reco/bundle.html", {"title": "x", "tiles": shown, "product": own})
    assert "reco-bundle__total" not in html


def test_the_bundle_s_template_knows_the_page_s_product(shop):
    html = render(
        '{% recommend "similar" product=product limit=2 template="reco/bundle.html" %}',
        product=shop.products[7],
    )
    assert "Together with this product" in html
    total = re.search(r"<strong>([\d.]+)</strong>", html)
    assert float(total[1]) == pytest.approx(1.07 + 1.06 + 1.08)
