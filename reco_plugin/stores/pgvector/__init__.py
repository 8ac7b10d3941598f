"""The store inside the shop's own PostgreSQL: each run in tables, and behind indexes, of its own."""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import numpy as np
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from reco_plugin import conf
from reco_plugin.exceptions import StoreError
from reco_plugin.models import Interaction, Run, RunStatus
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import (
    Handle,
    History,
    Progress,
    Scored,
    Scoring,
    Vectors,
    Within,
)
from reco_plugin.stores.pgvector import publishing, queries, requirements, tables, wire
from reco_plugin.stores.pgvector.index import Index
from reco_plugin.stores.pgvector.recheck import SPACES, Recheck, drop_index, replace_index
from reco_plugin.stores.pgvector.session import (
    DATABASE_ERRORS,
    LOCK_NOT_AVAILABLE,
    UNDEFINED_TABLE,
    explained,
    local_settings,
    sqlstate,
)
from reco_plugin.stores.pgvector.tables import KeyColumn, Tables
from reco_plugin.stores.validation import check_items, check_query, check_vectors
from reco_plugin.types import Floats, IdMap, Key

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOCK_TIMEOUT_MS = 200
"""Longest that a DDL statement of ours waits, and so makes others wait behind it."""
DROP_ATTEMPTS = 20
ORPHAN_AGE = dt.timedelta(hours=1)
"""Tables this young may belong to a publish whose state is about to be saved."""
UPSERT_ROWS = 500


