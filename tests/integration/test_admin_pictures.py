"""Which pictures can be looked at, which cannot and why, and how they come out of quarantine."""

from __future__ import annotations

from typing import Any

import pytest
import visualshop
from adminshop import MARKUP, VIEW, Rights
from django.contrib.admin.models import LogEntry
from django.test import Client
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin import backends
from reco_plugin.admin.pictures import REASONS
from reco_plugin.encoders.base import Fault
from reco_plugin.models import Picture, PictureState

pytestmark = pytest.mark.django_db
LIST = "/admin/reco/picture/"
RELEASE = ("reco.view_picture", "reco.release_picture")


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def operator(rights: Rights) -> Client:
    return rights.operator(*RELEASE)


@pytest.fixture
def boots() -> Product:
    return visualshop.products(1)[0]


def picture(of: Product, name: str = "a.jpg", **changes: Any) -> Picture:
    return Picture.objects.create(product_id=of.pk, name=name, **changes)


def held(of: Product, name: str = "a.jpg", **changes: Any) -> Picture:
    values = {
        "state": PictureState.QUARANTINED, "reason": "bomb", "strikes": 3, "marker": "1:2",
        "words": "It claims 30,000x30,000 pixels.",
    }  # fmt: skip
    return picture(of, name, **{**values, **changes})


def text(client: Client, query: str = "") -> str:
    response = client.get(f"{LIST}{query}")
    assert response.status_code == 200
    return response.content.decode()


def let_out(client: Client, *rows: Picture) -> str:
    chosen = {"action": "let_out", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, chosen, follow=True).content.decode()


def test_every_fault_has_words_for_people() -> None:
    assert set(REASONS) == {str(fault) for fault in Fault}


def test_the_list_tells_what_is_wrong(operator: Client, boots: Product) -> None:
    held(boots)
    picture(boots, "b.jpg", position=2, state=PictureState.READABLE)
    page = text(operator)
    assert boots.label in page
    assert "Too many pixels" in page
    assert "It claims 30,000x30,000 pixels." in page
    assert "Main" in page
    assert "Gallery 2" in page


def test_the_product_is_shown_by_its_own_address(
    operator: Client, boots: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithImages(TestCatalog):
        def image_url(self, product: Any) -> str:
            return f"/media/{product.pk}.jpg"

    monkeypatch.setattr(backends, "catalog", WithImages)
    held(boots)
    assert f'src="/media/{boots.pk}.jpg"' in text(operator)


def test_a_product_that_is_gone_has_a_row_still(operator: Client, boots: Product) -> None:
    held(boots)
    boots.delete()
    assert "No longer in the shop" in text(operator)


def test_they_are_found_by_product_and_by_file(operator: Client) -> None:
    first, second = visualshop.products(2)
    held(first, "shoes/red.jpg")
    held(second, "lamps/blue.jpg")
    assert "red.jpg" in text(operator, f"?q={first.pk}")
    assert "blue.jpg" not in text(operator, f"?q={first.pk}")
    assert "red.jpg" not in text(operator, "?q=lamps/")
    assert "blue.jpg" in text(operator, f"?q={second.label.replace(' ', '+')}")


def test_they_are_filtered_by_state_and_reason(operator: Client, boots: Product) -> None:
    held(boots, "bomb.jpg")
    held(boots, "gone.jpg", reason="missing")
    picture(boots, "good.jpg", state=PictureState.READABLE)
    page = text(operator, "?state__exact=quarantined")
    assert "bomb.jpg" in page
    assert "good.jpg" not in page
    page = text(operator, "?reason=missing")
    assert "gone.jpg" in page
    assert "bomb.jpg" not in page
    assert "Empty file" not in page  # only what there is, is offered
    assert operator.get(f"{LIST}?reason=nonsense").status_code == 200


def test_a_page_costs_the_same_for_many(
    operator: Client, django_assert_max_num_queries: Any
) -> None:
    for number, product in enumerate(visualshop.products(6)):
        held(product, f"{number}.jpg")
    with django_assert_max_num_queries(14):
        text(operator)


def test_let_out_and_written_down(operator: Client, boots: Product) -> None:
    rows = held(boots), held(boots, "b.jpg")
    readable = picture(boots, "c.jpg", state=PictureState.READABLE, marker="3:4")
    assert "2 pictures are tried again" in let_out(operator, *rows, readable)
    for row in rows:
        row.refresh_from_db()
        assert (row.state, row.strikes, row.marker, row.reason) == ("waiting", 0, "", "")
    readable.refresh_from_db()
    assert (readable.state, readable.marker) == ("readable", "3:4")
    entries = LogEntry.objects.order_by("object_id")
    assert {entry.object_id for entry in entries} == {str(row.pk) for row in rows}
    assert "Let out of quarantine" in str(entries[0].change_message)


def test_nothing_to_let_out_is_said(operator: Client, boots: Product) -> None:
    row = picture(boots, state=PictureState.REFUSED, reason="format")
    assert "None of them is in quarantine" in let_out(operator, row)
    assert not LogEntry.objects.exists()


def test_nobody_lets_out_without_the_right(rights: Rights, boots: Product) -> None:
    row = held(boots)
    client = rights.operator("reco.view_picture")
    assert "let_out" not in text(client)
    let_out(client, row)
    row.refresh_from_db()
    assert row.state == PictureState.QUARANTINED


def test_looking_changes_nothing(operator: Client, boots: Product) -> None:
    row = held(boots)
    operator.get(LIST, {"action": "let_out", "_selected_action": row.pk})
    row.refresh_from_db()
    assert row.state == PictureState.QUARANTINED


def test_one_picture_tells_all(operator: Client, boots: Product) -> None:
    row = held(boots)
    page = operator.get(f"{LIST}{row.pk}/change/").content.decode()
    assert "It claims 30,000x30,000 pixels." in page
    assert "a.jpg" in page


@pytest.mark.parametrize("query", ["", "?q=x", "?state__exact=quarantined"])
def test_without_the_right_to_see_there_is_nothing(rights: Rights, query: str) -> None:
    assert (
        rights.operator(*[name for name in VIEW if "picture" not in name])
        .get(f"{LIST}{query}")
        .status_code
        == 403
    )


def test_what_a_shop_calls_things_is_text(operator: Client, boots: Product) -> None:
    Product.objects.filter(pk=boots.pk).update(label=MARKUP)
    held(boots, f"{MARKUP}.jpg", words=MARKUP)
    assert MARKUP not in text(operator)
