"""Prints the lines of the table, each as soon as it is known: the whole takes an hour."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from benchmarks.kinds.figures import Line

Found: TypeAlias = Line | tuple[str, str]
"""A line, or (question, why it was not asked)."""
COLUMNS = (
    *(("question", 17), ("n", 5), ("recall@10", 14), ("NDCG@10", 14), ("hit", 5), ("cover", 5)),
    *(("own", 4), ("floor has", 9), ("NDCG", 6), ("ratio", 12), ("floor", 33), ("asked; note", 0)),
)
"""And how wide they are: a row is printed as soon as it is known."""


def show(lines: Iterable[Found], *, as_json: bool) -> None:
    """Print a head (but not of JSON), and each of `lines` when it comes."""
    if not as_json:
        print(_row([name for name, _ in COLUMNS]), flush=True)
    for found in lines:
        print(json.dumps(_known(found)) if as_json else _told(found), flush=True)


def _known(found: Found) -> dict[str, Any]:
    if isinstance(found, tuple):
        return {"name": found[0], "note": found[1]}
    return dataclasses.asdict(found)


def _told(found: Found) -> str:
    if isinstance(found, tuple):
        return f"{found[0]:<{COLUMNS[0][1]}}  not asked: {found[1]}"
    return _row(_cells(found))


def _row(cells: Sequence[str]) -> str:
    return "  ".join(
        f"{cell:<{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True)
    ).rstrip()


def _cells(found: Line) -> tuple[str, ...]:
    return (
        found.name,
        str(found.cases),
        f"{found.recall:.4f} ±{found.recall_error:.4f}",
        f"{found.ndcg:.4f} ±{found.ndcg_error:.4f}",
        f"{found.hit:.3f}",
        f"{found.coverage:.3f}",
        f"{found.own:.2f}",
        f"{found.floor_recall:.4f}",
        f"{found.floor_ndcg:.4f}",
        f"{found.ratio:.2f} ±{found.ratio_error:.2f}",
        found.floor,
        "; ".join(filter(None, (found.asked, found.note))),
    )
