"""The command: list the benchmarks, or run one and say whether its bars hold."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks.harness import Bench, Row, load, titles


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every bar holds, 1 when one is missed, 2 for a wrong call."""
    arguments, own = _parser().parse_known_args(argv)
    known = titles()
    if arguments.name is None:
        for name, title in known.items():
            print(f"{name:<12}{title}")
        return 0
    if arguments.name not in known:
        print(f"No benchmark {arguments.name!r}; choose from {', '.join(known)}.", file=sys.stderr)
        return 2
    command = getattr(load(arguments.name), "main", None)
    if command is not None:
        return int(command(own + _told(arguments)))
    if own:
        _parser().error(f"unrecognized arguments: {' '.join(own)}")
    rows = _measured(arguments)
    if not arguments.json:
        print(_table(known[arguments.name], rows))
    return 0 if all(row.holds for row in rows) else 1


def _told(arguments: argparse.Namespace) -> list[str]:
    """The options we know, for a benchmark that reads its own."""
    return [f"--{name}" for name in ("json", "quick") if getattr(arguments, name)]


def _measured(arguments: argparse.Namespace) -> list[Row]:
    """All rows; as JSON each is printed as soon as it is known."""
    rows = []
    for row in load(arguments.name).run(Bench(quick=arguments.quick)):
        rows.append(row)
        if arguments.json:
            print(json.dumps(row.as_dict()), flush=True)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="which one; none lists them")
    parser.add_argument("--json", action="store_true", help="one line of JSON per row")
    parser.add_argument(
        "--quick", action="store_true", help="small data: a trial of the path, not a measurement"
    )
    return parser


def _table(title: str, rows: Sequence[Row]) -> str:
    head = ("name", "figure", "floor", "ratio", "bar", "holds", "note")
    body = [row.cells() for row in rows]
    widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]
    return "\n".join([title, "", *lines])


if __name__ == "__main__":
    sys.exit(main())
