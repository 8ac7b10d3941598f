"""The page of faults tells of every fault, and each test it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "faults.md"
NUMBERS = range(1, 29)

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not shipped")


@pytest.fixture(scope="module")
def rows() -> dict[int, list[str]]:
    """Cells of each row, by number of the fault."""
    lines = re.findall(
        r"^\| R(\d+) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {int(number): [cell.strip() for cell in rest.split("|")] for number, rest in lines}


@pytest.fixture(scope="module")
def tests() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    return found


def test_every_fault_has_a_row(rows):
    assert sorted(rows) == list(NUMBERS)
    assert {len(cells) for cells in rows.values()} == {5}


@pytest.mark.parametrize("number", NUMBERS)
def test_each_row_names_tests_that_exist(rows, tests, number):
    *said, named = rows[number]
    if "does not apply" in named:
        return
    assert all(said), "every cell says something"
    names = re.findall(r"`(test_\w+)`", named)
    assert names
    assert {name for name in names if name not in tests} == set()
    assert all(name.startswith(f"test_r{number:02d}_") for name in names)


def test_every_named_fault_of_the_tests_is_one_of_these(tests):
    numbers = {int(found) for name in tests for found in re.findall(r"^test_r(\d\d)_", name)}
    assert numbers <= set(NUMBERS)
