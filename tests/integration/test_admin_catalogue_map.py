"""The map of the catalogue in the admin: drawn from the job's places, zoomed by links, with a table twin."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import visualshop
from adminshop import MARKUP, Rights
from django.test import Client
from testapp.models import Product

from reco_plugin.catalog import Catalog
from reco_plugin.jobs.running.execute import execute
from reco_plugin.models import Item

pytestmark = pytest.mark.django_db
PAGE = "/admin/reco/picture/map/"


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    monkeypatch.setattr(Catalog, "image_url", lambda _, product: f"/media/{product.label}.png")
    return Rights.in_force(monkeypatch)


@pytest.fixture
def operator(rights: Rights) -> Client:
    return rights.operator("reco.view_picture", "reco.view_item")


def told(client: Client, path: str = PAGE) -> str:
    response = client.get(path)
    assert response.status_code == 200
    text: str = response.content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\bsrc=)", text)
    return text


def drawing(text: str) -> ET.Element:
    found = re.search(r'<svg class="reco-map".*?</svg>', text, re.DOTALL)
    assert found is not None
    return ET.fromstring(found[0])


def mapped(count: int = 12) -> list[Product]:
    shown = visualshop.products(count)
    visualshop.publish(shown, visualshop.groups(count // 4, 4))
    assert not execute("catalogue_map", 1).error
    return shown


def test_without_a_run_it_says_what_is_missing(operator: Client) -> None:
    assert "No run that knows pictures is live yet." in told(operator)
    visualshop.publish(visualshop.products(4), visualshop.groups(1, 4))
    assert "The map is not drawn yet." in told(operator)


def test_every_product_is_in_the_drawing_and_in_the_table(operator: Client) -> None:
    shown = mapped()
    text = told(operator)
    pictures = {each.get("href") for each in drawing(text).iter("image")}
    titles = {each.text for each in drawing(text).iter("title")}
    listed = set(re.findall(r'/admin/reco/item/([^/"]+)/change/', text))
    others = sum(int(n) for n in re.findall(r'<td class="reco-number">(\d+)</td></tr>', text))
    assert len(pictures) == len(listed) >= 3
    assert len(listed) + others == len(shown)
    assert pictures <= {f"/media/{one.label}.png" for one in shown}
    assert titles >= {one.label for one in shown if str(one.pk) in listed}


def test_zooming_in_shows_a_quarter_and_leads_back(operator: Client) -> None:
    shown = mapped()
    links = re.findall(r'href="\?(part=1-\d-\d)"', told(operator))
    assert len(links) == 4
    seen = set()
    for link in links:
        text = told(operator, f"{PAGE}?{link}")
        assert "Zoom out" in text
        seen |= set(re.findall(r'/admin/reco/item/([^/"]+)/change/', text))
    assert seen <= {str(one.pk) for one in shown}
    assert len(seen) >= 4
    assert "This is as near as it gets." in told(operator, f"{PAGE}?part=4-15-15") or (
        "No product lies in this part" in told(operator, f"{PAGE}?part=4-15-15")
    )


def test_a_product_that_is_gone_is_left_out(operator: Client) -> None:
    first, *_ = mapped(4)
    Product.objects.filter(pk=first.pk).delete()
    assert str(first.pk) not in told(operator)


def test_what_comes_from_the_shop_is_no_markup(operator: Client) -> None:
    shown = mapped(4)
    Product.objects.update(label=MARKUP)
    Item.objects.update(title=MARKUP)
    text = told(operator)
    assert MARKUP not in text
    assert any(each.text == MARKUP for each in drawing(text).iter("title"))
    assert shown


def test_a_storage_that_fails_costs_the_picture_only(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise OSError("no answer")

    monkeypatch.setattr(Catalog, "image_url", broken)
    mapped(4)
    found = drawing(told(operator))
    assert not list(found.iter("image"))
    assert list(found.iter("rect"))


def test_it_is_for_whom_may_see_pictures(rights: Rights) -> None:
    assert rights.operator("reco.view_item").get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
    mapped(4)
    assert "/admin/reco/item/" not in told(rights.operator("reco.view_picture"))
