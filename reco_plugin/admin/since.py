"""How runs did on what happened after they were trained, as the job 'evaluate' measured it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from reco_plugin.admin import figures, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.models import Run


def chart(runs: Iterable[Run], name: str = "since") -> LineChart:
    """NDCG of every period that was judged, at its end: as served, and popularity's."""
    entries = sorted(_entries(runs), key=lambda pair: pair[0])
    return LineChart(
        name=name,
        title=_("NDCG on what happened since"),
        lines=(
            Line(name=_("as served"), points=_points(entries, "served")),
            Line(name=_("popularity"), points=_points(entries, "popularity", bare=True)),
        ),
        x_title=_("up to"),
        x_words=figures.moment_of,
        y_words=figures.compact,
    )


def _entries(runs: Iterable[Run]) -> Iterator[tuple[dt.datetime, Mapping[str, Any]]]:
    for run in runs:
        found = run_facts.part(run.metrics, "since")
        for entry in found if isinstance(found, list) else []:
            at = figures.parsed(run_facts.part(entry, "at"))
            if at is not None and at.tzinfo is not None:
                yield at, entry


def _points(
    entries: Iterable[tuple[dt.datetime, Mapping[str, Any]]], who: str, *, bare: bool = False
) -> tuple[Point, ...]:
    found = []
    for at, entry in entries:
        estimate = run_facts.part(entry, who, f"ndcg@{run_facts.part(entry, 'k')}")
        y = run_facts.part(estimate, "mean")
        if not figures.is_number(y):
            continue
        low, high = (None, None) if bare else run_facts.ends(estimate)
        found.append(Point(x=at.timestamp(), y=y, low=low, high=high))
    return tuple(found)
