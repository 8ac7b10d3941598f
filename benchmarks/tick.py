"""What a tick costs the database of a large shop when nothing is due."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Bench, Row, database

TITLE = "tick: reading what is due in a shop of a million products, nothing is"
ITEMS, EVENTS, SHOPPERS = 1_000_000, 10_000_000, 400_000
QUICK = 50
"""How many times smaller --quick is."""
BAR = 0.050
"""Seconds of database time."""
TICKS = 200
LOGS = 20_000
"""Executions that ended before: a quarter of what three months of every job leave."""


def run(bench: Bench) -> list[Row]:
    """The tick as Celery's beat makes it, and as a loop without workers makes it."""
    share = QUICK if bench.quick else 1
    with database():
        from django.test import override_settings

        _fill(bench, share)
        with override_settings(RECO_SITE=1):
            return _measured()


def _fill(bench: Bench, share: int) -> None:
    from benchmarks.shop import generate

    generate.fill_shop(ITEMS // share)
    with bench.progress(EVENTS // share, "events") as bar:
        generate.fill_interactions(
            EVENTS // share, shoppers=SHOPPERS // share, items=ITEMS // share, tick=bar.update
        )
    _settle()


def _settle() -> None:
    """Every job has just succeeded, and many times before."""
    from django.db import connection
    from django.db.models.functions import Now

    from reco_plugin.jobs.running.schedule import specs
    from reco_plugin.models import Job, JobLog, Outcome

    names = list(specs())
    Job.objects.bulk_create(
        Job(name=name, started_at=Now(), succeeded_at=Now(), finished_at=Now()) for name in names
    )
    moment = Job.objects.earliest("pk").finished_at
    assert moment is not None
    JobLog.objects.bulk_create(
        JobLog(
            name=names[turn % len(names)],
            attempt=turn,
            outcome=Outcome.DONE,
            started_at=moment,
            finished_at=moment,
        )
        for turn in range(LOGS)
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def _measured() -> list[Row]:
    from reco_plugin.jobs.running.tick import tick

    def handed(name: str, site: int) -> None:
        raise AssertionError(f"{name} was not due.")

    return [
        _row("tick that hands over to workers", lambda: tick(1, start=handed)),
        _row("tick of a loop without workers", lambda: tick(1)),
    ]


def _row(name: str, work: Callable[[], list[Any]]) -> Row:
    """The slowest of many, in database time: planning, execution and the way there and back."""
    from django.db import connection

    spent: list[float] = []
    statements = 0

    def timed(execute: Any, *statement: Any) -> Any:
        nonlocal statements
        statements += 1
        began = time.perf_counter()
        try:
            return execute(*statement)
        finally:
            spent[-1] += time.perf_counter() - began

    with connection.execute_wrapper(timed):
        for _ in range(TICKS):
            spent.append(0.0)
            assert work() == [], "something was due"
    note = f"slowest of {TICKS}; median {statistics.median(spent) * 1000:.2f} ms, "
    note += f"{statements / TICKS:.0f} statements"
    return Row.at_most(
        name, max(spent) * 1000, BAR * 1000, 1, unit="ms", note=f"{note}; the floor is the bar"
    )
