"""How the database would run our own queries: does an index serve them, or is a large table read whole?"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db.backends.utils import CursorWrapper

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, ok, warning
from reco_plugin.doctor.looking import is_postgresql, looking
from reco_plugin.models import ActiveRun, Interaction, Run
from reco_plugin.stores.pgvector import queries
from reco_plugin.stores.pgvector.queries import Plan, Statement
from reco_plugin.stores.pgvector.tables import Tables

LARGE = 10_000
"""Rows from which on a table should not be read whole for one shopper."""


def of_our_queries(site: int) -> Iterator[Finding]:
    """EXPLAIN (without running) what a page reads: a shopper's past, and the live run's vectors."""
    if not is_postgresql():
        return
    run = _live_run(site)
    with looking() as cursor:
        yield _of_history(cursor, site, run)
        if run is not None and run.store == "pgvector":
            yield from _of_vectors(cursor, run)


def _live_run(site: int) -> Run | None:
    live = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site, kind="personal")
    active = live.select_related("run").first()
    return active.run if active else None


def _of_history(cursor: CursorWrapper, site: int, run: Run | None) -> Finding:
    own = Tables.of(run.store_state) if run is not None and run.store == "pgvector" else None
    statement = queries.history(own, site, uuid.uuid4(), conf.settings.HISTORY)
    scanned = _scanned_whole(_nodes(_explained(cursor, statement)))
    table = Interaction._meta.db_table
    if table in scanned and _size(cursor, table) >= LARGE:
        return warning(
            "plans.history",
            f"A shopper's past is found by reading all of {table}.",
            f"Its index is missing or its statistics are old. Run: ANALYZE {table}; "
            "then: python manage.py migrate.",
        )
    return ok("plans.history", "A shopper's past is read by an index (or the table is small).")


def _of_vectors(cursor: CursorWrapper, run: Run) -> Iterator[Finding]:
    own, state = Tables.of(run.store_state), run.store_state
    for space in ("nearest", "neighbours"):
        plan = Plan.of(state, space)
        if plan.kind is None:
            yield ok(
                f"plans.{space}",
                f"For {space}, {state['rows']:,} vectors are scanned exactly, as intended.",
            )
            continue
        for name, value in queries.settings(plan, state["rows"]).items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        statement = _statement(cursor, own, space, state["dimension"], plan)
        yield _judged(space, own.items, _nodes(_explained(cursor, statement)))


def _statement(
    cursor: CursorWrapper, own: Tables, space: str, dimension: int, plan: Plan
) -> Statement:
    if space == "nearest":
        query = np.ones(dimension + 1, dtype=np.float32)
        return queries.nearest(own, query, conf.settings.LIMIT, plan=plan)
    quoted = cursor.db.ops.quote_name(own.items)
    cursor.execute(f"SELECT key FROM {quoted} LIMIT 1")  # noqa: S608 - our own table's name, quoted
    ((key,),) = cursor.fetchall()
    return queries.neighbours(own, key, conf.settings.LIMIT, dimension=dimension, plan=plan)


def _judged(space: str, table: str, nodes: list[dict[str, Any]]) -> Finding:
    column = "folded" if space == "nearest" else "embedding"
    index = f"{table.removesuffix('_items')}_{column}"
    if any(node.get("Index Name") == index for node in nodes):
        return ok(f"plans.{space}", f"The index {index} serves {space}.")
    return warning(
        f"plans.{space}",
        f"The planner does not use the index {index} for {space}.",
        f'Run: ANALYZE "{table}"; and see whether enable_indexscan is off or random_page_cost high.',
    )


def _explained(cursor: CursorWrapper, statement: Statement) -> dict[str, Any]:
    cursor.execute("EXPLAIN (FORMAT JSON) " + statement.sql, statement.params)
    found = cursor.fetchone()[0]
    plan = json.loads(found) if isinstance(found, str) else found
    root: dict[str, Any] = plan[0]["Plan"]
    return root


def _nodes(root: dict[str, Any]) -> list[dict[str, Any]]:
    return [root, *(node for below in root.get("Plans", ()) for node in _nodes(below))]


def _scanned_whole(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}


def _size(cursor: CursorWrapper, table: str) -> float:
    cursor.execute("SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", [table])
    return float(cursor.fetchone()[0])
