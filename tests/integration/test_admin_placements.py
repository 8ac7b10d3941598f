"""Merchandisers change what stands where: in plain controls, with what is wrong said in words."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any

import adminshop
import pytest
import servingshop as ss
from adminshop import Rights
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from testapp.models import Customer

from reco_plugin import placements
from reco_plugin.admin.placement_form import NAMES, OP_NAMES
from reco_plugin.capture.identity import shopper_id
from reco_plugin.models import Impression, Interaction, ManualLink, Placement
from reco_plugin.placements import BY_SLUG
from reco_plugin.placements.conditions import OPS
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.types import EventKind, Shopper

pytestmark = pytest.mark.django_db
ALL = tuple(f"reco.{verb}_placement" for verb in ("view", "add", "change", "delete"))
LIST = "/admin/reco/placement/"


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> Rights:
    return Rights.in_force(monkeypatch)


@pytest.fixture
def merchandiser(rights: Rights) -> Client:
    return rights.operator(*ALL)


@pytest.fixture
def preset() -> Placement:
    return Placement.objects.get(slug="product_similar", site=1)


@pytest.fixture
def mine() -> Placement:
    return Placement.objects.create(slug="mine", page="home", kinds=["popular"])


def form(**changes: Any) -> dict[str, Any]:
    """What the browser sends for a sound placement."""
    return {
        "slug": "mine",
        "page": "product",
        "order": "5",
        "title": "",
        "is_active": "on",
        "kinds-0-kind": "similar",
        "kinds-0-weight": "",
        "fallback-0-kind": "popular",
        "filters-0-field": "",
        "caps-0-field": "",
        "min_items": "1",
        "max_items": "8",
        "must_match": "",
        "must_differ": "",
        "diversity": "0",
        "rotate_after": "0",
        "explore": "0",
    } | changes


def of(row: Placement, page: str = "change") -> str:
    return f"{LIST}{row.pk}/{page}/"


def text(response: HttpResponse) -> str:
    return unescape(response.content.decode())


# --- the list ------------------------------------------------------------------------------------


def test_the_list_tells_what_stands_where(merchandiser: Client, mine: Placement) -> None:
    Placement.objects.filter(slug="home_new").update(title="Fresh", is_active=False)
    Placement.objects.filter(slug="home_trending").update(min_items=90)
    said = text(merchandiser.get(LIST))
    for words in ("your own", "as it came", "changed", "cannot be used", "draft", "more like this"):
        assert words in said, words


def test_a_list_of_broken_rows_is_a_list(merchandiser: Client) -> None:
    Placement.objects.update(kinds=7, filters={"a": 1}, caps=[], must_match="x", fallback=3)
    assert "cannot be used" in text(merchandiser.get(LIST))
    row = Placement.objects.first()
    assert row is not None
    said = text(merchandiser.get(of(row)))
    assert "This placement cannot be used as it is saved:" in said
    assert "It would show nothing" not in text(merchandiser.get(of(row, "preview")))


def test_only_the_rows_of_the_site_that_is_looked_at(merchandiser: Client) -> None:
    Placement.objects.create(slug="theirs", site=2, kinds=["popular"])
    assert "theirs" not in text(merchandiser.get(LIST))
    assert "theirs" in text(merchandiser.get(LIST + "?site=2"))


@pytest.mark.parametrize(("verb", "becomes"), [("switch_on", True), ("switch_off", False)])
def test_switching_is_a_post_and_is_written_down(
    merchandiser: Client, mine: Placement, verb: str, becomes: bool
) -> None:
    Placement.objects.filter(pk=mine.pk).update(is_active=not becomes)
    data = {"action": verb, "_selected_action": [mine.pk]}
    assert "1 placement was changed" in text(merchandiser.post(LIST, data, follow=True))
    mine.refresh_from_db()
    assert mine.is_active is becomes
    assert LogEntry.objects.get().object_id == str(mine.pk)
    merchandiser.post(LIST, data)
    assert LogEntry.objects.count() == 1


def test_back_to_how_it_came(merchandiser: Client, preset: Placement, mine: Placement) -> None:
    Placement.objects.filter(pk=preset.pk).update(kinds=7, title="Mine")
    data = {"action": "reset", "_selected_action": [preset.pk, mine.pk]}
    assert "1 placement was changed" in text(merchandiser.post(LIST, data, follow=True))
    preset.refresh_from_db()
    assert placements.spec_of(preset) == BY_SLUG["product_similar"]


def test_who_may_only_look_has_no_actions(rights: Rights, mine: Placement) -> None:
    client = rights.operator("reco.view_placement")
    assert "switch_off" not in text(client.get(LIST))
    client.post(LIST, {"action": "switch_off", "_selected_action": [mine.pk]})
    mine.refresh_from_db()
    assert mine.is_active
    assert client.post(of(mine), form()).status_code == 403
    assert client.get(LIST + "add/").status_code == 403


# --- the form ------------------------------------------------------------------------------------


def test_a_new_one_from_plain_controls(merchandiser: Client) -> None:
    sent = form(
        title="Nearby",
        must_match=" gender,age_group, gender",
        must_differ="category",
        diversity="0.25",
        **{
            "kinds-0-weight": "2",
            "kinds-2-kind": "long_tail",  # the row between was left empty
            "kinds-2-weight": "0.5",
            "fallback-0-kind": "",
            "filters-0-field": "price",
            "filters-0-op": "within",
            "filters-0-value": "0.2",
            "filters-1-field": "brand",
            "filters-1-op": "not_in",
            "filters-1-value": "Acme, Best & Co",
            "filters-2-field": "tag",
            "filters-2-op": "same",
            "caps-0-field": "brand",
            "caps-0-most": "2",
        },
    )
    response = merchandiser.post(LIST + "add/", sent)
    assert response.status_code == 302, text(response)
    spec = placements.in_force(1)["mine"]
    assert placements.as_json(spec) == {
        "slug": "mine",
        "page": "product",
        "order": 5,
        "title": "Nearby",
        "kinds": [{"kind": "similar", "weight": 2.0}, {"kind": "long_tail", "weight": 0.5}],
        "fallback": [],
        "min_items": 1,
        "max_items": 8,
        "filters": [
            {"field": "price", "op": "within", "value": 0.2},
            {"field": "brand", "op": "not_in", "value": ["Acme", "Best & Co"]},
            {"field": "tag", "op": "same"},
        ],
        "must_match": ["gender", "age_group"],
        "must_differ": ["category"],
        "diversity": 0.25,
        "caps": {"brand": 2},
        "rotate_after": 0,
        "explore": 0.0,
        "is_active": True,
    }
    assert LogEntry.objects.get().get_change_message() == "Added."


def inputs(html: str) -> dict[str, str]:
    """What a browser would send of the form as it is shown."""
    found: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", html):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        if (
            name
            and not name[1].startswith("_")
            and ('type="checkbox"' not in tag or "checked" in tag)
        ):
            found[name[1]] = unescape(value[1]) if value else "on" if "checkbox" in tag else ""
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


@pytest.mark.parametrize("slug", sorted(BY_SLUG))
def test_saving_what_is_shown_changes_nothing(merchandiser: Client, slug: str) -> None:
    row = Placement.objects.get(slug=slug, site=1)
    sent = inputs(merchandiser.get(of(row)).content.decode())
    response = merchandiser.post(of(row), sent)
    assert response.status_code == 302, text(response)
    row.refresh_from_db()
    assert placements.spec_of(row) == BY_SLUG[slug]
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def test_filters_and_caps_are_shown_as_they_were_typed(
    merchandiser: Client, mine: Placement
) -> None:
    mine.filters = [
        {"field": "brand", "op": "in", "value": ["A", "B"]},
        {"field": "price", "op": "at_most", "value": 20},
        {"field": "price", "op": "cheaper"},
    ]
    mine.caps = {"colour": 2}
    mine.save()
    shown = inputs(merchandiser.get(of(mine)).content.decode())
    assert [shown[f"filters-0-{name}"] for name in ("field", "op", "value")] == [
        "brand",
        "in",
        "A,B",
    ]
    assert shown["filters-1-value"] == "20"
    assert shown["filters-2-op"] == "cheaper"
    assert shown["filters-4-field"] == ""
    assert (shown["caps-0-field"], shown["caps-0-most"]) == ("colour", "2")
    assert merchandiser.post(of(mine), shown).status_code == 302
    mine.refresh_from_db()
    assert [each["op"] for each in mine.filters] == ["in", "at_most", "cheaper"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slug": "similar"}, "'similar' is a kind"),
        ({"kinds-0-kind": ""}, "Name at least one kind"),
        ({"kinds-0-kind": "simlar"}, "did you mean 'similar'"),
        ({"kinds-0-weight": "much"}, "“much” is no number"),
        ({"kinds-0-weight": "-1"}, "a weight is a number above 0"),
        ({"kinds-0-weight": "nan"}, "a weight is a number above 0"),
        ({"min_items": "9"}, "At least 9 but at most 8"),
        ({"must_match": "brand", "must_differ": "brand"}, "must match and must differ"),
        ({"explore": "2"}, "Exploration goes from 0 to 1"),
        ({"caps-0-field": "brand", "caps-0-most": "0.5"}, "a cap is a whole number from 1"),
        ({"caps-0-field": "brand", "caps-0-most": "1e999"}, "a cap is a whole number from 1"),
        ({"filters-0-field": "brand", "filters-0-op": "is"}, "name a value"),
        ({"filters-0-field": "brand"}, "is unknown; choose from is, is_not"),
        (
            {"filters-0-field": "price", "filters-0-op": "at_least", "filters-0-value": "x"},
            "“x” is no number",
        ),
        ({"slug": "home_new"}, "There is one of this name already"),
    ],
)
def test_what_is_wrong_is_said_and_not_saved(
    merchandiser: Client, changes: dict[str, str], words: str
) -> None:
    before = Placement.objects.count()
    response = merchandiser.post(LIST + "add/", form(**changes))
    assert response.status_code == 200
    assert words in text(response)
    assert Placement.objects.count() == before
    for name, value in changes.items():
        assert inputs(response.content.decode())[name] == value


def test_what_does_nothing_is_pointed_out_and_saved(merchandiser: Client) -> None:
    response = merchandiser.post(LIST + "add/", form(page="home"), follow=True)
    assert "Similar: needs a product" in text(response)
    assert Placement.objects.filter(slug="mine").exists()


def test_a_new_one_belongs_to_the_site_that_is_looked_at(merchandiser: Client) -> None:
    assert merchandiser.post(LIST + "add/?site=2", form(slug="home_new")).status_code == 302
    assert Placement.objects.filter(slug="home_new").values_list("site", flat=True).count() == 2


def test_what_comes_with_the_app_keeps_its_name_and_is_not_deleted(
    merchandiser: Client, preset: Placement, mine: Placement
) -> None:
    assert 'name="slug"' not in text(merchandiser.get(of(preset)))
    assert merchandiser.post(of(preset), form(slug="other")).status_code == 302
    preset.refresh_from_db()
    assert preset.slug == "product_similar"
    assert merchandiser.post(of(preset, "delete"), {"post": "yes"}).status_code == 403
    picked = {"action": "delete_selected", "_selected_action": [preset.pk], "post": "yes"}
    merchandiser.post(LIST, picked)
    assert Placement.objects.filter(pk=preset.pk).exists()
    assert merchandiser.post(of(mine, "delete"), {"post": "yes"}).status_code == 302
    assert not Placement.objects.filter(pk=mine.pk).exists()


def test_every_kind_and_condition_has_a_name() -> None:
    assert set(NAMES) == set(KINDS)
    assert set(OP_NAMES) == set(OPS)


def test_controls_have_names_for_who_cannot_see_them(merchandiser: Client, mine: Placement) -> None:
    html = merchandiser.get(of(mine)).content.decode()
    rows = re.findall(r'<div class="reco-row">.*?</div>', html, re.DOTALL)
    controls = re.findall(r"<(?:select|input) [^>]*>", "".join(rows))
    assert len(controls) >= 10
    assert all('aria-label="' in control for control in controls)
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=", html)


# --- preview -------------------------------------------------------------------------------------


@pytest.fixture
def shop() -> ss.Shop:
    made = ss.Shop(products=ss.products(12))
    for product in made.products:
        ss.item(product, title=product.label)
    ss.publish(made)
    ss.rank(made, {"": list(range(12))})
    return made


def test_a_draft_is_previewed_with_reasons_and_nothing_is_recorded(
    merchandiser: Client, shop: ss.Shop, mine: Placement
) -> None:
    Placement.objects.filter(pk=mine.pk).update(is_active=False, max_items=3)
    said = text(merchandiser.get(of(mine, "preview")))
    assert "It is a draft" in said
    assert said.count('class="reco-code"') == 3
    assert "Thing 0" in said
    assert "Popular right now" in said
    assert "fallback" not in said.split("<tbody>")[1]
    assert not Impression.objects.exists()
    assert not Interaction.objects.exists()


def test_what_is_typed_is_looked_at_before_it_is_saved(
    merchandiser: Client, shop: ss.Shop, mine: Placement
) -> None:
    sent = form(page="home", max_items="2", _preview="1", **{"kinds-0-kind": "popular"})
    response = merchandiser.post(of(mine), sent)
    said = text(response)
    assert "It is not saved yet." in said
    assert said.count('class="reco-code"') == 2
    mine.refresh_from_db()
    assert mine.max_items == 8
    assert not LogEntry.objects.exists()
    kept = inputs(response.content.decode()) | {"product": "Thing 3", "_preview": "1"}
    again = merchandiser.post(of(mine), kept)
    assert 'value="Thing 3"' in text(again)
    saved = merchandiser.post(of(mine), inputs(again.content.decode()) | {"_save": "1"})
    assert saved.status_code == 302
    mine.refresh_from_db()
    assert (mine.max_items, mine.kinds) == (2, [{"kind": "popular", "weight": 1.0}])


def test_a_new_one_is_looked_at_before_it_is_there(merchandiser: Client, shop: ss.Shop) -> None:
    sent = form(_preview="1", slug="brandnew")
    assert "What “brandnew” would show" in text(merchandiser.post(LIST + "add/", sent))
    assert not Placement.objects.filter(slug="brandnew").exists()
    wrong = text(merchandiser.post(LIST + "add/", sent | {"min_items": "9"}))
    assert "At least 9 but at most 8" in wrong
    assert not Placement.objects.filter(slug="brandnew").exists()


def test_who_may_only_look_previews_nothing_unsaved(rights: Rights, mine: Placement) -> None:
    client = rights.operator("reco.view_placement")
    assert client.post(of(mine), form(_preview="1")).status_code == 403
    assert client.post(LIST + "add/", form(_preview="1")).status_code == 403
    assert "_preview" not in text(client.get(of(mine)))


def test_for_a_product_by_key_or_title(
    merchandiser: Client, shop: ss.Shop, preset: Placement
) -> None:
    for sought in (str(shop.products[5].pk), "Thing 5"):
        said = text(merchandiser.get(of(preset, "preview"), {"product": sought}))
        assert "Thing 4" in said
        assert re.search(r"similar_to:", said)
    said = text(merchandiser.get(of(preset, "preview"), {"product": "No such thing"}))
    assert "There is no product “No such thing”" in said


def test_for_a_shopper_only_for_whom_may_see_what_shoppers_did(
    rights: Rights, shop: ss.Shop
) -> None:
    row = Placement.objects.create(slug="past", page="home", kinds=["recently_viewed"], fallback=[])
    user = Customer.objects.create_user("ann@example.com")
    shop.did(EventKind.VIEW_ITEM, shop.products[7], shopper=Shopper(id=shopper_id(1, user.pk)))
    shop.viewed(9)
    address = of(row, "preview")
    client = rights.operator("reco.view_placement")
    assert "Thing 9" not in text(client.get(address, {"shopper": str(shop.shopper.id)}))
    may = ("reco.view_placement", "reco.view_interaction")
    client = rights.operator(*may)
    assert "Thing 9" in text(client.get(address, {"shopper": str(shop.shopper.id)}))
    assert "There is no shopper" in text(client.get(address, {"shopper": "ann@example.com"}))
    client = rights.operator(*may, "testapp.view_customer")
    assert "Thing 7" in text(client.get(address, {"shopper": "ann@example.com"}))


def test_a_preview_of_what_is_not_there_or_not_theirs(
    rights: Rights, merchandiser: Client, mine: Placement
) -> None:
    assert merchandiser.get(f"{LIST}999999/preview/").status_code == 404
    assert (
        rights.operator("reco.view_run", name="other").get(of(mine, "preview")).status_code == 403
    )


@pytest.mark.parametrize("value", ["\x00", "' OR 1=1 --", "x" * 500, "<script>", str(2**70)])
def test_nonsense_is_answered(
    merchandiser: Client, rights: Rights, preset: Placement, value: str
) -> None:
    client = rights.operator(*ALL, "reco.view_interaction")
    sought = {"product": value, "shopper": value, "category": value}
    said = client.get(of(preset, "preview"), sought)
    assert said.status_code == 200
    assert "<script>" not in said.content.decode().replace("<script src", "")


# --- links ---------------------------------------------------------------------------------------

LINKS = "/admin/reco/manuallink/"
LINK_RIGHTS = tuple(f"reco.{verb}_manuallink" for verb in ("view", "add", "change", "delete"))


@pytest.fixture
def linker(rights: Rights) -> Client:
    return rights.operator(*LINK_RIGHTS)


def test_a_link_by_key_and_by_title(linker: Client) -> None:
    boots, wax = adminshop.product("Boots"), adminshop.product("Wax")
    sent = {"product": str(boots.pk), "target": "wa", "order": "1"}
    assert linker.post(LINKS + "add/", sent).status_code == 302
    link = ManualLink.objects.get()
    assert (link.product_id, link.target_id, link.site) == (boots.pk, wax.pk, 1)
    assert LogEntry.objects.count() == 1
    said = text(linker.get(LINKS))
    assert f"Boots ({boots.pk})" in said
    assert f"Wax ({wax.pk})" in said
    html = linker.get(f"{LINKS}{link.pk}/change/").content.decode()
    assert inputs(html)["product"] == str(boots.pk)
    assert (
        linker.post(f"{LINKS}{link.pk}/change/", inputs(html) | {"order": "3"}).status_code == 302
    )
    link.refresh_from_db()
    assert link.order == 3


def test_what_a_link_cannot_be(linker: Client) -> None:
    boots, wax = adminshop.product("Boots"), adminshop.product("Wax")
    adminshop.product("Boots red")
    adminshop.product("Red hat")
    ManualLink.objects.create(product=boots, target=wax)
    for target, words in {
        "Boots": "A product does not go with itself",
        "Wax": "There is this link already",
        "Nothing": "There is no product “Nothing”",
        "red": "Which one? Name its key",
        str(uuid.uuid4()): "There is no product",
        "": "This field is required",
        "\x00": "Null characters are not allowed",
    }.items():
        sent = {"product": str(boots.pk), "target": target, "order": "0"}
        response = linker.post(LINKS + "add/", sent)
        assert words in text(response), target
    assert ManualLink.objects.count() == 1


def test_links_are_found_by_either_end(linker: Client) -> None:
    boots, wax, hat = (adminshop.product(name) for name in ("Boots", "Wax", "Hat"))
    ManualLink.objects.create(product=boots, target=wax)
    ManualLink.objects.create(product=hat, target=boots)
    ManualLink.objects.create(product=hat, target=wax)
    for sought, count in (("boots", 2), (str(wax.pk), 2), ("nothing", 0), ("", 3)):
        said = text(linker.get(LINKS, {"q": sought}))
        assert said.count('class="action-checkbox"') == count, sought


def test_a_list_of_links_costs_no_statement_per_row(linker: Client) -> None:
    boots = adminshop.product("Boots")
    linker.get(LINKS)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            linker.get(LINKS)
        return len(queries)

    ManualLink.objects.create(product=boots, target=adminshop.product("One"))
    before = cost()
    for number in range(5):
        ManualLink.objects.create(product=boots, target=adminshop.product(f"More {number}"))
    assert cost() == before


def test_a_link_to_a_product_that_is_gone_can_be_seen_and_deleted(linker: Client) -> None:
    boots = adminshop.product("Boots")
    link = ManualLink.objects.create(product=boots, target_id=uuid.uuid4())
    assert f"? ({link.target_id})" in text(linker.get(LINKS))
    assert linker.get(f"{LINKS}{link.pk}/change/").status_code == 200
    assert linker.post(f"{LINKS}{link.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ManualLink.objects.exists()
