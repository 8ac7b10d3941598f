"""What was shown and clicked of late, out of the daily totals: by day, by placement, by rung."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reco_plugin import clock, conf
from reco_plugin.admin import charts, figures
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.models import DailyTotal
from reco_plugin.types import Rung

DAYS = 30
RUNGS = {
    Rung.PERSONAL: gettext_lazy("picked for the shopper"),
    Rung.CONTEXTUAL: gettext_lazy("similar to what is looked at"),
    Rung.POPULAR_IN_CATEGORY: gettext_lazy("popular in the category"),
    Rung.POPULAR: gettext_lazy("popular"),
    Rung.NOTHING: gettext_lazy("nothing"),
}


@dataclass(frozen=True, kw_only=True)
class PlacementRow:
    name: str
    impressions: str
    clicks: str
    rate: str


@dataclass(frozen=True, kw_only=True)
class RungRow:
    title: Any
    count: str
    share: str
    bar: SafeString


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Of DAYS days; one statement."""

    shown: Mapping[dt.date, int]
    clicked: Mapping[dt.date, int]
    shown_at: Mapping[str, int]
    """Impressions by placement."""
    clicked_at: Mapping[str, int]
    rungs: Mapping[str, int]
    """Impressions by the rung that gave them."""


def told(site: int) -> dict[str, Any]:
    """For the overview."""
    totals = read(site)
    return {
        "days": DAYS,
        "charts": drawings(totals),
        "placements": placements(totals),
        "rungs": rungs(totals),
    }


def read(site: int) -> Totals:
    rows = DailyTotal.objects.using(conf.settings.DATABASE).filter(
        site=site,
        day__gte=(clock.now() - dt.timedelta(days=DAYS)).date(),
        name__in=("impression", "click"),
    )
    found: dict[str, Counter[Any]] = {
        name: Counter() for name in ("shown", "clicked", "shown_at", "clicked_at", "rungs")
    }
    summed = rows.order_by().values_list("name", "day", "placement", "detail")
    for name, day, placement, detail, count in summed.annotate(n=Sum("count")):
        verb = "shown" if name == "impression" else "clicked"
        found[verb][day] += count
        found[f"{verb}_at"][placement] += count
        if name == "impression":
            found["rungs"][detail] += count
    return Totals(**found)


def drawings(totals: Totals) -> list[LineChart]:
    """Impressions, clicks and clicks per impression, day by day."""
    days = sorted(totals.shown)
    clicked = {day: totals.clicked.get(day, 0) for day in days}
    rate = {day: clicked[day] / totals.shown[day] for day in days if totals.shown[day]}
    found = [
        _daily("impressions", _("Impressions per day"), totals.shown, figures.whole),
        _daily("clicks", _("Clicks per day"), clicked, figures.whole),
        _daily("rate", _("Clicks per impression"), rate, figures.compact_share),
    ]
    return [chart for chart in found if chart]


def _daily(name: str, title: str, values: Mapping[dt.date, Any], words: Any) -> LineChart:
    points = tuple(Point(x=float(day.toordinal()), y=float(values[day])) for day in sorted(values))
    return LineChart(
        name=name,
        title=title,
        lines=(Line(name=title, points=points),),
        x_title=_("day"),
        x_words=lambda x: figures.day(dt.date.fromordinal(round(x))),
        y_words=words,
    )


def placements(totals: Totals) -> list[PlacementRow]:
    """The most shown first."""
    return [
        PlacementRow(
            name=name,
            impressions=figures.whole(shown),
            clicks=figures.whole(totals.clicked_at.get(name, 0)),
            rate=figures.share(totals.clicked_at.get(name, 0) / shown if shown else None),
        )
        for name, shown in sorted(totals.shown_at.items(), key=lambda pair: -pair[1])
    ]


def rungs(totals: Totals) -> list[RungRow]:
    """From the best rung down; what we have no name for comes last."""
    whole = sum(totals.rungs.values()) or 1
    order = [*Rung, *sorted(set(totals.rungs) - set(Rung))]
    return [
        RungRow(
            title=RUNGS[Rung(rung)] if rung in set(Rung) else rung or figures.NOTHING,
            count=figures.whole(totals.rungs[rung]),
            share=figures.share(totals.rungs[rung] / whole),
            bar=charts.bar(totals.rungs[rung] / whole),
        )
        for rung in order
        if totals.rungs.get(rung)
    ]
