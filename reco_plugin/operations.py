"""Migrations that never make a shop wait: short waits for locks, and indexes built beside the traffic.

A statement that waits for an exclusive lock holds up everyone who comes after it, so each attempt
waits only a moment, gives everything back when it fails, and tries again later. On anything but
PostgreSQL all of this is what Django does anyway.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.management.base import CommandError
from django.db import Error, migrations, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

from reco_plugin.exceptions import RecoError

LOCK_TIMEOUT_MS = 250
TRIES = 20
PAUSE_SECONDS = 1.5
BUILD_TIMEOUT_MS = 15 * 60 * 1_000
"""A concurrent build hinders nobody while it waits for older transactions, so it may wait long."""
BUILD_TRIES = 2

logger = logging.getLogger(__name__)
_BLOCKED = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_Apply = Callable[[ProjectState, BaseDatabaseSchemaEditor, bool], ProjectState]
T = TypeVar("T")


class MigrationBlocked(RecoError, CommandError):
    """A lock was not to be had; nothing has changed, and `migrate` may be run again."""


class PatientMigration(migrations.Migration):
    """A migration whose statements wait for locks for a moment only, and are tried again."""

    def apply(
        self,
        project_state: ProjectState,
        schema_editor: BaseDatabaseSchemaEditor,
        collect_sql: bool = False,
    ) -> ProjectState:
        applied: _Apply = super().apply

        def work() -> ProjectState:
            state = project_state.clone()
            return _settled(schema_editor, lambda: applied(state, schema_editor, collect_sql))

        return work() if collect_sql else patiently(schema_editor.connection, str(self), work)

    def unapply(
        self,
        project_state: ProjectState,
        schema_editor: BaseDatabaseSchemaEditor,
        collect_sql: bool = False,
    ) -> ProjectState:
        unapplied: _Apply = super().unapply

        def work() -> ProjectState:
            return _settled(
                schema_editor, lambda: unapplied(project_state, schema_editor, collect_sql)
            )

        return work() if collect_sql else patiently(schema_editor.connection, str(self), work)


class AddIndexSafely(migrations.AddIndex):
    """Add an index without stopping writers. Belongs into a migration with `atomic = False`."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _add(schema_editor, model, self.index)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _remove(schema_editor, model, self.index)

    def describe(self) -> str:
        return f"Safely: {super().describe()}"


