"""From the shop's tables to a click, in shops whose keys are numbers or text, in either store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

TESTS = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.lightfm


@pytest.fixture(params=["integer", "text"])
def shop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["pgvector", "numpy", "naive", "second", "sqlite"])
def place(request: pytest.FixtureRequest, shop: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where the shop keeps its data, and in which store."""
    if request.param == "sqlite":
        yield {"RECO_TEST_DATABASE_URL": "sqlite", "KEYSHOP_DB": str(tmp_path / "shop.db")}
        return
    url, name = os.environ["RECO_TEST_DATABASE_URL"], f"line_{shop}_{request.param}_{os.getpid()}"
    if url == "sqlite":
        pytest.skip("needs PostgreSQL")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}"')
        admin.execute(f'CREATE DATABASE "{name}"')
        if request.param == "naive":  # USE_TZ = False, in a time zone of its own
            yield {"KEYSHOP_DB": name, "KEYSHOP_STORE": "pgvector", "KEYSHOP_NAIVE": "1"}
        elif request.param == "second":  # RECO_DATABASE is not 'default'
            other = str(tmp_path / "default.db")
            yield {"KEYSHOP_DB": name, "KEYSHOP_STORE": "pgvector", "KEYSHOP_SECOND": other}
        else:
            yield {"KEYSHOP_DB": name, "KEYSHOP_STORE": request.param}
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def told(shop: str, place: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        **place,
        "KEYSHOP": shop,
        "KEYSHOP_FOLDER": str(tmp_path / "artefacts"),
        "DJANGO_SETTINGS_MODULE": "keyshops.shop_settings",
        "PYTHONPATH": str(TESTS),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "keyshops.line"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_whole_line(told: dict[str, Any], place: dict[str, str]) -> None:
    store = place.get("KEYSHOP_STORE", "numpy")
    assert told["added"] == 32
    assert told["purchases"] == 240
    assert told["runs"] == [
        ["popular", "published", "", ""],
        ["personal", "published", "", store],
    ]
    assert told["home"] == 4
    assert told["rungs"] == ["contextual", "personal"]
    assert told["impressions"] >= 4
    assert told["viewed"]
    assert told["followed"][0] == 302
    assert told["clicked"] == [told["followed"][1]]
    assert told["selected"] == 1
    assert told["similar"] == ["contextual", 4, ["Boots"] * 4]
    assert told["popular"] == ["popular_in_category", ["Lamps"] * 4]
    assert told["read"] == [True, True, True]
    assert told["vectors"] == 1
    assert told["near"] == ["contextual", ["Boots"] * 4]
    assert told["jobs"] == {"sync_items": ["done", "", 33], "score": ["done", "", None]}
    assert told["lists"] == 33
    assert told["listed"] == [4, ["Boots"] * 4, 1]
    assert not told["gone"]
    assert told["full"] == 4
