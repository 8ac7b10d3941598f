"""What a comparison found, as rows of a table and as charts: for the terminal, a page of HTML and the admin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reco_plugin.evaluation.drawing import Bar, BarChart

Line = Mapping[str, Any]

NOTHING = "\N{EN DASH}"
COLUMNS: Mapping[str, str] = {
    "recall@10": "recall@10",
    "ndcg@10": "NDCG@10",
    "mrr": "MRR",
    "hit": "hit",
    "coverage": "coverage",
    "gini": "Gini",
    "novelty": "novelty",
    "fit_s": "fit s",
    "ms_per_request": "ms",
    "memory_mb": "MiB",
}
"""Key of a line → head of its column."""
BEYOND: Mapping[str, str] = {
    "precision": "precision@10",
    "f1": "F1@10",
    "accuracy": "accuracy",
    "map": "MAP@10",
    "auc": "AUC",
    "surprise": "self-information, bits",
    "serendipity": "serendipity",
    "diversity": "diversity in the list",
    "popularity_bias": "popularity bias",
    "calibration": "calibration, bits",
    "top_share": "share of the commonest",
}
Z = 1.959964
"""Standard errors on each side of a 95 % interval."""


def number(value: Any) -> str:
    """Four signs that tell, or a dash."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.4g}"


def ratio(line: Line) -> str:
    """'1.12 [1.08, 1.17]', or a dash."""
    if line.get("ratio") is None:
        return NOTHING
    told = f"{line['ratio']:.3f}"
    if line.get("ratio_low") is None or line.get("name") == line.get("against"):
        return told
    return f"{told} [{line['ratio_low']:.3f}, {line['ratio_high']:.3f}]"


def head() -> list[str]:
    """Of the table."""
    return ["model", "ratio to the best single", *COLUMNS.values()]


def rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """The table, best first; what is live is marked with *."""
    return [
        [name(line), ratio(line), *[number(line.get(key)) for key in COLUMNS]]
        for line in metrics.get("models", ())
    ]


def beyond_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of what else was judged; columns that nobody has are left out."""
    lines = list(metrics.get("models", ()))
    known = {key: words for key, words in BEYOND.items() if any(key in line for line in lines)}
    body = [[name(line), *[number(line.get(key)) for key in known]] for line in lines]
    return ["model", *known.values()], body


def slice_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Slices, one row for each slice and model, those of a slice side by side."""
    columns = ["slice", "model", "requests", "recall@10", "NDCG@10", "hit"]
    told = list(metrics.get("slices", ()))
    order = list(dict.fromkeys((one["by"], one["name"]) for one in told))
    return columns, [
        _slice(one) for one in sorted(told, key=lambda one: order.index((one["by"], one["name"])))
    ]


def _slice(told: Mapping[str, Any]) -> list[str]:
    which = f"{told['by']}: {told['name']}"
    if "words" in told:
        return [which, str(told["model"]), str(told["words"]), *[NOTHING] * 3]
    cells = [interval(told[metric]) for metric in ("recall", "ndcg", "hit")]
    return [which, str(told["model"]), f"{told['n']:,}", *cells]


def interval(estimate: Mapping[str, Any]) -> str:
    """'.031 [.027, .035]'"""
    return f"{estimate['mean']:.4f} [{estimate['low']:.4f}, {estimate['high']:.4f}]"


def name(line: Line) -> str:
    """With a * for what is live."""
    return f"{line['name']} *" if line.get("live") else str(line["name"])


def text(metrics: Mapping[str, Any]) -> list[str]:
    """The comparison as lines for a terminal."""
    if metrics.get("cannot"):
        return [str(metrics["cannot"])]
    told = [*map(str, metrics.get("statement", ())), "", *aligned([head(), *rows(metrics)]), ""]
    if any(line.get("live") for line in metrics.get("models", ())):
        told.append("* is what shoppers see today.")
    told.append(summary(metrics))
    told += [
        f"{line['name']}: {words}"
        for line in metrics.get("models", ())
        for words in line.get("doubts", ())
    ]
    told += [f"{name}: not compared. {why}" for name, why in metrics.get("failed", {}).items()]
    return told


def full_text(metrics: Mapping[str, Any]) -> list[str]:
    """As `text`, with what else was judged, and by slice."""
    told = text(metrics)
    if metrics.get("cannot"):
        return told
    columns, body = beyond_rows(metrics)
    told += ["", *aligned([columns, *body])]
    columns, body = slice_rows(metrics)
    return [*told, "", *aligned([columns, *body])] if body else told


def summary(metrics: Mapping[str, Any]) -> str:
    """Who leads, and is that more than luck?"""
    lines = list(metrics.get("models", ()))
    if not lines:
        return "No model could be compared."
    first, told = lines[0], title(metrics)
    if first.get("name") == first.get("against") or first.get("ratio_low") is None:
        return f"{first['name']} leads by {told}; no pipeline is ahead of it."
    sure = "more than luck" if first["ratio_low"] > 1 else "which may be luck"
    return (
        f"{first['name']} leads by {told}: {first['ratio']:.3f} times the figure of {first['against']}, "
        f"95 % interval {first['ratio_low']:.3f} to {first['ratio_high']:.3f}, {sure}."
    )


def title(metrics: Mapping[str, Any]) -> str:
    """Of the protocol's figure, for people."""
    key = str(metrics.get("metric", ""))
    return COLUMNS.get(key, key)


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, two blanks apart; all but the first to the right."""
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))] if table else []
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def charts(metrics: Mapping[str, Any], words: Any = number) -> list[BarChart]:
    """Quality with its interval, coverage, and what a request costs."""
    lines = list(metrics.get("models", ()))
    told = [
        (str(metrics.get("metric", "")), title(metrics), True),
        ("coverage", "share of the catalogue that is shown to anybody", False),
        ("ms_per_request", "milliseconds per request", False),
    ]
    return [
        BarChart(
            name=f"compare-{at}",
            title=named,
            bars=[_bar(line, key, sure) for line in lines if _known(line.get(key))],
            words=words,
        )
        for at, (key, named, sure) in enumerate(told)
    ]


def _bar(line: Line, key: str, sure: bool) -> Bar:
    value, error = float(line[key]), line.get("standard_error")
    known = sure and _known(error)
    return Bar(
        name=str(line["name"]),
        value=value,
        low=value - Z * float(error) if known else None,  # type: ignore[arg-type]
        high=value + Z * float(error) if known else None,  # type: ignore[arg-type]
        stands_out=bool(line.get("live")),
    )


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
