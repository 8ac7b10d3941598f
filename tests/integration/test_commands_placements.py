"""`reco_placements`: list, export, import, create, reset, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from reco_plugin import placements
from reco_plugin.models import Placement
from reco_plugin.placements import BY_SLUG, PRESETS, exchange

pytestmark = pytest.mark.django_db


def run(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("reco_placements", *words, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def mine() -> Placement:
    return Placement.objects.create(
        slug="mine",
        page="home",
        order=5,
        kinds=[{"kind": "popular", "weight": 2}],
        filters=[{"field": "price", "op": "at_most", "value": 20}],
        caps={"brand": 1},
    )


def test_the_list_says_what_stands_where_and_what_cannot_be_used(mine):
    Placement.objects.filter(slug="home_new").update(title="Fresh", is_active=False)
    Placement.objects.filter(slug="home_trending").update(min_items=90)
    Placement.objects.create(slug="broken", kinds=7)
    lines = run().splitlines()
    assert run("list").splitlines() == lines
    assert lines[0].split() == ["page", "order", "name", "kinds", "products", "active", "from"]
    by_name = {line.split()[2]: line.split() for line in lines[1:] if line[0] not in "! "}
    assert by_name["mine"] == ["home", "5", "mine", "popular:2", "1-8", "yes", "own"]
    assert by_name["home_new"][-2:] == ["no", "changed"]
    assert by_name["product_similar"][-2:] == ["yes", "app"]
    assert any(line.startswith("! home_trending: At least 90") for line in lines)
    assert any(line.startswith("! broken: kinds has 7") for line in lines)
    told = [json.loads(line) for line in run("--json").splitlines()]
    assert {one["slug"] for one in told} == {*BY_SLUG, "mine", "broken"}
    assert all(one["has_row"] for one in told)


def test_what_is_exported_comes_back_the_same(mine, tmp_path: Path):
    path = tmp_path / "placements.json"
    run("export", str(path))
    before = dict(placements.in_force(1))
    assert json.loads(run("export")) == json.loads(path.read_text())
    Placement.objects.all().delete()
    told = json.loads(run("--json", "import", str(path)))
    assert len(told["created"]) == len(PRESETS) + 1
    assert dict(placements.in_force(1)) == before
    assert json.loads(run("--json", "import", str(path)))["same"]


def test_an_import_into_another_site(mine, tmp_path: Path):
    path = tmp_path / "placements.json"
    run("export", str(path))
    run("--site", "2", "import", str(path))
    assert placements.in_force(2)["mine"] == placements.in_force(1)["mine"]


def test_a_dry_run_says_what_it_would_do_and_does_not(mine, tmp_path: Path):
    path = tmp_path / "placements.json"
    data = {
        "placements": [
            {"slug": "mine", "kinds": ["trending"]},
            {"slug": "new", "kinds": ["popular"]},
        ]
    }
    path.write_text(json.dumps(data))
    assert run("import", str(path), "--dry-run").splitlines() == [
        "Would be created: new.",
        "Would be changed: mine.",
    ]
    mine.refresh_from_db()
    assert mine.kinds[0]["kind"] == "popular"
    assert run("import", str(path)).splitlines() == ["Created: new.", "Changed: mine."]
    mine.refresh_from_db()
    assert mine.kinds == [{"kind": "trending", "weight": 1.0}]


def test_what_is_piped_in(monkeypatch):
    text = json.dumps({"placements": [{"slug": "new", "kinds": ["popular"]}]})
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert "Created: new." in run("import", "-")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "This is no JSON"),
        ("[]", 'Expected {"placements"'),
        ('{"placements": 7}', 'Expected {"placements"'),
        ('{"placements": [7]}', "1: 7 is no placement"),
        ('{"placements": [{"slug": "a"}]}', "a: A placement needs kinds"),
        ('{"placements": [{"slug": "a", "kinds": ["simlar"]}]}', "a: 'simlar' is no kind: did you"),
        ('{"placements": [{"slug": "a", "kinds": ["popular"], "max": 3}]}', "knows no max"),
        (
            '{"placements": [{"slug": "a", "kinds": ["popular"]}, {"slug": "a", "kinds": ["similar"]}]}',
            "a is there twice",
        ),
        (
            '{"placements": [{"slug": ["a"], "kinds": ["popular"]}, {"slug": ["a"], "kinds": ["popular"]}]}',
            "A name has 1 to 64 letters",
        ),
        (
            '{"placements": [{"slug": "a", "kinds": ["popular"], "is_active": "no"}]}',
            "Active is true or false",
        ),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_is_changed(tmp_path: Path, text: str, words: str):
    path = tmp_path / "placements.json"
    path.write_text(text)
    before = Placement.objects.count()
    with pytest.raises(CommandError) as caught:
        run("import", str(path))
    assert caught.value.returncode == 2
    assert words in str(caught.value)
    assert Placement.objects.count() == before


def test_one_that_is_wrong_keeps_all_out(tmp_path: Path):
    path = tmp_path / "placements.json"
    rows = [{"slug": "good", "kinds": ["popular"]}, {"slug": "bad", "kinds": []}]
    path.write_text(json.dumps({"placements": rows}))
    with pytest.raises(CommandError, match="bad: Name at least one kind"):
        run("import", str(path))
    assert not Placement.objects.filter(slug="good").exists()


def test_a_file_or_a_database_that_is_not_there(tmp_path: Path, monkeypatch):
    with pytest.raises(CommandError, match="No such file") as caught:
        run("import", str(tmp_path / "none.json"))
    assert caught.value.returncode == 1

    def refuse(site: int) -> None:
        raise DatabaseError("down")

    monkeypatch.setattr(exchange, "standing", refuse)
    with pytest.raises(CommandError, match="down"):
        run()


def test_rows_that_are_missing_are_made():
    Placement.objects.filter(slug="home_new").delete()
    assert "Would be created: home_new." in run("create", "--dry-run")
    assert not Placement.objects.filter(slug="home_new").exists()
    assert "Created: home_new." in run("create")
    assert "Created: none." in run("create")


def test_back_to_how_it_came():
    Placement.objects.filter(slug="home_new").update(title="Fresh", kinds=7)
    assert "Would be changed: home_new." in run("reset", "home_new", "--dry-run")
    assert "Changed: home_new." in run("reset", "home_new")
    assert placements.spec_of(Placement.objects.get(slug="home_new")) == BY_SLUG["home_new"]
    with pytest.raises(CommandError, match="mine does not come with the app") as caught:
        run("reset", "mine")
    assert caught.value.returncode == 2


def test_what_cannot_be_used_is_left_out_of_the_export(mine):
    Placement.objects.filter(slug="mine").update(kinds=7)
    err = io.StringIO()
    text = run("export", stderr=err)
    assert "mine is left out" in err.getvalue()
    assert "mine" not in {one["slug"] for one in json.loads(text)["placements"]}
