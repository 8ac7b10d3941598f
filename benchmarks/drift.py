"""An order log watched for drift: the stability index of prices and of popular products, week after week.

    python -m benchmarks drift --log online_retail_2010_2011.parquet --trained 2011-07-01

A run is taken to be trained at a moment; each later week is held against the history up to it. Without --log, on a
planted log that does not drift: there no week may be called a large shift.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import Bench, Row

TITLE = "stability index of prices and popular products, by weeks since a training"
BEFORE_BIRTHS = 9
"""Weeks of the planted log until products are born in it, which is a shift."""
WEEK = 7 * 86_400_000_000


def main(argv: Sequence[str]) -> int:
    """See the module."""
    from benchmarks.kinds import log as logs

    told = _parser().parse_args(argv)
    try:
        log = logs.read(told.log) if told.log else logs.planted()
    except logs.NoLog as error:
        print(str(error))
        return 2
    for week in weeks(log, told.trained):
        cells = "  ".join(f"{name} {value}" for name, value in week.items())
        print(json.dumps(week) if told.json else cells, flush=True)
    return 0


def run(bench: Bench) -> Iterator[Row]:
    """Habits that stay: shares of weeks that are called a large shift."""
    from benchmarks.kinds import log as logs

    found = list(weeks(logs.planted(days=240), ""))[:BEFORE_BIRTHS]
    for name in ("prices", "products"):
        large = sum(week[name]["level"] == "large" for week in found)
        yield Row(
            name=f"weeks called a large shift: {name}",
            figure=large / len(found),
            floor=0.0,
            ratio=large / len(found),
            bar=0.1,
            least=False,
            unit="share",
            note=f"{len(found)} weeks of a planted log without drift",
        )


def weeks(log: Any, trained: str) -> Iterator[dict[str, Any]]:
    """Every whole week after the training (at half of the time, where none is given)."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    django.setup()
    from reco_plugin.jobs import drift

    events, prices = _events(log)
    first, last = int(events.at.min()), int(events.at.max())
    moment = int(np.datetime64(trained, "us").astype(np.int64)) if trained else (first + last) // 2
    for number in range(1, (last - moment) // WEEK + 1):
        end = moment + number * WEEK
        sides = drift.Sides(
            then=events.select(events.at < moment),
            now=events.select((events.at >= end - WEEK) & (events.at < end)),
        )
        found = {one.name: one for one in drift.shifts(sides, prices, [""] * len(prices))}
        yield {
            "week": number,
            "events": len(sides.now),
            "shoppers": sides.shoppers[1],
            **{
                name: {"index": round(found[name].index, 3), "level": found[name].level}
                for name in ("prices", "products")
            },
            **drift.unmet(events.select(events.at < end), sides),
        }


def _events(log: Any) -> tuple[Any, Any]:
    """The log of known customers without refunds, and each item's median price."""
    from reco_plugin.datasets import EventLog
    from reco_plugin.types import EventKind, id_map

    kept = (log.customer != "") & ~log.refunded
    codes, item = np.unique(log.code[kept].astype(str), return_inverse=True)
    people, shopper = np.unique(log.customer[kept].astype(str), return_inverse=True)
    size = len(item)
    order = np.argsort(item, kind="stable")
    priced = np.split(log.price[kept][order], np.cumsum(np.bincount(item))[:-1])
    events = EventLog(
        shopper=shopper.astype(np.int32),
        item=item.astype(np.int32),
        kind=np.full(size, EventKind.PURCHASE, np.uint8),
        at=log.at[kept].astype("datetime64[us]").astype(np.int64),
        quantity=np.ones(size, np.int32),
        rating=np.full(size, np.nan, np.float32),
        shoppers=id_map(list(range(len(people)))),
        items=id_map(list(range(len(codes)))),
        read=size,
    )
    return events, np.asarray([float(np.median(each)) for each in priced])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks drift", description=TITLE)
    parser.add_argument("--log", default="", help="a file or folder, or its name in BENCH_DATA")
    parser.add_argument("--trained", default="", help="a day, 2011-07-01; half of the time")
    parser.add_argument("--json", action="store_true", help="one line of JSON per week")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    return parser
