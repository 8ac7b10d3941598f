"""A key shop in a database of its own, driven from outside as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

TESTS = Path(__file__).resolve().parents[1]
Manage = Callable[..., str]


@pytest.fixture
def shop() -> str:
    """Which key shop; a module may give several."""
    return "integer"


@pytest.fixture
def database(shop: str) -> Iterator[psycopg.Connection]:
    """An empty database, of PostgreSQL."""
    with empty_database(shop) as connection:
        yield connection


@contextmanager
def empty_database(shop: str) -> Iterator[psycopg.Connection]:
    url, name = os.environ["RECO_TEST_DATABASE_URL"], f"keyshop_{shop}_{os.getpid()}"
    if url == "sqlite":
        pytest.skip("needs PostgreSQL")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(url, dbname=name, autocommit=True) as connection:
            yield connection
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def process_of() -> Callable[..., AbstractContextManager[Callable[[str], str]]]:
    """`with process_of(shop) as process: process("module")`: what it printed, in an empty database."""
    return _process_of


@contextmanager
def _process_of(shop: str, sqlite: Path | None = None) -> Iterator[Callable[[str], str]]:
    if sqlite is not None:
        environment = shop_environment(shop, str(sqlite)) | {"RECO_TEST_DATABASE_URL": "sqlite"}
        yield lambda module: run(["-m", module], environment)
        return
    with empty_database(shop) as database:
        yield lambda module: run(["-m", module], shop_environment(shop, database.info.dbname))


@pytest.fixture
def environment(shop: str, database: psycopg.Connection) -> dict[str, str]:
    return shop_environment(shop, database.info.dbname)


def shop_environment(shop: str, database: str) -> dict[str, str]:
    """What a process of the shop is started with."""
    return {
        **os.environ,
        "KEYSHOP": shop,
        "KEYSHOP_DB": database,
        "DJANGO_SETTINGS_MODULE": "keyshops.shop_settings",
        "PYTHONPATH": str(TESTS),
    }


@pytest.fixture
def manage(environment: dict[str, str]) -> Manage:
    """`manage("migrate", …)`: what it printed; it must have succeeded."""
    return lambda *args: run(["-m", "django", *args], environment)


def run(args: list[str], environment: dict[str, str]) -> str:
    """What Python printed, with warnings as errors; a failure fails the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *args],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
