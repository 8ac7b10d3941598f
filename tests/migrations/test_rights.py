"""Migrations by a role that owns its database and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

Manage = Callable[..., str]
ROLE = f"reco_plain_{os.getpid()}"


@pytest.fixture
def environment(
    environment: dict[str, str], database: psycopg.Connection
) -> Iterator[dict[str, str]]:
    """The shop logs in as a role that may not create the extension."""
    role = sql.Identifier(ROLE)
    database.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'plain' NOSUPERUSER NOCREATEDB").format(role)
    )
    database.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role))
    parts = urlsplit(environment["RECO_TEST_DATABASE_URL"])
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{ROLE}:plain@{host}"))
    yield {**environment, "RECO_TEST_DATABASE_URL": url}
    database.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
    database.execute(sql.SQL("DROP OWNED BY {}").format(role))
    database.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.mark.parametrize("extension", [False, True], ids=["without pgvector", "with pgvector"])
def test_r18_migrations_need_no_right_to_create_an_extension(
    database: psycopg.Connection, manage: Manage, extension: bool
) -> None:
    if extension:
        database.execute("CREATE EXTENSION vector")
    manage("migrate", "--no-input")
    owners = database.execute(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'reco\\_%'"
    ).fetchall()
    assert owners == [(ROLE,)]
    manage("migrate", "reco", "zero", "--no-input")
