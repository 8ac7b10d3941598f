"""Our migrations fit a shop with any product key, go back, and leave nothing of ours in its tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reco_plugin

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
    "reco_manual_link",
    "reco_neighbours",
    "reco_picture",
    "reco_related",
    "reco_suggestion",
}
OF_NO_SITE = {"reco_picture_vector"}
"""What an encoder makes of the content of a file is the same for whoever shows it."""


@pytest.fixture(scope="module", params=sorted(COLUMN_TYPES))
def shop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def told(shop: str, process_of: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """What a process saw that migrated this shop forward and back."""
    with process_of(shop) as process:
        yield json.loads(process("keyshops.migrated"))


def columns(told: dict[str, Any], wanted: str) -> dict[str, str]:
    return {table: kind for table, column, kind in told["columns"] if column == wanted}


def test_keys_are_of_the_products_own_type(shop: str, told: dict[str, Any]) -> None:
    found = columns(told, "product_id")
    assert set(found) == PRODUCT_TABLES
    assert set(found.values()) == {COLUMN_TYPES[shop]}
    assert columns(told, "target_id") == {"reco_manual_link": COLUMN_TYPES[shop]}


def test_the_way_back_leaves_nothing(told: dict[str, Any]) -> None:
    assert told["columns"]
    assert told["left"] == []


def test_no_change_is_waiting_for_makemigrations(told: dict[str, Any]) -> None:
    assert "No changes detected in app 'reco'" in told["waiting"]


def test_no_constraint_reaches_into_the_shop(told: dict[str, Any]) -> None:
    assert told["reaching_out"] == []


def test_every_table_has_a_site(told: dict[str, Any]) -> None:
    tables = {table for table, _, _ in told["columns"]}
    assert tables - OF_NO_SITE == set(columns(told, "site"))


def test_migrations_name_no_shop() -> None:
    folder = Path(reco_plugin.__file__).parent / "migrations"
    for path in folder.glob("0*.py"):
        named = set(re.findall(r"['\"](\w+)\.\w+['\"]", path.read_text()))
        assert named <= {"reco"}, path.name
        assert "testapp" not in path.read_text()
