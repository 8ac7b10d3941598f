"""An order log cut at one moment, and a planted one with habits worth finding."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from example_shop.demo import order_log
from example_shop.demo.order_log import OrderLog

FOLDER = "BENCH_DATA"


class NoLog(Exception):
    """There is nothing to measure; the message says what would be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """What is known, and what came after."""

    past: OrderLog
    after: OrderLog
    split: Any
    """datetime64[s]"""


def read(name: str) -> OrderLog:
    """The log at a path, or of that name in the folder BENCH_DATA. Raises NoLog."""
    places = [Path(name)]
    if folder := os.environ.get(FOLDER):
        places.append(Path(folder) / name)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise NoLog(f"There is no order log at {name}; give a path, or set {FOLDER} to its folder.")
    return order_log.read(found)


def until(log: OrderLog, day: Any) -> OrderLog:
    """What was before `day` (datetime64[D]; None: all of it). Raises NoLog where nothing was."""
    if day is None:
        return log
    before = log.at < day
    if not before.any():
        raise NoLog(f"The log begins after {day}.")
    return rows(log, before)


def cut(log: OrderLog, days: int) -> Cut:
    """The last `days` come after. Raises NoLog where one side is empty."""
    split = log.at.max().astype("datetime64[D]") - np.timedelta64(days - 1, "D")
    before = log.at < split
    if not before.any() or before.all():
        raise NoLog(
            f"The log does not reach further back than {days} days; give fewer with --days."
        )
    return Cut(past=rows(log, before), after=rows(log, ~before & ~log.refunded), split=split)


def rows(log: OrderLog, chosen: Any) -> OrderLog:
    """The order lines that are chosen."""
    columns = {field.name: getattr(log, field.name) for field in fields(log)}
    return replace(
        log, **{name: column[chosen] for name, column in columns.items() if name != "report"}
    )


# --- planted -------------------------------------------------------------------------------------

WORDS = ("MUG", "BAG", "CANDLE", "CLOCK", "CUSHION", "VASE", "NECKLACE", "CARD")
BORN = {39: 0.9, 29: 0.8, 19: 0.8}
"""When products come to the shop, as a share of the days."""
COLOURS = ("RED", "BLUE", "GREEN", "PINK", "WHITE", "BLACK")


def planted(
    *, customers: int = 240, products: int = 160, days: int = 240, seed: int = 3
) -> OrderLog:
    """Everyone keeps to one word, buys pairs (2n, 2n + 1) together, and buys one thing again and again.

    Some products and some customers turn up late.
    """
    rng = np.random.default_rng(seed)
    lines: list[tuple[float, int, int, int]] = []
    each = products // len(WORDS)
    invoice = 0
    for customer in range(customers):
        own = customer % len(WORDS) * each
        staple = own + int(rng.integers(each))
        late = 0.9 if customer % 12 == 11 else 0.0
        for at in np.sort(late + (1 - late) * rng.random(9)) * days:
            invoice += 1
            first = own + int(rng.integers(each)) // 2 * 2
            stray = int(rng.integers(products))
            lines.extend(
                (float(at), invoice, customer, item)
                for item in sorted({first, first + 1, staple, stray})
                if at >= days * BORN.get(item % 40, 0.0)
            )
    lines.sort()
    at, invoices, people, items = (np.array(column) for column in zip(*lines, strict=True))
    start = np.datetime64("2011-01-01T00:00:00", "s")
    titles = [f"{COLOURS[n % 6]} {WORDS[n // each % 8]} NUMBER {n}" for n in range(products)]
    return OrderLog(
        invoice=invoices.astype(str).astype(object),
        code=np.array([f"{10_000 + item}" for item in items.tolist()], dtype=object),
        description=np.array([titles[item] for item in items.tolist()], dtype=object),
        quantity=np.ones(len(items), dtype=np.int64),
        price=2.0 + items % 17,
        customer=np.array([f"{20_000 + who}" for who in people.tolist()], dtype=object),
        at=start + (at * 86_400).astype("timedelta64[s]"),
        refunded=np.zeros(len(items), dtype=bool),
        report=(),
    )
