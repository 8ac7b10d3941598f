"""Which ring a test belongs to, and where its shop's data is kept."""

from __future__ import annotations

import importlib.util
import os

import pytest


@pytest.fixture(autouse=True)
def _closed_breakers():
    """What one test broke is not held against the next."""
    from reco_plugin import breaker

    breaker.reset()


RINGS = ("unit", "integration", "acceptance", "migration")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test belongs to the ring whose folder it lives in; one that trains needs its extra."""
    lacks_lightfm = importlib.util.find_spec("lightfm") is None
    for item in items:
        if lacks_lightfm and item.get_closest_marker("lightfm"):
            item.add_marker(pytest.mark.skip(reason="the extra `lightfm` is not installed"))
        for ring in RINGS:
            if f"{os.sep}{ring}" in str(item.path):
                item.add_marker(getattr(pytest.mark, ring))
