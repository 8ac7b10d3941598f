"""The command: options, the shop, the table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.harness import KEY, Bench, Row, close, create_database, migrate, server
from benchmarks.kinds import log as logs
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
COLUMNS = (
    *("kind", "asked", "n", "recall@10", "NDCG@10", "hit", "cover", "own"),
    *("floor", "its recall", "its NDCG", "ratio", "note"),
)


def main(argv: Sequence[str]) -> int:
    """See the package."""
    told = _parser().parse_args(argv)
    if not told.log:
        rows = []
        for row in planted_rows(Bench(quick=told.quick)):
            rows.append(row)
            cells = "  ".join(row.cells())
            print(json.dumps(row.as_dict()) if told.json else cells, flush=True)
        return 0 if all(row.holds for row in rows) else 1
    try:
        lines = list(_run(logs.read(told.log), told))
    except logs.NoLog as error:
        print(str(error), file=sys.stderr)
        return 2
    _show(lines, as_json=told.json)
    return 0


def planted_rows(bench: Bench) -> Iterator[Row]:
    """Habits that are there to be found: every kind must do at least as well as its floor."""
    told = _parser().parse_args(["--talk", "--most", "60" if bench.quick else "200"])
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
    cut = logs.cut(log, told.days)
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
    shops.learn(shop, say)
    asking = Asking(shop, most=told.most, seed=told.seed)
    for question in asking:
        yield from _answered(question, shop, told)
    say("asked")
    newborn = shops.add_newborn(shop, cut)
    shops.learn(shop, say, again=("sync_items",))
    after = shops._orders(cut.after, {**shop.keys, **newborn})
    for question in (asking.new_products(newborn, after), asking.new_visitors(), asking.declared()):
        yield from _answered(question, shop, told)
    shops.add_views(shop)
    shops.learn(shop, say, again=("behaviour",))
    for kind in ("viewed_viewed", "viewed_bought"):
        yield from _answered(asking.viewed(kind), shop, told)
    yield from SILENT
    say("cold and viewed")


def _answered(question: Any, shop: Any, told: argparse.Namespace) -> Iterator[Any]:
    from tqdm import tqdm

    from benchmarks.kinds.asking import CannotAsk, measure

    if told.only and question.kind not in told.only:
        return
    with tqdm(total=len(question.cases), desc=question.kind, disable=None, leave=False) as bar:
        try:
            yield measure(question, shop.products, bar.update)
        except CannotAsk as error:
            yield question.kind, str(error)


class _Clock:
    """Tells how long each step took."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._last = quiet, time.monotonic()

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        if not self._quiet:
            print(f"{step}: {now - self._last:.0f} s", file=sys.stderr, flush=True)
        self._last = now


def _show(lines: Sequence[Any], *, as_json: bool) -> None:
    if as_json:
        for found in lines:
            known = (
                {"kind": found[0], "note": found[1]}
                if isinstance(found, tuple)
                else dataclasses.asdict(found)
            )
            print(json.dumps(known), flush=True)
        return
    rows = [COLUMNS, *[_cells(found) for found in lines]]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    for row in rows:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def _cells(found: Any) -> tuple[str, ...]:
    if isinstance(found, tuple):
        return (found[0], "not asked", *[""] * (len(COLUMNS) - 3), found[1])
    return (
        found.kind,
        found.asked,
        str(found.cases),
        f"{found.recall:.4f} ±{found.recall_error:.4f}",
        f"{found.ndcg:.4f} ±{found.ndcg_error:.4f}",
        f"{found.hit:.3f}",
        f"{found.coverage:.3f}",
        f"{found.own:.2f}",
        found.floor,
        f"{found.floor_recall:.4f}",
        f"{found.floor_ndcg:.4f}",
        f"{found.ratio:.2f} ±{found.ratio_error:.2f}",
        found.note,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks kinds", description=logs.__doc__)
    parser.add_argument("--log", default="", help="a file or folder, or its name in BENCH_DATA")
    parser.add_argument("--days", type=int, default=28, help="days that come after the split")
    parser.add_argument("--most", type=int, default=600, help="cases of each kind, drawn by seed")
    parser.add_argument("--only", nargs="+", default=(), help="these kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--talk", action="store_true", help="say how long each step took")
    parser.add_argument("--json", action="store_true", help="one line of JSON per kind")
    parser.add_argument("--quick", action="store_true", help="without --log: fewer cases")
    return parser
