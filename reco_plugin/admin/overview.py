"""The index page of the app: what is live, how the jobs stand, what was shown and clicked."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from django.db.models import Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _

from reco_plugin import clock, conf, doctor
from reco_plugin.admin import figures, health, quality, run_facts
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.admin.pages import may_see
from reco_plugin.admin.sites import chosen, known
from reco_plugin.models import ActiveRun, DailyTotal

DAYS = 30
DAY = 86_400
KINDS = ("personal", "popular")


def told(request: HttpRequest) -> dict[str, Any]:
    """For whom may see runs; others get the stock index alone."""
    if not may_see(request, "run"):
        return {}
    site = chosen(request)
    sites = known()
    level, words = health.in_one_line(site)
    return {
        "health": words,
        "level": level,
        "next_step": doctor.next_step(site),
        "may_see_jobs": may_see(request, "job"),
        "is_enabled": conf.settings.ENABLED,
        "live": live(site),
        "charts": [
            chart for chart in (quality.ndcg_chart(quality.recent(site, "personal")),) if chart
        ],
        "exposure": exposure(site),
        "days": DAYS,
        "sites": sites if len(sites) > 1 else [],
        "site": site,
    }


def live(site: int) -> list[dict[str, Any]]:
    """Of each kind: which run is live, since when, and how good it is."""
    rows = ActiveRun.objects.using(conf.settings.DATABASE).filter(site=site)
    by_kind = {row.kind: row for row in rows.select_related("run").defer("run__log")}
    return [
        {
            "kind": run_facts.KINDS[kind],
            "active": by_kind.get(kind),
            "run": str(by_kind[kind].run_id) if kind in by_kind else "",
            "since": figures.moment(by_kind[kind].activated_at) if kind in by_kind else "",
            "ago": figures.ago(by_kind[kind].activated_at) if kind in by_kind else "",
            "window": run_facts.window(by_kind[kind].run) if kind in by_kind else "",
            "lift": _lift(by_kind.get(kind)),
        }
        for kind in KINDS
    ]


def _lift(row: ActiveRun | None) -> str:
    found = run_facts.lift(row.run) if row else None
    return "" if found is None else figures.signed_share(found, 0)


def exposure(site: int) -> list[LineChart]:
    """Impressions, clicks and clicks per impression of the last days, out of the daily totals."""
    shown, clicked = _totals(site)
    days = sorted(shown)
    rate = {day: clicked.get(day, 0) / shown[day] for day in days if shown[day]}
    found = [
        _daily("impressions", _("Impressions per day"), shown, figures.whole),
        _daily("clicks", _("Clicks per day"), {d: clicked.get(d, 0) for d in days}, figures.whole),
        _daily("rate", _("Clicks per impression"), rate, figures.compact_share),
    ]
    return [chart for chart in found if chart]


def _totals(site: int) -> tuple[dict[dt.date, int], dict[dt.date, int]]:
    rows = DailyTotal.objects.using(conf.settings.DATABASE).filter(
        site=site,
        day__gte=(clock.now() - dt.timedelta(days=DAYS)).date(),
        name__in=("impression", "click"),
    )
    found: dict[str, dict[dt.date, int]] = defaultdict(dict)
    for day, name, count in (
        rows.order_by()
        .values_list("day", "name")
        .annotate(n=Sum("count"))
        .values_list("day", "name", "n")
    ):
        found[name][day] = count
    return found["impression"], found["click"]


def _daily(name: str, title: str, values: dict[dt.date, Any], words: Any) -> LineChart:
    points = tuple(Point(x=float(day.toordinal()), y=float(values[day])) for day in sorted(values))
    return LineChart(
        name=name,
        title=title,
        lines=(Line(name=title, points=points),),
        x_title=_("day"),
        x_words=lambda x: figures.day(dt.date.fromordinal(round(x))),
        y_words=words,
    )
