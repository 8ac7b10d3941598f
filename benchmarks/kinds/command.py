"""The command: options, the shop, the table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import KEY, Bench, Row, close, create_database, migrate, server
from benchmarks.kinds import log as logs
from benchmarks.kinds import names
from benchmarks.kinds.table import show
from example_shop.demo.order_log import OrderLog

SILENT = (
    ("manual", "a merchandiser's own links: nothing to learn, so nothing to judge"),
    ("recently_viewed", "shows again what was seen: the log has no views"),
    ("continue_shopping", "shows again what was left: the log has no carts"),
    ("because_you_viewed", "'similar' with its anchor named: see there"),
    ("on_sale", "the log has no price before a reduction"),
    ("brands for you", "the log has no brands"),
)
"""Kinds this log cannot answer."""


def main(argv: Sequence[str]) -> int:
    """See the package."""
    told = _told(argv)
    if not told.log:
        rows = []
        for row in planted_rows(Bench(quick=told.quick), argv):
            rows.append(row)
            cells = "  ".join(row.cells())
            print(json.dumps(row.as_dict()) if told.json else cells, flush=True)
        return 0 if all(row.holds for row in rows) else 1
    try:
        show(_run(logs.read(told.log), told), as_json=told.json)
    except logs.NoLog as error:
        print(str(error), file=sys.stderr)
        return 2
    return 0


def planted_rows(bench: Bench, argv: Sequence[str] = ()) -> Iterator[Row]:
    """Habits that are there to be found: every kind must do at least as well as its floor."""
    told = _told(["--talk", "--most", "60" if bench.quick else "200", *argv])
    for found in _run(logs.planted(), told):
        if isinstance(found, tuple) or not (found.ndcg or found.floor_ndcg):
            continue  # chance alone rises in planted habits
        yield Row(
            name=f"{found.kind}: {found.asked}",
            figure=found.ndcg,
            floor=found.floor_ndcg,
            ratio=found.ratio,
            bar=BARS.get(found.kind, 1.0),
            least=True,
            unit="NDCG@10",
            note=f"planted log, {found.cases} cases",
        )


BARS = {
    "similar": 0.5,
    "trending": 0.5,
    "best_converting": 0.5,
    "new_arrivals": 0.5,
    "long_tail": 0.5,
}
"""Kinds that planted habits say little of."""


def _run(log: OrderLog, told: argparse.Namespace) -> Iterator[Any]:
    """Lines, and (kind, why not) for what could not be asked."""
    cut = logs.cut(logs.until(log, told.until), told.days)
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder, server():
        os.environ |= {"BENCH_FOLDER": folder}
        os.environ.pop(KEY, None)
        create_database("kinds")
        _connect()
        migrate()
        try:
            yield from _measured(log, cut, told)
        finally:
            close()


def _connect() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.kinds.settings"
    django.setup()


def _measured(log: OrderLog, cut: logs.Cut, told: argparse.Namespace) -> Iterator[Any]:
    from benchmarks.kinds import shop as shops
    from benchmarks.kinds.questions import Asking

    say = _Clock(quiet=not sys.stderr.isatty() and not told.talk)
    shop = shops.build(log, cut, say)
    shops.learn(shop, say, without=told.without)
    asking = Asking(shop, most=told.most, seed=told.seed)
    for name in (name for name in names.WARM if name in told.only):
        yield from _answered(asking.warm(name), shop)
        say(name)
    if told.only.intersection(names.COLD):
        yield from _cold(shop, asking, cut, told.only, say)
    if told.only.intersection(names.VIEWED):
        yield from _viewed(shop, asking, told.only, say)
    if told.only.issuperset(names.ALL):
        yield from SILENT


def _cold(
    shop: Any, asking: Any, cut: logs.Cut, only: Collection[str], say: _Clock
) -> Iterator[Any]:
    from benchmarks.kinds import shop as shops

    newborn = shops.add_newborn(shop, cut)
    shops.learn(shop, say, only=("sync_items",))
    after = shops._orders(cut.after, {**shop.keys, **newborn})
    for name in (name for name in names.COLD if name in only):
        yield from _answered(asking.cold(name, newborn, after), shop)
        say(name)


def _viewed(shop: Any, asking: Any, only: Collection[str], say: _Clock) -> Iterator[Any]:
    from benchmarks.kinds import shop as shops

    shops.add_views(shop)
    say("views")
    shops.learn(shop, say, only=("behaviour",))
    for name in (name for name in names.VIEWED if name in only):
        yield from _answered(asking.viewed(name), shop)
        say(name)


def _answered(question: Any, shop: Any) -> Iterator[Any]:
    from tqdm import tqdm

    from benchmarks.kinds.asking import CannotAsk, measure

    with tqdm(total=len(question.cases), desc=question.name, disable=None, leave=False) as bar:
        try:
            yield measure(question, shop.products, bar.update)
        except CannotAsk as error:
            yield question.name, str(error)


class _Clock:
    """Tells how long each step took."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._last = quiet, time.monotonic()

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        if not self._quiet:
            print(f"{step}: {now - self._last:.0f} s", file=sys.stderr, flush=True)
        self._last = now


def _told(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    told = parser.parse_args(argv)
    try:
        told.only = names.chosen(told.only)
        told.without = frozenset(",".join(told.without).split(","))
        told.until = np.datetime64(told.until, "D") if told.until else None
    except ValueError as error:
        parser.error(str(error))
    return told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks kinds", description=logs.__doc__)
    parser.add_argument("--log", default="", help="a file or folder, or its name in BENCH_DATA")
    parser.add_argument("--days", type=int, default=28, help="days that come after the split")
    parser.add_argument("--until", default="", help="leave out that day and all after it")
    parser.add_argument("--most", type=int, default=600, help="cases of each kind, drawn by seed")
    parser.add_argument("--only", nargs="*", default=(), help=f"of {', '.join(names.ALL)}")
    parser.add_argument("--without", nargs="*", default=(), help="jobs that are not run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--talk", action="store_true", help="say how long each step took")
    parser.add_argument("--json", action="store_true", help="one line of JSON per question")
    parser.add_argument("--quick", action="store_true", help="without --log: fewer cases")
    return parser
