"""A run's own two tables: made, filled, found again and dropped.

They share no parent with another run's, so nothing here takes a lock that a reader of a live run
waits for.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from reco_plugin.exceptions import StoreError
from reco_plugin.stores.base import Vectors
from reco_plugin.stores.pgvector import wire

PREFIX = "reco_vectors"
INLINE_BYTES = 7_900
"""A row up to this size is kept whole on its page: a scan then never visits a TOAST table."""

_NAME = rf"{PREFIX}_[0-9]+_[0-9a-f]{{8}}_(items|shoppers)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """The names of one published run's tables, in the schema that comes first on the path."""

    items: str
    shoppers: str

    @classmethod
    def fresh(cls, run: int) -> Tables:
        """Names nobody has used: publishing a run again never touches its readers' tables."""
        stem = f"{PREFIX}_{run}_{secrets.token_hex(4)}"
        return cls(items=f"{stem}_items", shoppers=f"{stem}_shoppers")

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Tables:
        try:
            return cls(items=state["items"], shoppers=state["shoppers"])
        except KeyError as error:
            raise StoreError(
                f"The run's state names no {error} table: it was not published by the pgvector store."
            ) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyColumn:
    """Type of the shop's product key, and its collation where the shop chose one."""

    type: str
    collation: str | None = None

    def definition(self) -> sql.Composable:
        name = sql.SQL(self.type)
        if self.collation is None:
            return name
        return sql.SQL("{} COLLATE {}").format(name, sql.Identifier(self.collation))


def create(cursor: CursorWrapper, tables: Tables, key: KeyColumn, dimension: int) -> None:
    """Make both tables, empty and without an index."""
    _execute(
        cursor,
        "CREATE TABLE {} (key {} NOT NULL, folded vector({}) NOT NULL, embedding vector({}) NOT NULL)",
        sql.Identifier(tables.items),
        key.definition(),
        sql.Literal(dimension + 1),
        sql.Literal(dimension),
    )
    _execute(
        cursor,
        "CREATE TABLE {} (key uuid NOT NULL, vector vector({}) NOT NULL)",
        sql.Identifier(tables.shoppers),
        sql.Literal(dimension),
    )
    if 8 * (dimension + 1) < INLINE_BYTES:
        for column in ("folded", "embedding"):
            _execute(
                cursor,
                "ALTER TABLE {} ALTER COLUMN {} SET STORAGE PLAIN",
                sql.Identifier(tables.items),
                sql.Identifier(column),
            )


def fill(
    cursor: CursorWrapper,
    tables: Tables,
    key: KeyColumn,
    vectors: Vectors,
    told: Callable[[str, int, int], None],
) -> None:
    """Write every row by binary COPY, then the primary keys and the planner's statistics.

    FREEZE is allowed since the tables were made in this transaction: no reader later pays for
    hint bits, and no vacuum ever has to visit the rows.
    """
    columns = [vectors.folded(), vectors.item_vectors]
    rows = wire.encode(vectors.items, key.type, columns)
    _copy(cursor, tables.items, rows, lambda done: told("items", done, len(vectors.items)))
    rows = wire.encode(vectors.shoppers, "uuid", [vectors.shopper_vectors])
    _copy(cursor, tables.shoppers, rows, lambda done: told("shoppers", done, len(vectors.shoppers)))
    for table in (tables.items, tables.shoppers):
        _execute(cursor, "ALTER TABLE {} ADD PRIMARY KEY (key)", sql.Identifier(table))


def export(cursor: CursorWrapper, tables: Tables) -> bytes:
    """The keys and unfolded vectors of all items, as a binary COPY stream."""
    statement = sql.SQL("COPY {} (key, embedding) TO STDOUT (FORMAT binary)")
    with cursor.copy(statement.format(sql.Identifier(tables.items))) as stream:
        return b"".join(stream)


def sign(cursor: CursorWrapper, tables: Tables, run: int, now: dt.datetime) -> None:
    """Say in the tables' comments what they are and since when; `orphans` reads it back."""
    words = f"reco_plugin run {run}, published {now.isoformat(timespec='seconds')}"
    for table in (tables.items, tables.shoppers):
        _execute(cursor, "COMMENT ON TABLE {} IS {}", sql.Identifier(table), sql.Literal(words))
        _execute(cursor, "ANALYZE {}", sql.Identifier(table))


def forget(cursor: CursorWrapper, tables: Tables, shoppers: Sequence[uuid.UUID]) -> int:
    """Delete the rows of shoppers; returns how many there were."""
    statement = sql.SQL("DELETE FROM {} WHERE key = ANY(%s::uuid[])")
    cursor.execute(
        statement.format(sql.Identifier(tables.shoppers)), [[str(each) for each in shoppers]]
    )
    return max(0, int(cursor.rowcount))


def of_run(cursor: CursorWrapper, run: int) -> list[str]:
    """Every table of `run`, of whatever publish."""
    return [name for name, _ in _existing(cursor) if name.startswith(f"{PREFIX}_{run}_")]


def older_than(cursor: CursorWrapper, moment: dt.datetime) -> list[str]:
    """Every run's tables that were published before `moment`."""
    return [name for name, since in _existing(cursor) if since is not None and since < moment]


def remove(cursor: CursorWrapper, names: list[str]) -> None:
    """DROP TABLE; waits for readers of these very tables, within the lock_timeout in force."""
    if names:
        _execute(
            cursor,
            "DROP TABLE IF EXISTS {}",
            sql.SQL(", ").join(sql.Identifier(name) for name in names),
        )


def _existing(cursor: CursorWrapper) -> Iterator[tuple[str, dt.datetime | None]]:
    cursor.execute(
        "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace "
        "AND relname LIKE %s ORDER BY relname",
        [PREFIX.replace("_", r"\_") + r"\_%"],
    )
    for name, comment in cursor.fetchall():
        if re.fullmatch(_NAME, name):
            yield name, _since(comment or "")


def _since(comment: str) -> dt.datetime | None:
    found = re.search(r"published (\S+)$", comment)
    return dt.datetime.fromisoformat(found[1]) if found else None


def _copy(
    cursor: CursorWrapper,
    table: str,
    pieces: Iterator[tuple[int, bytes]],
    told: Callable[[int], None],
) -> None:
    done = 0
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary, FREEZE)").format(sql.Identifier(table))
    with cursor.copy(statement) as stream:
        for rows, piece in pieces:
            stream.write(piece)
            done += rows
            told(done)


def _execute(cursor: CursorWrapper, template: str, *parts: sql.Composable) -> None:
    cursor.execute(sql.SQL(template).format(*parts))
