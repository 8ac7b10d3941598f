"""The behaviour job on a log in the database: all of it counted, then one more day, reading and writing included."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.cooccurrence import DAY, DAYS, Log, Size, made
from benchmarks.harness import database

A_DAY = dt.timedelta(days=1)
AHEAD = dt.timedelta(minutes=10)
"""What filling the table may take: the day begins after the first count."""


def job(**size: int) -> dict[str, Any]:
    """Seconds of a whole run, and of the update that adds the day after it."""
    log = made(Size(**size))
    last = log.at >= (DAYS - 1) * DAY
    with database():
        from benchmarks.shop.generate import fill_shop

        end = dt.datetime.now(dt.UTC) + AHEAD
        fill_shop(size["items"])
        _fill(log.select(~last), end, size["shoppers"])
        whole, counted = _run({"whole": True}, ago=A_DAY)
        _fill(log.select(last), end, size["shoppers"])
        day, added = _run({}, ago=dt.timedelta())
    written = sum(added["lists"].values())
    events = f"{added['added']:,} events after {counted['events']:,}"
    return {"whole": whole, "day": day, "note": f"{events}; {written:,} lists written"}


def _fill(log: Log, end: dt.datetime, shoppers: int) -> None:
    """Append the log, whose last moment is about `end`."""
    from django.db import connection

    from benchmarks.shop import generate
    from reco_plugin.models import Interaction
    from reco_plugin.types import EventKind

    random = np.random.default_rng(len(log))
    begin = int(end.timestamp() * 1_000_000) - DAYS * DAY
    bought = log.events().bought
    columns = {
        "event_id": generate._uuids(len(log), random),
        "shopper": generate.shopper_keys(shoppers).keys[log.shopper],
        "product_id": log.item + 1,
        "kind": np.where(bought, EventKind.PURCHASE, EventKind.VIEW_ITEM).astype("i2"),
        "at": begin + log.at,
    }
    order = np.argsort(log.at, kind="stable")
    columns = {name: values[order] for name, values in columns.items()}
    is_first = not Interaction.objects.exists()
    if is_first:
        with generate._without_indexes(Interaction, again=True):
            generate._write(columns, 1, random)
    else:
        generate._write(columns, 1, random)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) reco_interaction")


def _run(options: dict[str, Any], *, ago: dt.timedelta) -> tuple[float, dict[str, Any]]:
    """Seconds of the job, run by a clock that is late by `ago`, and what it says. Raises RuntimeError where
    it did something else than was asked for."""
    from reco_plugin.jobs.running.execute import execute
    from reco_plugin.models import Run

    began = time.perf_counter()
    with patch("reco_plugin.clock.now", lambda: dt.datetime.now(dt.UTC) - ago):
        execution = execute("behaviour", 1, options=options)
    took, report = time.perf_counter() - began, execution.report
    if execution.error or ("added" in report) is bool(options):
        raise RuntimeError(f"It was to {'count anew' if options else 'add a day'}: {execution}")
    run = Run.objects.get(pk=report["run"])
    return took, {**report, "events": run.dataset["events"]}