class RemoveIndexSafely(migrations.RemoveIndex):
    """Remove an index without stopping anyone. Belongs into a migration with `atomic = False`."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _remove(schema_editor, model, self._index(from_state, app_label))

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            _add(schema_editor, model, self._index(to_state, app_label))

    def _index(self, state: ProjectState, app_label: str) -> models.Index:
        model = state.models[app_label, self.model_name_lower]
        index: models.Index = model.get_index_by_name(self.name)
        return index

    def describe(self) -> str:
        return f"Safely: {super().describe()}"


def patiently(
    connection: BaseDatabaseWrapper,
    what: str,
    work: Callable[[], T],
    *,
    tries: int = TRIES,
    pause: float = PAUSE_SECONDS,
) -> T:
    """`work()` in a savepoint under `lock_timeout`, up to `tries` times, `pause` seconds apart.

    Raises MigrationBlocked, naming who holds the locks, when none of them got through.
    """
    if connection.vendor != "postgresql":
        return work()

    def attempt() -> T:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_MS}ms"])
            return work()

    return _tried(connection, what, attempt, tries, pause)


def _tried(
    connection: BaseDatabaseWrapper, what: str, attempt: Callable[[], T], tries: int, pause: float
) -> T:
    """What `attempt` returns the first time no lock is in its way."""
    for remaining in range(tries - 1, 0, -1):
        try:
            return attempt()
        except Error as error:
            if not _is_blocked(error):
                raise
        logger.info("%s waits for a lock; %d more attempts.", what, remaining)
        time.sleep(pause)
    try:
        return attempt()
    except Error as error:
        if not _is_blocked(error):
            raise
        raise MigrationBlocked(
            f"{what}: another transaction holds a lock for too long. Nothing is half done. "
            f"{_holders(connection)} End it, or run migrate again at a quieter moment."
        ) from error


def _is_blocked(error: Error) -> bool:
    return getattr(error.__cause__, "sqlstate", "") in _BLOCKED


def _settled(schema_editor: Any, work: Callable[[], T]) -> T:
    """`work()`, with what it left for the end of the migration (foreign keys) done at once, so that
    these statements are tried again with the rest."""
    before = len(schema_editor.deferred_sql)
    try:
        result = work()
        if schema_editor.connection.vendor == "postgresql":
            for statement in schema_editor.deferred_sql[before:]:
                schema_editor.execute(statement, None)
            del schema_editor.deferred_sql[before:]
    except Error:
        del schema_editor.deferred_sql[before:]
        raise
    return result


_HOLDERS = """
SELECT DISTINCT a.pid, a.state, a.application_name, a.xact_start
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation
WHERE l.granted AND c.relname LIKE 'reco\\_%%' AND a.pid <> pg_backend_pid()
ORDER BY a.xact_start LIMIT 5
"""


def _holders(connection: BaseDatabaseWrapper) -> str:
    """Who is in our tables, in words for whoever runs the migration."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS)
        rows = cursor.fetchall()
    told = "; ".join(
        f"process {pid} ({state or 'state not shown'}, {name or 'unnamed'}, since {since})"
        for pid, state, name, since in rows
    )
    return f"In our tables: {told}." if told else "It has ended meanwhile."


# --- indexes -------------------------------------------------------------------------------------


def _add(schema_editor: Any, model: type[models.Model], index: models.Index) -> None:
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        schema_editor.add_index(model, index)
        return
    if schema_editor.collect_sql:
        schema_editor.add_index(model, index, concurrently=True)
        return

    def build() -> None:
        if (state := _standing(connection, index.name)) == "valid":
            return
        if state == "invalid":  # what a build that was broken off leaves behind
            schema_editor.remove_index(model, index, concurrently=True)
        schema_editor.add_index(model, index, concurrently=True)

    _concurrently(connection, f"index {index.name}", build)


def _remove(schema_editor: Any, model: type[models.Model], index: models.Index) -> None:
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        schema_editor.remove_index(model, index)
        return

    def drop() -> None:
        if schema_editor.collect_sql or _standing(connection, index.name):
            schema_editor.remove_index(model, index, concurrently=True)

    _concurrently(connection, f"index {index.name}", drop)


def _concurrently(connection: BaseDatabaseWrapper, what: str, work: Callable[[], None]) -> None:
    """Statements that cannot run in a transaction, with long waits; tried again after a deadlock."""
    if connection.in_atomic_block:
        raise RecoError(f"{what}: set `atomic = False` on the migration.")
    with _timeouts(connection):
        _tried(connection, what, work, BUILD_TRIES, PAUSE_SECONDS)


@contextmanager
def _timeouts(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """No `statement_timeout` of the role breaks a build off; a lock is waited for, not for ever."""
    ours = {"lock_timeout": f"{BUILD_TIMEOUT_MS}ms", "statement_timeout": "0"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
        )
        theirs = dict(zip(ours, cursor.fetchone(), strict=True))
        _set(cursor, ours)
        try:
            yield
        finally:
            _set(cursor, theirs)


def _set(cursor: Any, values: dict[str, str]) -> None:
    for name, value in values.items():
        cursor.execute("SELECT set_config(%s, %s, false)", [name, value])


def _standing(connection: BaseDatabaseWrapper, name: str) -> str:
    """'valid', 'invalid', or '' when there is no such index in the schema in force."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relname = %s AND pg_table_is_visible(c.oid)",
            [name],
        )
        row = cursor.fetchone()
    return "" if row is None else "valid" if row[0] else "invalid"
