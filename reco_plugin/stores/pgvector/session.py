"""Settings that end with our own statement, and the database's refusals in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import Error as DjangoError
from django.db.backends.utils import CursorWrapper

from reco_plugin.exceptions import StoreError

LOCK_NOT_AVAILABLE = "55P03"
UNDEFINED_TABLE = "42P01"
DISK_FULL = "53100"
OUT_OF_MEMORY = "53200"
DATABASE_ERRORS = (DjangoError, psycopg.Error)

_ADVICE = {
    "42501": "the role lacks a permission; grant it, or set RECO_STORE = 'numpy'",
    DISK_FULL: "the disk (or /dev/shm of a container) is full",
    OUT_OF_MEMORY: "the database server is out of memory",
    LOCK_NOT_AVAILABLE: "another session holds a lock for too long; try again",
    "23505": "a key occurs twice",
    "57014": "the statement was cancelled",
}


@contextmanager
def local_settings(cursor: CursorWrapper, **values: str) -> Iterator[None]:
    """SET LOCAL for the block, also inside a transaction of the caller's.

    A SET LOCAL outlives a released savepoint, so the old values are put back; after an error the
    rollback has done that. Settings this server does not know are left out.
    """
    before = {name: old for name in values if (old := _current(cursor, name)) is not None}
    _set(cursor, {name: values[name] for name in before})
    yield
    _set(cursor, before)


def _current(cursor: CursorWrapper, name: str) -> str | None:
    cursor.execute("SELECT current_setting(%s, true)", [name])
    found: str | None = cursor.fetchone()[0]
    return found


def _set(cursor: CursorWrapper, values: dict[str, str]) -> None:
    for name, value in values.items():
        cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the database says into a StoreError that tells what to do."""
    try:
        yield
    except DATABASE_ERRORS as error:
        advice = _ADVICE.get(sqlstate(error) or "")
        said = str(error).strip().partition("\n")[0] or repr(error)
        raise StoreError(f"{doing}: {said}" + _tail(advice)) from error


def _tail(advice: str | None) -> str:
    return f" ({advice})." if advice else ""


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-character code of an error, through Django's wrapping."""
    found: str | None = getattr(error, "sqlstate", None) or getattr(
        error.__cause__, "sqlstate", None
    )
    return found
