"""Which ring a test belongs to, and where its shop's data is kept."""

from __future__ import annotations

import os

import pytest

RINGS = ("unit", "integration", "acceptance", "migration")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test belongs to the ring whose folder it lives in."""
    for item in items:
        for ring in RINGS:
            if f"{os.sep}{ring}" in str(item.path):
                item.add_marker(getattr(pytest.mark, ring))
