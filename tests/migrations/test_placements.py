"""Placements arrive with a migration, with a row each; what a merchandiser changed stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reco_plugin.placements import PRESETS

FRESH = {"Interest": 0, "ManualLink": 0, "Placement": len(PRESETS), "Related": 0}


@pytest.fixture(scope="module", params=["integer", "text", "unique", "sqlite"])
def told(
    request: pytest.FixtureRequest,
    process_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Any]]:
    """What rows there were, step by step."""
    is_file = request.param == "sqlite"
    path: Path | None = tmp_path_factory.mktemp("placed") / "shop.db" if is_file else None
    with process_of("integer" if is_file else request.param, sqlite=path) as process:
        yield json.loads(process("keyshops.placed"))


def test_a_row_each_from_the_day_they_arrive(told: dict[str, Any]) -> None:
    assert told["before"] == {}
    assert told["forward"] == FRESH


def test_what_was_changed_and_linked_stays(told: dict[str, Any]) -> None:
    assert told["again"] == FRESH | {"ManualLink": 1, "Related": 1}
    assert told["kept"] == [["home_new", False]]
    assert told["linked"]


def test_the_way_back_is_clean_and_forth_is_fresh(told: dict[str, Any]) -> None:
    assert told["back"] == {}
    assert told["forth"] == FRESH
