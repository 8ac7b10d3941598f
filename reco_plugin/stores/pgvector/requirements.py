"""What this store needs of the database, asked in one statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connections

from reco_plugin.stores.pgvector.session import explained

OLDEST = (0, 8, 0)
"""The first pgvector with iterative index scans."""
ADVISED = (0, 8, 4)
"""The first without the known faults in HNSW vacuum and index builds."""

_QUESTION = """
SELECT
  (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
  (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector'),
  to_regtype('vector') IS NOT NULL,
  (SELECT v.version FROM pg_available_extension_versions v
    JOIN pg_available_extensions a ON a.name = v.name AND a.default_version = v.version
    WHERE v.name = 'vector'),
  EXISTS (SELECT FROM pg_available_extension_versions v WHERE v.name = 'vector' AND (
    NOT v.superuser OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR (v.trusted AND has_database_privilege(current_database(), 'CREATE')))),
  current_schema(),
  has_schema_privilege(current_schema(), 'CREATE'),
  current_user,
  current_database(),
  current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The answers, as far as they decide anything."""

    version: str | None
    """Version of the installed extension, None when it is not installed."""
    extension_schema: str | None
    reachable: bool
    available: str | None
    """Version the server could install."""
    installable: bool
    """This very role may install it."""
    schema: str | None
    may_create: bool
    role: str
    database: str
    read_only: bool

    def blockers(self) -> Iterator[str]:
        """Plain words for everything that stands in the way."""
        yield from self._extension_blockers()
        if self.schema is None:
            yield (
                f"No schema on the search_path of role {self.role} exists; set search_path to one."
            )
        elif not self.may_create:
            yield (
                f"Role {self.role} may not create tables in schema {self.schema}. Ask a DBA for: "
                f'GRANT CREATE ON SCHEMA "{self.schema}" TO "{self.role}"; '
                f"or set RECO_STORE = 'numpy'."
            )
        if self.read_only:
            yield f"Database {self.database} is read-only here; publish on its primary server."

    def _extension_blockers(self) -> Iterator[str]:
        if self.version is not None:
            yield from self._installed_blockers(self.version)
        elif self.available is None:
            yield (
                "The PostgreSQL server has no pgvector. Install it there (package "
                "postgresql-NN-pgvector), then run: CREATE EXTENSION vector; "
                "or set RECO_STORE = 'numpy'."
            )
        elif not self.installable:
            yield (
                f"The vector extension is not installed in database {self.database}, and role "
                f"{self.role} may not install it. Ask a DBA to run there: CREATE EXTENSION vector;"
            )
        elif parsed(self.available) < OLDEST:
            yield self._too_old(self.available)

    def _installed_blockers(self, version: str) -> Iterator[str]:
        if parsed(version) < OLDEST:
            yield self._too_old(version)
        if not self.reachable:
            yield (
                f"pgvector is installed in schema {self.extension_schema}, which is not on the "
                f'search_path of role {self.role}. Run: ALTER ROLE "{self.role}" IN DATABASE '
                f'"{self.database}" SET search_path = "{self.schema}", "{self.extension_schema}";'
            )

    def advice(self) -> Iterator[str]:
        """What works but should be better."""
        version = self.version or self.available
        if version and OLDEST <= parsed(version) < ADVISED:
            yield (
                f"pgvector {version} has known faults in its HNSW index; install "
                f"{'.'.join(map(str, ADVISED))} or newer, then run: ALTER EXTENSION vector UPDATE;"
            )

    @staticmethod
    def _too_old(version: str) -> str:
        return (
            f"pgvector {version} cannot scan an index iteratively; install 0.8.4 or newer on the "
            f"server, then run: ALTER EXTENSION vector UPDATE;"
        )


def ask(database: str) -> Found:
    """Look at `database`; changes nothing. Raises StoreError when it cannot be reached."""
    with (
        explained("The database could not be asked for pgvector"),
        connections[database].cursor() as cursor,
    ):
        cursor.execute(_QUESTION)
        row = cursor.fetchone()
    return Found(
        version=row[0],
        extension_schema=row[1],
        reachable=row[2],
        available=row[3],
        installable=row[4],
        schema=row[5],
        may_create=bool(row[6]),
        role=row[7],
        database=row[8],
        read_only=row[9],
    )


def parsed(version: str) -> tuple[int, ...]:
    """'0.8.5' → (0, 8, 5)."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
