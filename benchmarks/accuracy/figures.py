"""Every figure of `docs/explanation/accuracy.md`, by one command, from the logs in BENCH_DATA.

Each row is a command of its own, printed before it runs, so that any of them can be repeated alone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRODUCTS = r"\d{5}[A-Z]{0,2}"
"""Of Online Retail: all else are postage, fees and samples."""
BEAUTY = ("amazon_beauty/Beauty.txt",)
RETAIL = (
    "online_retail/online_retail_ii_2009_2010.parquet",
    "online_retail/online_retail_2010_2011.parquet",
)
VISITS = ("diginetica/train_sessions.txt.gz",)
HEAD = "| log, protocol, figure | requests | best single peer | ours | ratio [95 %] | bar | holds | coverage |"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One command, and the row it fills."""

    name: str
    log: Sequence[str]
    protocol: str
    bar: float
    options: Sequence[str] = ()
    files: tuple[tuple[str, str], ...] = ()
    """Options whose value is a file of BENCH_DATA."""

    def command(self, data: Path) -> list[str]:
        """What follows `python`."""
        named = [word for option, file in self.files for word in (option, str(data / file))]
        logs = [str(data / file) for file in self.log]
        told = ["--protocol", self.protocol, "--bar", f"{self.bar:g}", *self.options, *named]
        return ["-m", "benchmarks", "accuracy", "--log", *logs, *told]


_ATTRIBUTES = (("--attributes", "amazon_beauty/Beauty_item2attributes.json"),)
_ITEMS = ("--items", PRODUCTS)
_ALONE = ("--threads", "1")
"""Threads of LightFM write over each other's steps, so that no two trainings by several are alike."""
FIGURES = (
    Figure(name="beauty", log=BEAUTY, protocol="leave-last-out", bar=1.12,
           options=("--peers",), files=_ATTRIBUTES),
    Figure(name="last-basket", log=RETAIL, protocol="last-basket", bar=1.05,
           options=("--ablations", *_ITEMS)),
    Figure(name="next-basket", log=RETAIL, protocol="next-basket", bar=1.03,
           options=("--peers", *_ITEMS)),
    Figure(name="cart", log=RETAIL, protocol="cart", bar=1.03,
           options=("--ablations", "--seed", "3", *_ITEMS)),
    Figure(name="time", log=RETAIL, protocol="time", bar=1.05, options=_ITEMS),
    Figure(name="visits", log=VISITS, protocol="next-in-visit", bar=1.05,
           files=(("--prefixes", "diginetica/test_prefix_label.txt.gz"),)),
    Figure(name="new-items", log=RETAIL, protocol="new-items", bar=1.05,
           options=("--peers", *_ITEMS)),
    Figure(name="lightfm-beauty", log=BEAUTY, protocol="leave-last-out", bar=1.0,
           options=("--lightfm", *_ALONE), files=_ATTRIBUTES),
    Figure(name="lightfm-last-basket", log=RETAIL, protocol="last-basket", bar=1.0,
           options=("--lightfm", *_ALONE, *_ITEMS)),
)  # fmt: skip


class NoData(Exception):
    """The logs are not there; the message says where they are looked for."""


def main(only: str, *, as_json: bool) -> int:
    """Print a table row by row; 0 when every bar holds, 1 when one does not. Raises NoData."""
    data = _data()
    chosen = [one for one in FIGURES if not only or one.name in only.split(",")]
    if not chosen:
        raise NoData(f"--only takes of: {', '.join(one.name for one in FIGURES)}.")
    if not as_json:
        print(f"{HEAD}\n|{'---|' * (HEAD.count('|') - 1)}", flush=True)
    held = True
    for one in chosen:
        for row in _rows(one, data):
            held &= row["holds"] is True
            print(json.dumps(row) if as_json else told(row), flush=True)
    return 0 if held else 1


def _data() -> Path:
    found = os.environ.get("BENCH_DATA", "")
    if not found or not Path(found).is_dir():
        raise NoData(
            "Set BENCH_DATA to a folder with amazon_beauty/, diginetica/ and online_retail/; the logs are public "
            "and not ours to ship."
        )
    return Path(found)


def _rows(one: Figure, data: Path) -> Iterator[dict[str, Any]]:
    """The line of ours, and of an ablation; what fails is said and counts as not held."""
    words = one.command(data)
    print(f"python {' '.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, *words, "--json"], capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    asked = re.search(r"([\d,]+) requests", done.stderr)
    peers = {line["name"]: line for line in lines}
    for line in lines:
        if line["default"] or line["name"].startswith("pipeline "):
            yield {
                **line,
                "figure": f"{one.name}: {line['name']}",
                "requests": asked[1] if asked else "",
                "peer": peers.get(line.get("against", ""), {}).get(_metric(line)),
            }
    if not any(line["default"] for line in lines):
        yield {"figure": one.name, "holds": False, "error": done.stderr.strip()[-300:]}


def _metric(line: dict[str, Any]) -> str:
    return {"ndcg": "ndcg@10", "recall": "recall@10"}.get(line["metric"], line["metric"])


def told(row: dict[str, Any]) -> str:
    """One line of the table."""
    if "error" in row:
        return f"| {row['figure']} | | | | | | **not measured** | {row['error']!r} |"
    metric = _metric(row)
    interval = f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]"
    bar = "" if row["bar"] is None else f"{row['bar']:g}"
    holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
    cells = (
        f"{row['figure']}, {metric}",
        row["requests"],
        f"{row['against']} {row['peer']:.4f}",
        f"{row[metric]:.4f}",
        interval,
        bar,
        holds,
        f"{row['coverage']:.2f}",
    )
    return f"| {' | '.join(cells)} |"
