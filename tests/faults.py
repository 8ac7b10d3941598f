"""Ways to break the database around us, each undone at its end. PostgreSQL only."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import psycopg
from django.db import connection

Fault = Callable[[], contextlib.AbstractContextManager[None]]
OURS = "SELECT format('%I', relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'reco\\_%'"


def connect(*, autocommit: bool = True) -> psycopg.Connection:
    """A connection beside Django's, to the same database."""
    return psycopg.connect(**connection.get_connection_params(), autocommit=autocommit)


@contextlib.contextmanager
def locked(*tables: str) -> Iterator[None]:
    """Another session holds these tables (all of ours unless named) and does not let go."""
    with connect(autocommit=False) as other:
        names = tables or [row[0] for row in other.execute(OURS).fetchall()]
        other.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@contextlib.contextmanager
def on_insert(body: str, table: str = "reco_interaction") -> Iterator[None]:
    """Each INSERT into `table` does `body` first."""
    with connect() as other:
        other.execute(
            f"CREATE FUNCTION reco_fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
        )
        other.execute(
            f"CREATE TRIGGER reco_fault BEFORE INSERT ON {table} EXECUTE FUNCTION reco_fault()"
        )
        try:
            yield
        finally:
            other.execute("DROP FUNCTION reco_fault() CASCADE")


def raising(sqlstate: str) -> Fault:
    return lambda: on_insert(f"RAISE EXCEPTION 'fault' USING ERRCODE = '{sqlstate}'")


def slow() -> contextlib.AbstractContextManager[None]:
    return on_insert("PERFORM pg_sleep(10)")


def cancelled() -> contextlib.AbstractContextManager[None]:
    """An operator cancels our statement."""
    return on_insert("PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(10)")


def terminated() -> contextlib.AbstractContextManager[None]:
    """The server ends the connection in the middle of our statement."""
    return on_insert("PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10)")


@contextlib.contextmanager
def table_missing() -> Iterator[None]:
    """The code is there before its migration."""
    with connect() as other:
        other.execute("ALTER TABLE reco_interaction RENAME TO reco_interaction_not_yet")
        try:
            yield
        finally:
            other.execute("ALTER TABLE reco_interaction_not_yet RENAME TO reco_interaction")


@contextlib.contextmanager
def newer_schema() -> Iterator[None]:
    """A later release has added columns, as an expanding migration may: old code does not know them."""
    with connect() as other:
        other.execute(
            "ALTER TABLE reco_interaction ADD COLUMN of_later text, "
            "ADD COLUMN with_default integer NOT NULL DEFAULT 7"
        )
        try:
            yield
        finally:
            other.execute(
                "ALTER TABLE reco_interaction DROP COLUMN of_later, DROP COLUMN with_default"
            )


@contextlib.contextmanager
def silent_broker() -> Iterator[tuple[str, list[socket.socket]]]:
    """A URL that accepts connections and never answers, and the connections it was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    asked.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0", asked
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)
            for each in asked:
                each.close()
