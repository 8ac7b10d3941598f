"""A migration that cannot get its lock says who is in the way, and leaves nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from reco_plugin import operations
from reco_plugin.exceptions import RecoError


pytestmark = pytest.mark.django_db(transaction=True)
INDEX = models.Index(fields=["product"], name="reco_interaction_product")


@pytest.fixture(autouse=True)
def only_on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")


@pytest.fixture
def someone_else() -> Iterator[psycopg.Connection]:
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        yield other
        other.rollback()


@pytest.fixture
def state() -> ProjectState:
    return MigrationLoader(connection).project_state()


@pytest.fixture
def without_index(state: ProjectState) -> Iterator[None]:
    operation = operation_of(operations.AddIndexSafely)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("reco", editor, state, state)
    yield
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("reco", editor, state, state)


def operation_of(kind: type[Any]) -> Any:
    if kind is operations.AddIndexSafely:
        return kind(model_name="interaction", index=INDEX)
    return kind(model_name="interaction", name=INDEX.name)


def index() -> list[tuple[bool]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relname = %s",
            [INDEX.name],
        )
        return list(cursor.fetchall())


def rename() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE reco_half_done ()")
        cursor.execute("ALTER TABLE reco_run ADD COLUMN half_done integer")


def test_blocked_migration_names_who_is_in_the_way(someone_else: psycopg.Connection) -> None:
    someone_else.execute("SET application_name = 'a report'")
    someone_else.execute("SELECT count(*) FROM reco_run")
    with (
        pytest.raises(operations.MigrationBlocked) as caught,
        connection.schema_editor(atomic=True),
    ):
        operations.patiently(connection, "reco.0099_test", rename, tries=2, pause=0)
    assert isinstance(caught.value, CommandError | RecoError)
    assert "reco.0099_test" in str(caught.value)
    assert f"process {someone_else.info.backend_pid} (idle in transaction, a report" in str(
        caught.value
    )
    assert "reco_half_done" not in connection.introspection.table_names()


def test_the_next_attempt_gets_through(someone_else: psycopg.Connection) -> None:
    someone_else.execute("SELECT count(*) FROM reco_run")
    seen: list[int] = []

    def work() -> str:
        seen.append(len(seen))
        if len(seen) == 2:
            someone_else.rollback()
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE reco_run IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SELECT current_setting('lock_timeout')")
            return str(cursor.fetchone()[0])

    with connection.schema_editor(atomic=True):
        assert operations.patiently(connection, "reco.0099_test", work, pause=0) == "250ms"
    assert seen == [0, 1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        assert cursor.fetchone() == ("0",)


def test_a_mistake_is_not_tried_again() -> None:
    seen: list[int] = []

    def work() -> None:
        seen.append(1)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE reco_no_such_table ADD COLUMN a integer")

    with pytest.raises(DatabaseError), connection.schema_editor(atomic=True):
        operations.patiently(connection, "reco.0099_test", work)
    assert seen == [1]


@pytest.mark.usefixtures("without_index")
def test_index_is_added_and_removed_by_either_operation(state: ProjectState) -> None:
    add = operation_of(operations.AddIndexSafely)
    remove = operation_of(operations.RemoveIndexSafely)
    before = state.clone()
    remove.state_forwards("reco", state)
    steps: tuple[tuple[Callable[..., None], Any, Any, list[Any]], ...] = (
        (add.database_forwards, state, before, [(True,)]),
        (add.database_forwards, state, before, [(True,)]),
        (remove.database_forwards, before, state, []),
        (remove.database_forwards, before, state, []),
        (remove.database_backwards, state, before, [(True,)]),
        (add.database_backwards, before, state, []),
    )
    for step, source, target, expected in steps:
        with connection.schema_editor(atomic=False) as editor:
            step("reco", editor, source, target)
        assert index() == expected


@pytest.mark.usefixtures("without_index")
def test_an_index_asks_for_a_migration_that_is_not_atomic(state: ProjectState) -> None:
    operation = operation_of(operations.AddIndexSafely)
    editor = connection.schema_editor(atomic=False)
    with transaction.atomic(), pytest.raises(RecoError, match="atomic = False"):
        operation.database_forwards("reco", editor, state, state)


def test_timeouts_of_the_role_are_as_before(state: ProjectState) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '7s'")
        try:
            with connection.schema_editor(atomic=False) as editor:
                operation_of(operations.AddIndexSafely).database_forwards(
                    "reco", editor, state, state
                )
            cursor.execute("SELECT current_setting('statement_timeout')")
            assert cursor.fetchone() == ("7s",)
        finally:
            cursor.execute("RESET statement_timeout")


@pytest.mark.usefixtures("without_index")
def test_an_index_that_waits_too_long_is_left_to_the_next_attempt(
    someone_else: psycopg.Connection, state: ProjectState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BUILD_TIMEOUT_MS", 200)
    monkeypatch.setattr(operations, "PAUSE_SECONDS", 0)
    operation = operation_of(operations.AddIndexSafely)
    someone_else.execute("LOCK TABLE reco_interaction IN ROW EXCLUSIVE MODE")
    with (
        pytest.raises(operations.MigrationBlocked, match=INDEX.name),
        connection.schema_editor(atomic=False) as editor,
    ):
        operation.database_forwards("reco", editor, state, state)
    assert index() == [(False,)]
    someone_else.rollback()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("reco", editor, state, state)
    assert index() == [(True,)]


def test_the_docs_say_how_patient_a_migration_is() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "migrations.md"
    text = page.read_text()
    assert f"{operations.LOCK_TIMEOUT_MS} milliseconds" in text
    assert (operations.TRIES, operations.PAUSE_SECONDS) == (20, 1.5)
    assert "a second and a half later, twenty times" in text
    assert f"{operations.BUILD_TIMEOUT_MS // 60_000} minutes" in text
