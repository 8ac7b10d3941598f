"""The contact sheet: drawn from the live visual run, with the pictures, in one file."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import visualshop
from django.core.management import CommandError, call_command
from testapp.models import Product

from reco_plugin.encoders.base import Fault, Refused
from reco_plugin.management import looking
from reco_plugin.models import Item, Picture

pytestmark = pytest.mark.django_db
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def shop() -> list[Product]:
    """Three kinds of four things each, in a category of its own each."""
    made = visualshop.products(12)
    for number, product in enumerate(made):
        Item.objects.filter(pk=product.pk).update(categories=[f"All > Kind {number // 4}"])
        visualshop.picture(product)
    visualshop.publish(made, visualshop.groups(3, 4))
    return made


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is red, but for what a test writes into `name`."""

    def read(site: int, rows: list[Picture]):
        for row in rows:
            empty = Refused(fault=Fault.EMPTY, words="The file is empty.")
            yield row, empty if row.name == "empty.png" else visualshop.RED

    monkeypatch.setattr("reco_plugin.jobs.picture_files.read", read)


def sheet(tmp_path: Path, *arguments: str) -> tuple[ET.Element, str]:
    said = io.StringIO()
    call_command("reco_contact_sheet", str(tmp_path / "sheet.svg"), *arguments, stdout=said)
    return ET.parse(tmp_path / "sheet.svg").getroot(), said.getvalue()


def texts(found: ET.Element) -> list[str]:
    return [each.text or "" for each in found.iter(f"{SVG}text")]


def test_each_product_stands_beside_what_looks_like_it(shop, tmp_path):
    pytest.importorskip("PIL")
    found, said = sheet(tmp_path, "--product", str(shop[0].pk), "--top", "3")
    assert len(list(found.iter(f"{SVG}image"))) == 4
    titles = [each.text for each in found.iter(f"{SVG}title")]
    assert titles[0] == "Thing 0"
    assert set(titles[1:]) == {"Thing 1", "Thing 2", "Thing 3"}
    assert "3 of 3 share the category" in said


def test_without_a_name_products_of_many_categories_are_drawn(shop, tmp_path):
    pytest.importorskip("PIL")
    found, _ = sheet(tmp_path, "--products", "3", "--top", "2")
    kinds = {text for text in texts(found) if text.startswith("Kind")}
    assert kinds == {"Kind 0", "Kind 1", "Kind 2"}
    again, _ = sheet(tmp_path, "--products", "3", "--top", "2")
    assert texts(again) == texts(found)


def test_variants_of_what_is_there_are_left_out(shop, tmp_path):
    pytest.importorskip("PIL")
    parent = shop[0]
    Item.objects.filter(pk__in=[shop[1].pk, shop[2].pk]).update(group=parent)
    found, _ = sheet(tmp_path, "--product", str(parent.pk), "--top", "2")
    titles = [each.text for each in found.iter(f"{SVG}title")]
    assert titles[:2] == ["Thing 0", "Thing 3"]
    assert not {"Thing 1", "Thing 2"} & set(titles)


def test_a_picture_that_cannot_be_shown_is_told(shop, tmp_path):
    pytest.importorskip("PIL")
    Picture.objects.filter(product_id=shop[1].pk).update(name="empty.png")
    Picture.objects.filter(product_id=shop[2].pk).delete()
    found, _ = sheet(tmp_path, "--product", str(shop[0].pk), "--top", "3")
    assert len(list(found.iter(f"{SVG}image"))) == 2
    assert any("empty" in text for text in texts(found))
    assert any("no picture yet" in text for text in texts(found))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--product", "nonsense"], "There is no product 'nonsense'"),
        (["--product", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"], "There is no product"),
        (["--run", "999999"], "no published run 999999"),
        (["--products", "0"], "no number from 1 to 100"),
        (["--photo", "/nowhere/photo.jpg"], "Not written"),
    ],
)
def test_what_cannot_be_done_is_said(shop, tmp_path, arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("reco_contact_sheet", str(tmp_path / "sheet.svg"), *arguments)
    assert not (tmp_path / "sheet.svg").exists()


def test_without_a_run_there_is_nothing_to_write(tmp_path):
    with pytest.raises(CommandError, match="No run that knows pictures is live"):
        call_command("reco_contact_sheet", str(tmp_path / "sheet.svg"))


def test_a_photo_without_an_encoder_says_what_is_missing(shop, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(visualshop.RED)
    with pytest.raises(CommandError, match="No encoder is live"):
        call_command("reco_contact_sheet", str(tmp_path / "sheet.svg"), "--photo", str(photo))


@pytest.mark.parametrize("count", [0, 1, 3, 5, 12, 50])
def test_the_lot_takes_from_every_shelf_in_turn(shop, count):
    run = looking.visual_run(1)
    keys = looking.spread(run, count, seed=1)
    assert len(keys) == len(set(keys)) == min(count, 12)
    of = {key: Item.objects.get(pk=key).categories[0] for key in keys}
    shelves = [list(of.values()).count(name) for name in sorted(set(of.values()))]
    assert not shelves or max(shelves) - min(shelves) <= 1
