"""After reco_uninstall nothing of ours is left, and the shop works as before we came."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reco_plugin.jobs import leave

TESTS = Path(__file__).resolve().parents[1]

SELL = """
import django
django.setup()
from pathlib import Path
from django.conf import settings
from django.core.management import call_command
from django.apps import apps
call_command("migrate", run_syncdb=True, verbosity=0)
Product = apps.get_model(settings.RECO_PRODUCT_MODEL)
made = [Product.objects.create(name=f"P {n}", category="A") for n in range(3)]
call_command("reco_sync_items")
call_command("reco_train", "--kind", "popular")
import numpy as np
from reco_plugin import backends
from reco_plugin.jobs.publish import publish
from reco_plugin.models import Run
from reco_plugin.stores.base import Vectors
from reco_plugin.types import id_map
run = Run.objects.create(kind="personal", trainer="t")
one = np.ones((3, 2), dtype=np.float32)
publish(run, Vectors(items=id_map([p.pk for p in made]), item_vectors=one, item_biases=one[:, 0],
    shoppers=id_map([]), shopper_vectors=one[:0]))
folder = Path(settings.RECO_ARTEFACT_DIR)
folder.mkdir(parents=True, exist_ok=True)
(folder / "personal-1.npz").write_bytes(b"x")
(folder / "the-shops-own.txt").write_text("stays")
"""

LEAVE = "import django; django.setup()\nfrom django.core.management import call_command\n"

AFTER = """
import django, json
from django.conf import settings
settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "reco_plugin"]
settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "reco" not in one]
settings.ROOT_URLCONF = "django.contrib.auth.urls"
django.setup()
from django.apps import apps
from django.core.management import call_command
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
call_command("check", fail_level="WARNING")
Product = apps.get_model("integer.Product")
before = Product.objects.count()
Product.objects.first().delete()
print(json.dumps({
    "tables": [name for name in connection.introspection.table_names() if "reco" in name],
    "types": ContentType.objects.filter(app_label="reco").count(),
    "permissions": Permission.objects.filter(content_type__app_label="reco").count(),
    "products": [before, Product.objects.count()],
    "unapplied": call_command("migrate", check_unapplied=True, verbosity=0),
}))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[dict[str, str]]:
    url, name = os.environ["RECO_TEST_DATABASE_URL"], f"leave_{os.getpid()}"
    if url == "sqlite":
        pytest.skip("needs PostgreSQL")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}"')
        admin.execute(f'CREATE DATABASE "{name}"')
        yield {
            **os.environ,
            "KEYSHOP": "integer",
            "KEYSHOP_DB": name,
            "KEYSHOP_STORE": "pgvector",
            "KEYSHOP_FOLDER": str(tmp_path / "artefacts"),
            "DJANGO_SETTINGS_MODULE": "keyshops.shop_settings",
            "PYTHONPATH": str(TESTS),
        }
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(shop: dict[str, str], program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], env=shop, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_is_left_and_the_shop_works(shop: dict[str, str], tmp_path: Path) -> None:
    run(shop, SELL)
    would = json.loads(run(shop, LEAVE + "call_command('reco_uninstall', '--json')"))
    assert not would["done"]
    assert {"reco_item", "reco_interaction", "reco_run", "reco_placement"} <= set(would["tables"])
    assert {"reco_interest", "reco_manual_link", "reco_related"} <= set(would["tables"])
    assert any(name.startswith("reco_vectors_") for name in would["tables"])
    did = json.loads(run(shop, LEAVE + "call_command('reco_uninstall', '--yes', '--json')"))
    assert did["done"]
    assert did["tables"] == would["tables"]
    assert [Path(name).name for name in did["files"]] == ["personal-1.npz"]
    assert [path.name for path in (tmp_path / "artefacts").iterdir()] == ["the-shops-own.txt"]
    left = json.loads(run(shop, AFTER).splitlines()[-1])
    assert left == {
        "tables": [],
        "types": 0,
        "permissions": 0,
        "products": [3, 2],
        "unapplied": None,
    }


def test_a_running_job_is_waited_for(shop: dict[str, str]) -> None:
    program = """
import django
django.setup()
from django.core.management import call_command, CommandError
call_command("migrate", verbosity=0)
from reco_plugin.jobs.running.lease import lease
with lease(1, "train"):
    try:
        call_command("reco_uninstall", "--yes")
    except CommandError as error:
        print(error)
"""
    assert "Running now: train. Stop the workers" in run(shop, program)


def test_the_lines_to_take_out_are_found(tmp_path: Path, settings) -> None:
    from reco_plugin.jobs.leave import traces

    settings.BASE_DIR = tmp_path
    (tmp_path / "settings.py").write_text(
        'X = 1\nINSTALLED_APPS = ["reco_plugin"]\nRECO_LIMIT = 3\n'
    )
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "home.html").write_text(
        "<p>\n{% load i18n reco %}\n{% load record %}\n{% recommend 'similar' %}\n"
        "{% recopage 'home' as rows %}\n{% load reco_interests %}\n{% reco_interests %}"
    )
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "other.py").write_text("import reco_plugin")
    assert traces() == [
        'settings.py:2: INSTALLED_APPS = ["reco_plugin"]',
        "settings.py:3: RECO_LIMIT = 3",
        f"templates{os.sep}home.html:2: {{% load i18n reco %}}",
        f"templates{os.sep}home.html:4: {{% recommend 'similar' %}}",
        f"templates{os.sep}home.html:5: {{% recopage 'home' as rows %}}",
        f"templates{os.sep}home.html:6: {{% load reco_interests %}}",
        f"templates{os.sep}home.html:7: {{% reco_interests %}}",
    ]
    shutil.rmtree(tmp_path / "templates")


def test_every_file_we_write_is_ours_and_no_other(settings, tmp_path):
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    ours = [
        "personal-3.npz",
        "personal-3.items.npz",
        "personal-3.npz.ab12_d34.part",
        "personal-3.items.npz.ab12_d34.part",
        "train-ab12_d34",
    ]
    for name in [*ours, "train-set.csv", "notes.npz", "personal.npz"]:
        (tmp_path / name).touch()
    assert [path.name for path in leave.own_files()] == sorted(ours)
