"""One training per (site, kind) at a time, let go of by the database when the process dies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from reco_plugin import conf
from reco_plugin.exceptions import AlreadyRunning


@contextmanager
def only_one(site: int, kind: str) -> Iterator[None]:
    """Hold the right to train; raises AlreadyRunning when another process holds it.

    A transaction-level advisory lock in a transaction of a connection of its own: it works behind a
    transaction pooler, holds back no vacuum (no snapshot is open between statements), and is gone
    with the process. Databases without advisory locks are not guarded.
    """
    if connections[conf.settings.DATABASE].vendor != "postgresql":
        yield
        return
    connection = connections[conf.settings.DATABASE].copy()
    try:
        connection.set_autocommit(False)
        if not _took(connection, _number(site, kind)):
            raise AlreadyRunning(
                f"Another process is training the {kind!r} run of site {site}; let it finish."
            )
        yield
    finally:
        connection.close()


def _took(connection: BaseDatabaseWrapper, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(  # transaction_timeout is known from PostgreSQL 17 on
            "SELECT set_config(name, '0', true) FROM pg_settings "
            "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
        )
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _number(site: int, kind: str) -> int:
    digest = hashlib.sha256(f"reco_plugin:train:{site}:{kind}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
