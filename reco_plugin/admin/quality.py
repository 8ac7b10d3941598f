"""How good the runs were, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import figures, run_facts, since
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.admin.sites import chosen
from reco_plugin.models import Run, RunStatus

if TYPE_CHECKING:
    from reco_plugin.admin.runs import RunAdmin

MOST = 60
"""Runs in a chart."""
KINDS = ("personal", "popular")


def view(admin: RunAdmin, request: HttpRequest) -> HttpResponseBase:
    """Raises PermissionDenied."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    kinds = []
    for kind in KINDS:
        runs = recent(chosen(request), kind)
        kinds.append((run_facts.KINDS[kind], charts(kind, runs), len(runs)))
    return admin.page(request, "over_time.html", title=_("Quality over time"), kinds=kinds)


def recent(site: int, kind: str) -> list[Run]:
    """The newest MOST runs that were finished, oldest first."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=kind)
    runs = runs.exclude(status=RunStatus.RUNNING).defer("log", "config", "store_state")
    return list(reversed(runs.order_by("-created_at")[:MOST]))


def charts(kind: str, runs: Sequence[Run]) -> list[LineChart]:
    """Those that have something to show."""
    found = [
        ndcg_chart(runs, f"ndcg-{kind}"),
        since.chart(runs, f"since-{kind}"),
        _chart(kind, _("Recall"), runs, "recall"),
        _chart(kind, _("Coverage of the catalogue"), runs, "coverage"),
        _times(kind, runs),
    ]
    return [chart for chart in found if chart]


def ndcg_chart(runs: Sequence[Run], name: str = "ndcg") -> LineChart:
    """NDCG as served with its interval, beside popularity's."""
    return LineChart(
        name=name,
        title=_("NDCG, as served and of popularity"),
        lines=(
            Line(name=_("as served"), points=_points(runs, "ndcg")),
            Line(name=_("popularity"), points=_points(runs, "ndcg", "popularity", bare=True)),
        ),
        x_title=_("trained"),
        x_words=figures.moment_of,
        y_words=figures.compact,
    )


def _chart(kind: str, title: str, runs: Sequence[Run], figure: str) -> LineChart:
    return LineChart(
        name=f"{figure}-{kind}",
        title=title,
        lines=(
            Line(name=_("as served"), points=_points(runs, figure)),
            Line(name=_("popularity"), points=_points(runs, figure, "popularity", bare=True)),
        ),
        x_title=_("trained"),
        x_words=figures.moment_of,
        y_words=figures.compact_share if figure == "coverage" else figures.compact,
    )


def _times(kind: str, runs: Sequence[Run]) -> LineChart:
    points = tuple(
        Point(
            x=figures.seconds_since_1970(run.created_at),
            y=run_facts.seconds(run),
            stands_out=run.status in {RunStatus.FAILED, RunStatus.REJECTED},
        )
        for run in runs
        if run.timings
    )
    return LineChart(
        name=f"seconds-{kind}",
        title=_("Time spent (✗: failed or rejected)"),
        lines=(Line(name=_("time"), points=points),),
        x_title=_("trained"),
        x_words=figures.moment_of,
        y_words=figures.span,
        units=(1.0, figures.MINUTE, figures.HOUR),
    )


def _points(
    runs: Sequence[Run], figure: str, way: str = "", *, bare: bool = False
) -> tuple[Point, ...]:
    found = []
    for run in runs:
        y = run_facts.mean(run, figure, way)
        estimate = run_facts.measured(run, figure, way)
        if y is None:
            continue
        low, high = (None, None) if bare else run_facts.ends(estimate)
        found.append(
            Point(
                x=figures.seconds_since_1970(run.created_at),
                y=y,
                stands_out=run.status == RunStatus.REJECTED and not bare,
                low=low,
                high=high,
            )
        )
    return tuple(found)
