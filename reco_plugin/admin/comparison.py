"""The newest comparison of all recommenders on the shop's own log, and those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reco_plugin import conf
from reco_plugin.admin import figures, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.admin.sites import chosen
from reco_plugin.evaluation import telling
from reco_plugin.evaluation.drawing import BarChart
from reco_plugin.models import COMPARISON, Run, RunStatus

if TYPE_CHECKING:
    from reco_plugin.admin.runs import RunAdmin

MOST = 60
"""Comparisons in the history."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A chart and the rows of its table twin."""

    chart: BarChart

    @property
    def title(self) -> str:
        return self.chart.title

    @property
    def svg(self) -> SafeString:
        return mark_safe(self.chart.svg)  # noqa: S308 - escaped where it is drawn

    @property
    def rows(self) -> list[tuple[str, str]]:
        return [(bar.name, self.chart.words(bar.value)) for bar in self.chart.bars]


@dataclass(frozen=True, kw_only=True)
class Table:
    title: Any
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Past:
    """One line of the history."""

    pk: int
    at: str
    protocol: str
    requests: str
    words: str
    is_open: bool


def view(admin: RunAdmin, request: HttpRequest) -> HttpResponseBase:
    """Raises PermissionDenied, and Http404 for a `?run=` that is no comparison of this site."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    runs = recent(chosen(request))
    shown = _shown(runs, request.GET.get("run", ""))
    return admin.page(
        request,
        "comparison.html",
        title=_("Recommenders compared"),
        run=shown,
        **(described(shown) if shown else {}),
        history=[_past(run, shown) for run in runs],
        over_time=over_time(runs, shown),
    )


def recent(site: int) -> list[Run]:
    """The newest MOST comparisons that ended, newest first."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=COMPARISON)
    runs = runs.exclude(status=RunStatus.RUNNING).defer("log", "store_state")
    return list(runs.order_by("-created_at", "-pk")[:MOST])


def _shown(runs: Sequence[Run], asked: str) -> Run | None:
    if not asked:
        return runs[0] if runs else None
    found = next((run for run in runs if str(run.pk) == asked), None)
    if found is None:
        raise Http404(_("There is no such comparison."))
    return found


def described(run: Run) -> dict[str, Any]:
    """What the page tells of one comparison; old or broken ones lack parts of it."""
    metrics: Mapping[str, Any] = run.metrics if isinstance(run.metrics, Mapping) else {}
    return {
        "at": figures.moment(run.created_at),
        "took": figures.span(run_facts.seconds(run)),
        "why_not": run.error or metrics.get("cannot", ""),
        "summary": telling.summary(metrics) if metrics.get("models") else "",
        "words": metrics.get("words", ""),
        "statement": metrics.get("statement", []),
        "charts": [Drawn(chart=chart) for chart in telling.charts(metrics) if chart],
        "tables": _tables(metrics),
        "failed": list((metrics.get("failed") or {}).items()),
    }


def _tables(metrics: Mapping[str, Any]) -> list[Table]:
    beyond, slices = telling.beyond_rows(metrics), telling.slice_rows(metrics)
    found = [
        Table(title=_("All models"), head=telling.head(), rows=telling.rows(metrics)),
        Table(title=_("Beyond the first figures"), head=beyond[0], rows=beyond[1]),
        Table(title=_("By slice"), head=slices[0], rows=slices[1]),
    ]
    return [table for table in found if table.rows]


def _past(run: Run, shown: Run | None) -> Past:
    metrics = run.metrics if isinstance(run.metrics, Mapping) else {}
    told = telling.summary(metrics) if metrics.get("models") else ""
    return Past(
        pk=run.pk,
        at=figures.moment(run.created_at),
        protocol=str(metrics.get("protocol", run_facts.part(run.config, "protocol") or "")),
        requests=figures.whole(metrics.get("requests")),
        words=run.error or metrics.get("cannot", "") or told,
        is_open=shown is not None and run.pk == shown.pk,
    )


def over_time(runs: Sequence[Run], shown: Run | None) -> LineChart | None:
    """The protocol's figure of the leader, of what is live and of popularity, comparison by comparison."""
    protocol = run_facts.part(shown.metrics, "protocol") if shown else None
    alike = [run for run in reversed(runs) if run_facts.part(run.metrics, "protocol") == protocol]
    alike = [run for run in alike if run_facts.part(run.metrics, "models")]
    if len(alike) < 2:
        return None
    return LineChart(
        name="comparisons",
        title=_("%(figure)s by %(protocol)s, comparison by comparison")
        % {"figure": telling.title(alike[-1].metrics), "protocol": protocol},
        lines=(
            Line(name=_("the best"), points=_points(alike, lambda line: True)),
            Line(
                name=_("personal, as served"),
                points=_points(alike, lambda line: line.get("name") == "personal"),
            ),
            Line(
                name=_("popularity"),
                points=_points(alike, lambda line: line.get("name") == "popularity"),
            ),
        ),
        x_title=_("compared"),
        x_words=figures.moment_of,
        y_words=figures.compact,
    )


def _points(runs: Sequence[Run], is_it: Any) -> tuple[Point, ...]:
    found = []
    for run in runs:
        key = run.metrics.get("metric", "")
        line = next((line for line in run.metrics["models"] if is_it(line)), None)
        value = None if line is None else line.get(key)
        if value is not None and figures.is_number(value):
            found.append(Point(x=figures.seconds_since_1970(run.created_at), y=float(value)))
    return tuple(found)
