"""Each kind of recommendation on a shop's own order log: asked at one moment, judged by what came after.

    python -m benchmarks kinds --log FOLDER_OR_FILE [--days 28] [--until DAY] [--most 600] [--only NAME,NAME] [--json]

`--log` is an order log in the layout of UCI Online Retail (a name is looked for in the folder BENCH_DATA).
A shop is built from what came before the split, the plugin's own jobs run in it, and each kind is asked
through `recommend()`, live stock and all. Without `--log` a small planted log is measured, to try the path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.harness import Bench, Row

TITLE = "what each kind of recommendation is worth, on a log of orders (--log FILE)"


def run(bench: Bench) -> Iterator[Row]:
    """The path on planted data: every kind beside its floor."""
    from benchmarks.kinds.command import planted_rows

    return planted_rows(bench)


def main(argv: Sequence[str]) -> int:
    """0 when it was measured, 1 when a planted bar is missed, 2 for what cannot be measured."""
    from benchmarks.kinds.command import main as command

    return command(argv)
