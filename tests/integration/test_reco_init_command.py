"""reco_init as a command: dry by default, never over a file, before anything is set up, and in words."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reco_plugin.catalog import scaffold
from reco_plugin.catalog.scaffold import project

SHAPES = Path(__file__).resolve().parents[1] / "shopshapes"
pytestmark = pytest.mark.django_db

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shape_settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    shutil.copytree(SHAPES / "plain", tmp_path / "plain")
    for name in ("shape_settings.py", "shape_urls.py"):
        shutil.copy(SHAPES / name, tmp_path)
    (tmp_path / "manage.py").write_text(MANAGE)
    return tmp_path


def run(shop: Path, *words: str) -> subprocess.CompletedProcess[str]:
    left_out = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, *words],
        env=environment | {"SHAPE": "plain", "SHAPE_FOLDER": str(shop)},
        cwd=shop,
        capture_output=True,
        text=True,
        check=False,
    )


def test_beside_manage_py_before_anything_is_set_up(shop: Path) -> None:
    done = run(shop, "-m", "reco_plugin", "init", "plain.Product")
    assert done.returncode == 0, done.stderr
    assert "sure   product.title = name" in done.stdout
    assert "Would write (with --write)" in done.stdout
    assert 'RECO_PRODUCT_MODEL = "plain.Product"' in done.stdout
    assert not (shop / "plain" / "reco.py").exists()


def test_the_product_is_proposed_when_none_is_named(shop: Path) -> None:
    done = run(shop, "-m", "reco_plugin", "init")
    assert done.returncode == 1
    assert "Name your product model: plain.Product" in done.stderr
    assert "Traceback" not in done.stderr


def test_away_from_a_project(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "reco_plugin", "init", "plain.Product")
    assert done.returncode == 1
    assert "Run this beside its manage.py" in done.stderr


def test_manage_py_when_the_app_is_there_and_the_setting_is_not(shop: Path) -> None:
    (shop / "pasted.py").write_text('INSTALLED_APPS += ["reco_plugin"]')
    refused = run(shop, "manage.py", "check")
    assert refused.returncode == 1
    assert "python -m reco_plugin init shop.Product" in refused.stderr
    for words in (["manage.py", "reco_init"], ["-m", "reco_plugin", "init"]):
        done = run(shop, *words, "plain.Product", "--json")
        assert done.returncode == 0, done.stderr
        drawn = json.loads(done.stdout)
        assert 'RECO_PRODUCT_MODEL = "plain.Product"' in drawn["settings"]
        assert 'INSTALLED_APPS += ["reco_plugin"]' not in drawn["settings"]
        assert "class PlainCatalog(Catalog):" in drawn["source"]


def test_a_file_that_is_there_stays(shop: Path) -> None:
    mine = shop / "plain" / "reco.py"
    mine.write_text("# mine\n")
    done = run(shop, "-m", "reco_plugin", "init", "plain.Product", "--write")
    assert done.returncode == 1
    assert "is there already and is left as it is" in done.stderr
    assert mine.read_text() == "# mine\n"


def told(*words: str) -> str:
    out = io.StringIO()
    call_command("reco_init", *words, stdout=out)
    return out.getvalue()


def test_by_default_the_product_that_is_set() -> None:
    assert "What was found around testapp.Product" in told()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("testapp.Prodcut", "Did you mean testapp.Product?"),
        ("Product", "Did you mean testapp.Product?"),
        ("nothing.LikeIt", "There is no model 'nothing.LikeIt'."),
        ("shop.Product", "Did you mean testapp.Product?"),
        ("testapp", "Did you mean testapp.Product?"),
        ("reco.Itme", "Did you mean testapp."),
    ],
)
def test_a_name_that_is_no_model(label: str, words: str) -> None:
    with pytest.raises(CommandError, match="There is no model") as caught:
        told(label)
    assert words in str(caught.value)


def test_an_app_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="No installed app with label 'nowhere'"):
        told("testapp.Product", "--app", "nowhere")


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    where = project.Place(path=Path("/proc/nobody/reco.py"), module="x")
    monkeypatch.setattr(project, "place", lambda product, app: where)
    with pytest.raises(CommandError, match="cannot be written"):
        told("testapp.Product", "--write")


def test_a_product_of_an_installed_package_goes_to_an_app_of_the_project() -> None:
    from django.contrib.auth.models import Group

    where = project.place(Group)
    assert where.module == "testapp.reco"


def test_a_product_born_late_names_its_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    product = SimpleNamespace(
        _meta=SimpleNamespace(app_label="reco", label="reco.Job"), __name__="Job"
    )
    assert project._later_migration(product) == "0002_work"
    first = SimpleNamespace(
        _meta=SimpleNamespace(app_label="reco", label="reco.Item"), __name__="Item"
    )
    assert project._later_migration(first) == ""


def test_a_variant_is_told_of_its_product() -> None:
    variant = SimpleNamespace(
        _meta=SimpleNamespace(label="shop.ProductVariant"), __name__="ProductVariant"
    )
    (told_of,) = scaffold._notes(variant)
    assert "looks like a variant" in told_of


def test_nothing_of_the_shop_is_read_but_statuses() -> None:
    from testapp.models import Product

    with CaptureQueriesContext(connection) as seen:
        scaffold.draft(Product)
    tables = [found["sql"] for found in seen.captured_queries if "testapp_" in found["sql"]]
    assert all("testapp_order" in found and "LIMIT" in found for found in tables)


def test_what_is_there_already_is_said_to_be_there() -> None:
    words = told()
    assert "At the end of your urls.py\n# nothing: it is all there\n\nIn your templates" in words
