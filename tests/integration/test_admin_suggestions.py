"""A merchandiser accepts what pictures suggest, and it stands in the shop's product; or declines it."""

from __future__ import annotations

from typing import Any

import pytest
import visualshop
from adminshop import MARKUP, VIEW, Rights
from django.contrib.admin.models import LogEntry
from django.test import Client
from testapp.models import Category, Product

from reco_plugin import backends
from reco_plugin.models import Suggestion

pytestmark = pytest.mark.django_db
LIST = "/admin/reco/suggestion/"
DECIDE = ("reco.view_suggestion", "reco.decide_suggestion")


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def merchandiser(rights: Rights) -> Client:
    return rights.operator(*DECIDE)


@pytest.fixture
def boots() -> Product:
    return visualshop.products(1)[0]


def suggestion(
    of: Product, field: str = "brand", value: str = "Acme", **changes: Any
) -> Suggestion:
    values = {"confidence": 0.9, **changes}
    return Suggestion.objects.create(product_id=of.pk, field=field, value=value, **values)


def act(client: Client, action: str, *rows: Suggestion) -> str:
    """The page after the action, with its messages."""
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(f"{LIST}?state=all", chosen, follow=True).content.decode()


def state(row: Suggestion) -> str:
    row.refresh_from_db()
    return row.state


def test_what_is_accepted_stands_in_the_product(merchandiser: Client, boots: Product) -> None:
    row = suggestion(boots)
    assert "1 product was changed." in act(merchandiser, "accept", row)
    boots.refresh_from_db()
    assert (boots.maker, state(row)) == ("Acme", "accepted")
    assert row.decided_at is not None
    assert "Accepted: brand: Acme" in LogEntry.objects.get().change_message


def test_a_category_is_put_on_its_shelf(merchandiser: Client, boots: Product) -> None:
    shelf = Category.objects.create(label="Boots", parent=Category.objects.create(label="Women"))
    act(merchandiser, "accept", suggestion(boots, "category", "Women > Boots"))
    assert [*boots.shelves.all()] == [shelf]


def test_what_is_declined_changes_nothing(merchandiser: Client, boots: Product) -> None:
    row = suggestion(boots)
    assert "1 suggestion was declined." in act(merchandiser, "decline", row)
    boots.refresh_from_db()
    assert (boots.maker, state(row)) == ("", "declined")
    act(merchandiser, "accept", row)
    assert state(row) == "declined"


def test_a_fact_filled_in_meanwhile_stays(merchandiser: Client, boots: Product) -> None:
    row = suggestion(boots)
    Product.objects.filter(pk=boots.pk).update(maker="Other")
    text = act(merchandiser, "accept", row)
    assert "maker is &#x27;Other&#x27; already." in text
    boots.refresh_from_db()
    assert (boots.maker, state(row)) == ("Other", "open")


def test_one_that_cannot_be_written_keeps_no_other_from_it(merchandiser: Client) -> None:
    one, two = visualshop.products(2)
    rows = suggestion(one, "nowhere"), suggestion(two)
    text = act(merchandiser, "accept", *rows)
    assert "override Catalog.apply_suggestion()" in text
    assert "1 product was changed." in text
    assert [state(row) for row in rows] == ["open", "accepted"]


def test_what_the_shop_refuses_is_told(
    merchandiser: Client, boots: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.exceptions import ValidationError

    def refuse(*_: object) -> None:
        raise ValidationError("Brands are for buyers to fill in.")

    monkeypatch.setattr(type(backends.catalog()), "apply_suggestion", refuse)
    row = suggestion(boots)
    assert "Brands are for buyers to fill in." in act(merchandiser, "accept", row)
    assert state(row) == "open"


def test_many_refusals_are_counted(merchandiser: Client, boots: Product) -> None:
    rows = [suggestion(boots, f"nowhere-{number}") for number in range(8)]
    text = act(merchandiser, "accept", *rows)
    assert text.count("override Catalog") == 5
    assert "and 3 more could not be written." in text


def test_a_product_that_is_gone(merchandiser: Client, boots: Product) -> None:
    row = suggestion(boots)
    Product.objects.filter(pk=boots.pk).delete()
    assert "The product is gone." in act(merchandiser, "accept", row)
    assert "No longer in the shop" in merchandiser.get(LIST).content.decode()


def test_whoever_may_only_look_decides_nothing(rights: Rights, boots: Product) -> None:
    row = suggestion(boots)
    client = rights.operator("reco.view_suggestion")
    assert "Accept: write" not in client.get(LIST).content.decode()
    act(client, "accept", row)
    act(client, "decline", row)
    assert state(row) == "open"
    assert rights.operator("reco.view_run").get(LIST).status_code == 403
    assert Client().post(LIST, {"action": "accept"}).status_code == 302


def test_open_ones_are_listed_the_surest_first(merchandiser: Client) -> None:
    one, two, three = visualshop.products(3)
    suggestion(one, value="Maybe", confidence=0.61)
    suggestion(two, value="Surely", confidence=0.97)
    suggestion(three, value="Long ago", state="accepted")
    text = merchandiser.get(LIST).content.decode()
    assert text.index("Surely") < text.index("Maybe")
    assert "97 %" in text
    assert "Long ago" not in text
    assert "Long ago" in merchandiser.get(f"{LIST}?state=accepted").content.decode()
    assert "Maybe" not in merchandiser.get(f"{LIST}?q={two.pk}").content.decode()


def test_what_comes_from_the_shop_is_no_markup(rights: Rights, boots: Product) -> None:
    row = suggestion(boots, value=MARKUP)
    client = rights.operator(*VIEW, *DECIDE)
    for path in (LIST, f"{LIST}{row.pk}/change/"):
        assert MARKUP not in client.get(path).content.decode()


def test_a_page_of_many_costs_no_statement_for_each(
    merchandiser: Client, django_assert_max_num_queries: Any
) -> None:
    for one in visualshop.products(30):
        suggestion(one)
    with django_assert_max_num_queries(16):
        merchandiser.get(LIST)
