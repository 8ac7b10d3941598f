"""How far the shop has moved from what the live run learnt, as the job `drift` sees it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin.admin import figures, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.models import Run

SHIFTS = {
    "kinds": gettext_lazy("kinds of event"),
    "categories": gettext_lazy("categories"),
    "prices": gettext_lazy("prices"),
    "products": gettext_lazy("popular products"),
}
NEW = {
    "new_products": gettext_lazy("events about new products"),
    "new_shoppers": gettext_lazy("new shoppers"),
}


def told(run: Run | None, runs: Iterable[Run]) -> dict[str, Any]:
    """The card: what the newest look at the live `run` suggests, and the charts of `runs`; {} before the
    first look."""
    entries = run_facts.part(run.metrics, "drift") if run else None
    entry = entries[-1] if isinstance(entries, list) and entries else None
    if not isinstance(entry, Mapping):
        return {}
    return {
        "retrain": bool(entry.get("retrain")),
        "words": str(entry.get("words", "")),
        "at": figures.moment(figures.parsed(entry.get("at"))),
        "rows": list(_rows(entry)),
        "charts": [
            chart for chart in (shifts_chart(runs), new_chart(runs), weeks_chart(run)) if chart
        ],
    }


def _rows(entry: Mapping[str, Any]) -> Iterator[tuple[Any, str, str, str]]:
    """(what, index or share, verdict or what is usual, what moved most)."""
    levels = {"stable": _("stable"), "moderate": _("moderate"), "large": _("large")}
    for one in _list(entry.get("shifts")):
        level = str(one.get("level"))
        moved = [
            f"{cell}: {figures.share(then)} → {figures.share(now)}"
            for cell, then, now in one.get("moved", [])[:2]
        ]
        name = str(one.get("name"))
        index = figures.decimal(one.get("index"), 3)
        yield SHIFTS.get(name, name), index, levels.get(level, level), "; ".join(moved)
    for name, title in NEW.items():
        share = run_facts.part(entry, name)
        if share:
            usual = _("usual: %s") % figures.share(run_facts.part(share, "before"))
            yield title, figures.share(run_facts.part(share, "now")), usual, ""


def shifts_chart(runs: Iterable[Run], name: str = "drift") -> LineChart:
    """The stability index of every distribution, day by day."""
    entries = sorted(_entries(runs), key=lambda pair: pair[0])
    return LineChart(
        name=name,
        title=_("Shift of the last week beside the history (stability index)"),
        lines=tuple(
            Line(name=str(title), points=tuple(_indices(entries, shift)))
            for shift, title in SHIFTS.items()
        ),
        x_title=_("looked at"),
        x_words=figures.moment_of,
        y_words=figures.compact,
    )


def _indices(
    entries: Iterable[tuple[dt.datetime, Mapping[str, Any]]], name: str
) -> Iterator[Point]:
    for at, entry in entries:
        for one in _list(entry.get("shifts")):
            if one.get("name") == name and figures.is_number(one.get("index")):
                is_large = one.get("level") == "large"
                yield Point(x=at.timestamp(), y=one["index"], stands_out=is_large)


def new_chart(runs: Iterable[Run], name: str = "drift-new") -> LineChart:
    """What share of the last week is of products and shoppers that were not there before."""
    entries = sorted(_entries(runs), key=lambda pair: pair[0])
    return LineChart(
        name=name,
        title=_("New in the last week"),
        lines=tuple(
            Line(
                name=str(title),
                points=tuple(
                    Point(x=at.timestamp(), y=y)
                    for at, entry in entries
                    if figures.is_number(y := run_facts.part(entry, one, "now"))
                ),
            )
            for one, title in NEW.items()
        ),
        x_title=_("looked at"),
        x_words=figures.moment_of,
        y_words=figures.compact_share,
    )


def weeks_chart(run: Run | None, name: str = "drift-weeks") -> LineChart:
    """NDCG of the live run by weeks since its training, beside popularity's."""
    entries = run_facts.part(run.metrics, "drift") if run else None
    weeks = (
        _list(run_facts.part(entries[-1], "weeks")) if isinstance(entries, list) and entries else []
    )
    served, popular = [], []
    for week in weeks:
        number, own, other = week.get("week"), week.get("ndcg"), week.get("popularity")
        mean = run_facts.part(own, "mean")
        if all(map(figures.is_number, (number, mean, other))):
            low, high = run_facts.ends(own)
            at = float(number) + 1  # type: ignore[arg-type]
            served.append(Point(x=at, y=mean, low=low, high=high))
            popular.append(Point(x=at, y=float(other)))  # type: ignore[arg-type]
    return LineChart(
        name=name,
        title=_("NDCG by weeks since the training"),
        lines=(
            Line(name=_("as served"), points=tuple(served)),
            Line(name=_("popularity"), points=tuple(popular)),
        ),
        x_title=_("week"),
        x_words=figures.whole,
        y_words=figures.compact,
    )


def _entries(runs: Iterable[Run]) -> Iterator[tuple[dt.datetime, Mapping[str, Any]]]:
    for run in runs:
        for entry in _list(run_facts.part(run.metrics, "drift")):
            at = figures.parsed(entry.get("at"))
            if at is not None and at.tzinfo is not None:
                yield at, entry


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
