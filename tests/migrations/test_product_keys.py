"""Our migrations fit a shop with any product key, go back, and leave nothing of ours in its tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

import reco_plugin

Manage = Callable[..., str]
COLUMN_TYPES = {
    "integer": "bigint",
    "text": "character varying",
    "late": "bigint",
    "unique": "uuid",
}
PRODUCT_TABLES = {
    "reco_click",
    "reco_impression",
    "reco_interaction",
    "reco_item",
    "reco_neighbours",
}


@pytest.fixture(params=sorted(COLUMN_TYPES))
def shop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def columns(connection: psycopg.Connection, column: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT table_name, data_type FROM information_schema.columns "
        "WHERE table_name LIKE 'reco\\_%%' AND column_name = %s",
        [column],
    )
    return dict(rows.fetchall())


def test_migrates_forward_and_back(shop: str, manage: Manage, database: psycopg.Connection) -> None:
    manage("migrate", "--no-input")
    found = columns(database, "product_id")
    assert set(found) == PRODUCT_TABLES
    assert set(found.values()) == {COLUMN_TYPES[shop]}
    manage("migrate", "reco", "zero", "--no-input")
    assert columns(database, "product_id") == {}


def test_no_change_is_waiting_for_makemigrations(manage: Manage) -> None:
    assert "No changes detected in app 'reco'" in manage(
        "makemigrations", "reco", "--check", "--dry-run"
    )


def test_no_constraint_reaches_into_the_shop(manage: Manage, database: psycopg.Connection) -> None:
    manage("migrate", "--no-input")
    rows = database.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text "
        "LIKE 'reco%' AND confrelid::regclass::text NOT LIKE 'reco%'"
    )
    assert rows.fetchall() == []


def test_every_table_has_a_site(manage: Manage, database: psycopg.Connection) -> None:
    manage("migrate", "--no-input")
    rows = database.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'reco\\_%'"
    )
    assert {name for (name,) in rows.fetchall()} == set(columns(database, "site"))


def test_migrations_name_no_shop() -> None:
    folder = Path(reco_plugin.__file__).parent / "migrations"
    for path in folder.glob("0*.py"):
        named = set(re.findall(r"'(\w+)\.\w+'", path.read_text()))
        assert named <= {"reco"}, path.name
        assert "testapp" not in path.read_text()
