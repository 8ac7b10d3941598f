"""From the first tables, with rows in them, to today's and back; old workers go on all the while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

Manage = Callable[..., str]
TESTS = Path(__file__).resolve().parents[1]
FIRST = "0001_initial"


@pytest.fixture(params=["postgresql", "sqlite"])
def environment(request: pytest.FixtureRequest, shop: str, tmp_path: Path) -> dict[str, str]:
    shared = {
        **os.environ,
        "KEYSHOP": shop,
        "DJANGO_SETTINGS_MODULE": "keyshops.shop_settings",
        "PYTHONPATH": str(TESTS),
    }
    if request.param == "sqlite":
        return {
            **shared,
            "RECO_TEST_DATABASE_URL": "sqlite",
            "KEYSHOP_DB": str(tmp_path / "shop.db"),
        }
    database: psycopg.Connection = request.getfixturevalue("database")
    return {**shared, "KEYSHOP_DB": database.info.dbname}


@pytest.fixture
def old_worker(environment: dict[str, str]) -> Callable[..., Any]:
    """Calls keyshops.old_worker, which knows the first tables only."""

    def call(*args: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "keyshops.old_worker", *args],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else None

    return call


def test_r26_old_worker_with_new_schema(manage: Manage, old_worker: Callable[..., Any]) -> None:
    manage("migrate", "reco", FIRST, "--no-input")
    manage("migrate", "--no-input", "--run-syncdb")
    old_worker("write", "1")
    old_worker("write", "2")
    assert {len(rows) for rows in old_worker("read").values()} == {2}


def test_rows_outlive_the_way_forward_and_back(
    manage: Manage, old_worker: Callable[..., Any]
) -> None:
    manage("migrate", "reco", FIRST, "--no-input")
    old_worker("write", "1")
    before = old_worker("read")
    assert {len(rows) for rows in before.values()} == {1}
    assert len(before) == 11
    manage("migrate", "--no-input")
    assert old_worker("read") == before
    logs = manage(
        "shell",
        "-c",
        "from reco_plugin.models import Run; print('logs', [r.log for r in Run.objects.all()])",
    )
    assert "logs [[]]" in logs
    old_worker("write", "2")
    manage("migrate", "reco", FIRST, "--no-input")
    after = old_worker("read")
    assert {table: rows[:1] for table, rows in after.items()} == before
    assert {len(rows) for rows in after.values()} == {2}
    manage("migrate", "reco", "--no-input")
    assert old_worker("read") == after
