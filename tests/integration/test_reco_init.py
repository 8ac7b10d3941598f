"""Whatever shape a shop has: what reco_init writes imports, checks clean, syncs and shows products."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHAPES = Path(__file__).resolve().parents[1] / "shopshapes"
PRODUCTS = {
    "plain": "plain.Product",
    "textkeys": "textkeys.Article",
    "uuidkeys": "uuidkeys.Product",
    "oscarlike": "oscarlike.Product",
    "saleorlike": "saleorlike.Product",
    "generic": "generic.Thing",
    "inherited": "inherited.Book",
    "bare": "bare.Product",
    "flat": "flat.Course",
}


def run(folder: Path, shape: str, *words: str) -> str:
    """A process in the shop's folder; its stdout."""
    environment = {
        **os.environ,
        "SHAPE": shape,
        "SHAPE_FOLDER": str(folder),
        "DJANGO_SETTINGS_MODULE": "shape_settings",
        "PYTHONPATH": str(folder),
    }
    done = subprocess.run(
        [sys.executable, *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=PRODUCTS)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(shape: str, tmp_path: Path) -> Path:
    """The shop in a folder of its own: reco_init writes into it."""
    shutil.copytree(SHAPES / shape, tmp_path / shape)
    for file in SHAPES.glob("*.py"):
        if file.name != "__init__.py":
            shutil.copy(file, tmp_path)
    return tmp_path


def test_what_is_written_works(shop: Path, shape: str) -> None:
    drawn = json.loads(run(shop, shape, "ask.py", PRODUCTS[shape]))
    written = shop / shape / "reco.py"
    assert drawn["written"]
    assert written.read_text() == drawn["source"]
    (shop / "pasted.py").write_text("\n".join(drawn["settings"]))
    found: dict[str, Any] = json.loads(run(shop, shape, "-W", "error", "use.py").splitlines()[-1])
    expected = found["expected"]
    assert found["synced"]["failed"] == 0, found["synced"]["failures"]
    assert found["items"] == expected["products"]
    assert found["imported"]["purchases"] == expected["purchases"], drawn["source"]
    assert found["shown"] == expected["shown"], drawn["source"]
    assert found["slate"] > 0
    assert found["title"].startswith(expected["title"])
    assert found["url"].startswith(expected["url"])
    if ruff := shutil.which("ruff"):
        told = subprocess.run(
            [ruff, "check", "--isolated", "--select=E,F,I,UP,B", "--line-length=100", str(written)],
            cwd=shop,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stdout
    for name in ("category", "image", "price", "brand", "paid"):
        if name in expected:
            assert found[name] == expected[name], drawn["source"]
