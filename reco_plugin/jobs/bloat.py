"""What deleting leaves behind in PostgreSQL's tables, and what to do about it, in plain words."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connections

from reco_plugin import conf
from reco_plugin.jobs.totals import SOURCES

WORTH_SAYING = 0.1
"""Share of dead rows below which nobody need care."""
_ASKED = """
SELECT n_live_tup, n_dead_tup,
       current_setting('autovacuum')::bool
       AND NOT COALESCE('autovacuum_enabled=false' = ANY(reloptions), false)
FROM pg_stat_user_tables t JOIN pg_class c ON c.oid = t.relid
WHERE t.relid = to_regclass(%s)"""


def advice(names: Collection[str]) -> list[str]:
    """What to do about the tables of these sources; nothing where little is dead, or elsewhere than
    on PostgreSQL. The server counts with some seconds' delay."""
    connection = connections[conf.settings.DATABASE]
    if connection.vendor != "postgresql":
        return []
    found = []
    with connection.cursor() as cursor:
        for source in SOURCES:
            table = source.model._meta.db_table
            cursor.execute(_ASKED, [connection.ops.quote_name(table)])
            row = cursor.fetchone()
            if source.name in names and row is not None:
                found += _words(table, *row)
    return found


def _words(table: str, live: int, dead: int, is_vacuumed: bool) -> list[str]:
    if dead <= WORTH_SAYING * max(1, live + dead):
        return []
    said = f"{table}: {dead:,} dead rows beside {live:,}. Their room is used again after VACUUM"
    if is_vacuumed:
        return [f"{said}, which autovacuum does by itself; no need to do anything."]
    return [f"{said}, but autovacuum is off: run VACUUM (ANALYZE) {table}; (it locks nobody out)."]
