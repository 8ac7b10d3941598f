"""`reco_links`: a merchandiser's own links out as CSV and in again, and what is refused."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from servingshop import item, products

from reco_plugin.models import ManualLink

pytestmark = pytest.mark.django_db

HEAD = "product,target\n"


def run(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("reco_links", *words, stdout=out, **options)
    return out.getvalue()


def key(number: int) -> uuid.UUID:
    return uuid.UUID(int=number + 1)


def links(site: int = 1) -> list[tuple[int, int]]:
    rows = ManualLink.objects.filter(site=site).order_by("product_id", "order")
    return [
        (one.int - 1, other.int - 1) for one, other in rows.values_list("product_id", "target_id")
    ]


@pytest.fixture
def shop():
    made = products(6)
    item(made[0], title='Lamp, "small"')
    for place, target in enumerate((1, 2, 3)):
        ManualLink.objects.create(product=made[0], target=made[target], order=place)
    ManualLink.objects.create(product=made[4], target=made[5])
    return made


@pytest.fixture
def written(tmp_path: Path):
    def write(*pairs: tuple[int, int], text: str = "") -> str:
        path = tmp_path / "links.csv"
        lines = [f"{key(one)},{key(other)}" for one, other in pairs]
        path.write_text(text or HEAD + "\n".join(lines), encoding="utf-8")
        return str(path)

    return write


def test_what_is_exported_comes_back_the_same(shop, tmp_path: Path):
    path, before = tmp_path / "out.csv", links()
    run("export", str(path))
    assert run("export") == path.read_text(encoding="utf-8")
    assert '"Lamp, ""small"""' in path.read_text(encoding="utf-8")
    ManualLink.objects.all().delete()
    assert (
        run("import", str(path)) == "4 added, 0 moved, 0 removed, 0 as they were, of 2 products.\n"
    )
    assert links() == before
    assert run("import", str(path)).startswith("0 added, 0 moved, 0 removed, 4 as they were")


def test_the_file_has_the_last_word_on_the_products_it_names(shop, written):
    told = json.loads(run("import", written((0, 3), (0, 1), (0, 5)), "--json"))
    assert told == {
        "products": 1,
        "added": 1,
        "moved": 2,
        "removed": 1,
        "same": 0,
        "dry_run": False,
    }
    assert links() == [(0, 3), (0, 1), (0, 5), (4, 5)]


def test_a_dry_run_says_what_it_would_do_and_does_not(shop, written):
    before = links()
    told = run("import", written((0, 2), (1, 0)), "--dry-run")
    assert told == "Would be: 1 added, 1 moved, 2 removed, 0 as they were, of 2 products.\n"
    assert links() == before


def test_another_site_has_links_of_its_own(shop, written):
    run("--site", "2", "import", written((0, 5)))
    assert links(2) == [(0, 5)]
    assert len(links()) == 4


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_as_a_spreadsheet_writes_it(shop, written, mark):
    text = f"{mark}product;product_title;target\r\n{key(1)};Lamp, small;{key(2)}\r\n;;\r\n"
    run("import", written(text=text))
    assert (1, 2) in links()


def test_what_is_piped_in(shop, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{HEAD}{key(1)},{key(2)}"))
    assert run("import", "-").startswith("1 added")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2", "There is no column product, target"),
        ("", "There is no column product, target"),
        (f"{HEAD}{key(0)},lamp", "Line 2: “lamp” in target is no key of a product."),
        (f"{HEAD}{key(0)},", "Line 2: “” in target is no key"),
        (f"{HEAD}{key(1)},{key(2)}\n{key(9)},{key(1)}", f"Line 3: There is no product “{key(9)}”"),
        (f"{HEAD}{key(1)},{key(1)}", "Line 2: A product does not go with itself."),
        (f"{HEAD}{key(1)},{key(2)}\n{key(1)},{key(2)}", "Line 3: "),
        (HEAD + f"{key(1)},x\n" * 60, "… and 10 lines more."),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_is_changed(shop, written, text, words):
    before = links()
    with pytest.raises(CommandError) as found:
        run("import", written(text=text or "\n"))
    assert words in str(found.value)
    assert found.value.returncode == 2
    assert links() == before


def test_a_file_that_is_not_utf8(shop, tmp_path: Path):
    path = tmp_path / "old.csv"
    path.write_bytes("product,target\nCafé,1".encode("latin-1"))
    with pytest.raises(CommandError, match="not UTF-8") as found:
        run("import", str(path))
    assert found.value.returncode == 2


def test_a_file_that_is_not_there(shop):
    with pytest.raises(CommandError, match="No such file") as found:
        run("import", "nowhere.csv")
    assert found.value.returncode == 1