class PgvectorStore:
    """Vectors in PostgreSQL through pgvector; `database` is a Django alias."""

    name: ClassVar[str] = "pgvector"

    def __init__(self, database: str = "default") -> None:
        self.database = database
        self._key: KeyColumn | None = None

    # --- publishing ---------------------------------------------------------------------------

    def publish(
        self, handle: Handle, vectors: Vectors, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Write a run into tables of its own and index them; see `Store.publish`.

        Everything happens in one transaction, so that a failure or a kill at any moment leaves
        nothing. `progress` must not use this database connection. The state says, for 'nearest'
        and for 'neighbours', which index serves it, its ef_search and its measured recall@10.
        """
        check_vectors(vectors)
        self._prepare()
        with self._ddl(f"Run {handle.run} could not be published") as cursor:
            state = publishing.publish(
                cursor, handle.run, vectors, self._key_column(), progress or _silent
            )
        self._sweep_quietly(handle)
        return state

    def upsert(self, handle: Handle, items: IdMap, vectors: Floats, biases: Floats) -> None:
        """Add or replace items of a published run while it is read. Raises StoreError."""
        check_items(items, vectors, biases)
        self._check_dimension(handle, vectors)
        statement = queries.upsert(Tables.of(handle.state), self._key_column().type)
        folded = np.hstack([vectors, biases[:, None]]).astype(np.float32)
        keys = items.to_python()
        with self._ddl(f"Run {handle.run} could not take new items") as cursor:
            for start in range(0, len(keys), UPSERT_ROWS):
                rows = slice(start, start + UPSERT_ROWS)
                texts = [[wire.literal(row) for row in block[rows]] for block in (folded, vectors)]
                cursor.execute(statement, [keys[rows], *texts])

    def drop(self, handle: Handle) -> None:
        """Drop every table of a run. Raises StoreError while one is read without a pause."""
        self._remove(lambda cursor: tables.of_run(cursor, handle.run), f"run {handle.run}")

    def forget(self, handle: Handle, shoppers: Sequence[uuid.UUID]) -> int:
        """See `Forgetting.forget`: a DELETE by key, which no reader waits for."""
        try:
            with self._ddl(f"Run {handle.run} could not forget a shopper") as cursor:
                return tables.forget(cursor, Tables.of(handle.state), shoppers)
        except StoreError as error:
            if sqlstate(error.__cause__ or error) != UNDEFINED_TABLE:
                raise
            return 0

    def sweep(self, *, dry_run: bool = False) -> list[str]:
        """Drop tables no run names any more, such as those of a publish whose process died before
        it could save the run's state; returns their names."""
        kept = _named_tables(self.database)
        before = dt.datetime.now(dt.UTC) - ORPHAN_AGE

        def orphans(cursor: CursorWrapper) -> list[str]:
            return [name for name in tables.older_than(cursor, before) if name not in kept]

        if dry_run:
            with connections[self.database].cursor() as cursor:
                return orphans(cursor)
        return self._remove(orphans, "orphaned tables")

    # --- reading ------------------------------------------------------------------------------

    def history(self, handle: Handle | None, shopper: uuid.UUID, limit: int) -> History:
        """See `Store.history`; without a handle, events of site RECO_SITE and no vectors."""
        site = handle.site if handle else _site()
        own = Tables.of(handle.state) if handle else None
        statement = queries.history(own, site, shopper, limit)
        with self._reading(handle), connections[self.database].cursor() as cursor:
            cursor.execute(statement.sql, statement.params)
            rows = cursor.fetchall()
        return queries.to_history(rows, shop_keys.reader(self.database))

    def nearest(
        self, handle: Handle, query: Floats, k: int, *, within: Within | None = None
    ) -> list[Scored]:
        """See `Store.nearest`. Raises StoreError for a query that does not fit the run."""
        own, state = Tables.of(handle.state), handle.state
        folded = np.append(check_query(query, state["dimension"]), np.float32(1))
        if k <= 0:
            return []
        plan = self._plan(handle, "nearest", k, within)
        found = self._fetch(handle, queries.nearest(own, folded, k, plan=plan, within=within), plan)
        if plan.kind is not None and len(found) < min(k, state["rows"]):
            exact = queries.nearest(own, folded, k, plan=queries.EXACT)
            found = self._fetch(handle, exact, queries.EXACT)
        to_key = shop_keys.reader(self.database)
        return [Scored(key=to_key(key), score=score) for key, score in found]

    def neighbours(
        self, handle: Handle, key: Key, k: int, *, within: Within | None = None
    ) -> list[Scored]:
        """See `Store.neighbours`. An item without a direction (a zero vector) is near nothing."""
        own, dimension = Tables.of(handle.state), handle.state["dimension"]
        value = shop_keys.to_database(self.database, key)
        if k <= 0 or value is None:
            return []
        plan = self._plan(handle, "neighbours", k, within)
        statement = queries.neighbours(own, value, k, dimension=dimension, plan=plan, within=within)
        found = self._fetch(handle, statement, plan)
        to_key = shop_keys.reader(self.database)
        return [
            Scored(key=to_key(near), score=1 - distance)
            for near, distance in found
            if distance is not None and distance == distance  # noqa: PLR0124 (NaN is not)
        ]

    def ordering(self, handle: Handle, query: Floats) -> Scoring:
        """See `Ordering.ordering`. Raises StoreError for a query that does not fit the run."""
        folded = np.append(check_query(query, handle.state["dimension"]), np.float32(1))
        return queries.score(Tables.of(handle.state), folded)

    def item_vectors(self, handle: Handle) -> tuple[IdMap, Floats]:
        """See `Exporting.item_vectors`: one binary COPY."""
        own, dimension = Tables.of(handle.state), handle.state["dimension"]
        with self._ddl(f"The items of run {handle.run} could not be read") as cursor:
            raw = tables.export(cursor, own)
        return wire.decode_items(raw, self._key_column().type, dimension)

    def vectors_of(self, handle: Handle, keys: Sequence[Key]) -> Mapping[Key, Floats]:
        """See `Lending.vectors_of`."""
        wanted = shop_keys.array(self.database, set(keys))
        if not wanted:
            return {}
        own, key_type = Tables.of(handle.state), self._key_column().type
        statement = queries.vectors_of(own, wanted, key_type)
        with self._reading(handle), connections[self.database].cursor() as cursor:
            cursor.execute(statement.sql, statement.params)
            found = cursor.fetchall()
        to_key = shop_keys.reader(self.database)
        vectors = wire.decode_rows([raw for _, raw in found])
        return {to_key(key): vector for (key, _), vector in zip(found, vectors, strict=True)}

    def settings(self, handle: Handle) -> Mapping[str, str]:
        """See `Tuned.settings`."""
        return queries.settings(queries.Plan.of(handle.state, "nearest"), handle.state["rows"])

    # --- asking -------------------------------------------------------------------------------

    def recheck(
        self, handle: Handle, progress: Progress | None = None
    ) -> Mapping[str, Mapping[str, Any]]:
        """See `Rechecking.recheck`: asked with queries as serving sends them."""
        indexed = [
            space for space in SPACES if queries.Plan.of(handle.state, space).kind is not None
        ]
        found = {}
        for number, space in enumerate(indexed, 1):
            with explained(f"Run {handle.run} could not be probed"):
                found[space] = Recheck(self.database, handle, space).verdict(
                    lambda built: self._build_anew(handle, built)
                )
            (progress or _silent)("recall", number, len(indexed))
        return found

    def check(self) -> Sequence[str]:
        """See `Store.check`: an extension that this role may install itself is no obstacle."""
        if connections[self.database].vendor != "postgresql":
            return [f"Database {self.database!r} is not PostgreSQL; set RECO_STORE = 'numpy'."]
        return list(requirements.ask(self.database).blockers())

    def advice(self) -> Sequence[str]:
        """What works, but should be better, in plain words."""
        if connections[self.database].vendor != "postgresql":
            return []
        return list(requirements.ask(self.database).advice())

    # --- inside -------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if blockers := self.check():
            raise StoreError(" ".join(blockers))
        if requirements.ask(self.database).version is None:
            with self._ddl("The vector extension could not be installed") as cursor:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def _sweep_quietly(self, handle: Handle) -> None:
        """The run is published whatever becomes of others' leftovers."""
        try:
            self.sweep()
        except StoreError as error:
            logger.warning("Run %s is published; leftovers stay for now: %s", handle.run, error)

    def _key_column(self) -> KeyColumn:
        """Worked out once: it is no more than the shop's models say, but Django takes long to say it."""
        if self._key is None:
            self._key = self._asked_key_column()
        return self._key

    def _asked_key_column(self) -> KeyColumn:
        found = Interaction._meta.get_field("product").db_parameters(connections[self.database])
        return KeyColumn(type=str(found["type"]), collation=found.get("collation"))

    def _check_dimension(self, handle: Handle, vectors: Floats) -> None:
        expected = handle.state["dimension"]
        if vectors.shape[1] != expected:
            raise StoreError(
                f"Run {handle.run} has {expected} dimensions, the new vectors {vectors.shape[1]}."
            )

    def _plan(self, handle: Handle, space: str, k: int, within: Within | None) -> queries.Plan:
        if within is not None or k > queries.MAX_INDEX_K:
            return queries.EXACT
        return queries.Plan.of(handle.state, space)

    def _fetch(
        self, handle: Handle, statement: queries.Statement, plan: queries.Plan
    ) -> list[tuple[Any, ...]]:
        with self._reading(handle):
            return queries.fetch(self.database, statement, plan, handle.state["rows"])

    @contextmanager
    def _reading(self, handle: Handle | None) -> Iterator[None]:
        """A dropped run is said to be so; every other error (a timeout, say) stays what it is."""
        try:
            yield
        except DATABASE_ERRORS as error:
            if handle is None or sqlstate(error) != UNDEFINED_TABLE:
                raise
            raise StoreError(f"Run {handle.run} is not in the store (any more).") from error

    @contextmanager
    def _ddl(self, failure: str) -> Iterator[CursorWrapper]:
        """A transaction that waits for no lock for long and is not cut short by the shop's limits."""
        with (
            explained(failure),
            transaction.atomic(using=self.database),
            connections[self.database].cursor() as cursor,
            local_settings(
                cursor,
                lock_timeout=f"{LOCK_TIMEOUT_MS}ms",
                statement_timeout="0",
                idle_in_transaction_session_timeout="0",
                transaction_timeout="0",
                max_parallel_maintenance_workers=str(conf.settings.INDEX_WORKERS),
            ),
        ):
            yield cursor

    def _build_anew(self, handle: Handle, built: Index) -> None:
        with self._ddl(f"An index of run {handle.run} could not be built anew") as cursor:
            old = replace_index(cursor, built, handle.state["rows"])
        self._patiently(lambda cursor: drop_index(cursor, old), "a worn index")

    def _remove(self, names: Any, subject: str) -> list[str]:
        """Drop the tables that `names(cursor)` finds, trying again while readers hold them."""

        def remove(cursor: CursorWrapper) -> list[str]:
            found: list[str] = names(cursor)
            tables.remove(cursor, found)
            return found

        return self._patiently(remove, subject)

    def _patiently(self, work: Callable[[CursorWrapper], T], subject: str) -> T:
        """Do `work`, trying again while readers hold what it drops."""
        for attempt in range(DROP_ATTEMPTS):
            try:
                with self._ddl(f"Could not drop {subject}") as cursor:
                    found = work(cursor)
            except StoreError as error:
                if sqlstate(error.__cause__ or error) != LOCK_NOT_AVAILABLE:
                    raise
                time.sleep(random.uniform(0.5, 1.5) * min(0.05 * 2**attempt, 1.0))  # noqa: S311
            else:
                return found
        raise StoreError(
            f"Could not drop {subject}: it is being read all the time; try again later."
        )


def _named_tables(database: str) -> set[str]:
    runs = Run.objects.using(database).exclude(status=RunStatus.PRUNED)
    states = runs.exclude(store_state={}).values_list("store_state", flat=True)
    return {state[part] for state in states for part in ("items", "shoppers") if part in state}


def _site() -> int:
    value = conf.settings.SITE
    return value if isinstance(value, int) else 1


def _silent(stage: str, done: int, total: int) -> None:
    """No progress wanted."""
