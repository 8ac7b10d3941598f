"""Any log in, the comparison out: the default pipeline beside its peers, one line per model.

    python -m benchmarks accuracy --log FILE --protocol leave-last-out [--attributes FILE] [--peers] [--json]

Without `--log` a small planted log is measured, to try the path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.harness import Bench, Row

TITLE = "the default pipeline against its best single peer, on any log (--log FILE --protocol NAME)"


def run(bench: Bench) -> Iterator[Row]:
    """The path on planted data: every protocol against the plain peers."""
    from benchmarks.accuracy.command import planted_rows

    return planted_rows(bench)


def main(argv: Sequence[str]) -> int:
    """The command with its own options; 0 when the bar holds, 1 when it is missed, 2 for what cannot be measured."""
    from benchmarks.accuracy.command import main as command

    return command(argv)
