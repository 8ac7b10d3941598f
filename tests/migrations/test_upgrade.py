"""From the first tables, with rows in them, to today's and back; old workers go on all the while."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def told(
    request: pytest.FixtureRequest,
    process_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Any]]:
    """What old workers found, step by step."""
    path: Path | None = None
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("upgrade") / "shop.db"
    with process_of("integer", sqlite=path) as process:
        yield json.loads(process("keyshops.upgraded"))


def counts(rows: dict[str, list[Any]]) -> set[int]:
    return {len(each) for each in rows.values()}


def test_r26_old_worker_with_new_schema(told: dict[str, Any]) -> None:
    """A worker that is not restarted yet reads, writes and updates as before."""
    assert len(told["written"]) == 11
    assert counts(told["written"]) == {2}
    assert told["logs"] == [[], []]


def test_rows_outlive_the_way_forward(told: dict[str, Any]) -> None:
    assert counts(told["first"]) == {1}
    assert told["forward"] == told["first"]


def test_rows_outlive_the_way_back_and_forward_again(told: dict[str, Any]) -> None:
    assert told["back"] == told["written"]
    assert told["again"] == told["written"]
