"""Indexes: whole, and how much of the exact answer they find."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, ok, warning
from reco_plugin.doctor.looking import is_postgresql, rows
from reco_plugin.models import ActiveRun

_INVALID = r"""
SELECT i.relname, t.relname FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE NOT (x.indisvalid AND x.indisready) AND t.relname LIKE 'reco\_%%'
  AND t.relnamespace = current_schema()::regnamespace ORDER BY 1"""


def sound(site: int) -> Iterator[Finding]:
    """A concurrent build that failed leaves an index that is kept up and never read."""
    if not is_postgresql():
        return
    invalid = rows(_INVALID)
    quote = connections[conf.settings.DATABASE].ops.quote_name
    for index, table in invalid:
        yield warning(
            "indexes.sound",
            f"Index {index} of {table} is not valid: it costs every write and serves no read.",
            f"Run: REINDEX INDEX CONCURRENTLY {quote(index)};",
        )
    if not invalid:
        yield ok("indexes.sound", "Every index of our tables is valid.")


def recall(site: int) -> Iterator[Finding]:
    """As measured when the live run was published."""
    live = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site, kind="personal")
    active = live.select_related("run").first()
    if active is None:
        return
    for space in ("nearest", "neighbours"):
        state = active.run.store_state.get(space)
        if state:
            yield _judged(active.run_id, space, state)


def _judged(run: int, space: str, state: dict[str, object]) -> Finding:
    name, note = "indexes.recall", state.get("note")
    found = state.get("recall")
    if note:
        return warning(
            name,
            f"Run {run} scans every vector for {space}: {note}",
            "Lower RECO_MIN_RECALL, or accept the exact scan.",
        )
    if isinstance(found, int | float) and found < conf.settings.MIN_RECALL:
        return warning(
            name,
            f"The index of run {run} finds {found:.1%} of the exact answer for {space}.",
            "Train again: each publish measures its index and sets it to RECO_MIN_RECALL.",
        )
    words = f"{state.get('index', 'exact')} scan, recall@10 {found}"
    return ok(name, f"Run {run}, {space}: {words}.")
