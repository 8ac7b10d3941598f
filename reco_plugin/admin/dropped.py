"""Events that were left out: how many, on which day, and why."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.db.models.functions import TruncDate
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from reco_plugin import clock, conf
from reco_plugin.admin import charts, figures
from reco_plugin.admin.charts import Line, LineChart, Point
from reco_plugin.models import Dropped

DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Reason:
    reason: str
    count: str
    bar: SafeString


def told(site: int) -> dict[str, Any]:
    """The last days as a chart, and a sum for each reason."""
    counts = _counts(site)
    reasons: dict[str, int] = defaultdict(int)
    for (_day, reason), count in counts.items():
        reasons[reason] += count
    ordered = sorted(reasons, key=lambda reason: (-reasons[reason], reason))
    most = max(reasons.values(), default=1)
    return {
        "days": DAYS,
        "reasons": [
            Reason(
                reason=reason,
                count=figures.whole(reasons[reason]),
                bar=charts.bar(reasons[reason] / most),
            )
            for reason in ordered
        ],
        "chart": _chart(counts, ordered),
    }


def _counts(site: int) -> dict[tuple[dt.date, str], int]:
    rows = Dropped.objects.using(conf.settings.DATABASE).filter(
        site=site, flushed_at__gte=clock.now() - dt.timedelta(days=DAYS)
    )
    summed = rows.order_by().values("reason", day=TruncDate("flushed_at", tzinfo=dt.UTC))
    return {(row["day"], row["reason"]): row["n"] for row in summed.annotate(n=Sum("count"))}


def _chart(counts: dict[tuple[dt.date, str], int], reasons: list[str]) -> LineChart:
    """A line for each of the most frequent reasons; a day without any is a zero."""
    days = sorted({day for day, _reason in counts})
    return LineChart(
        name="dropped",
        title=_("Events left out per day"),
        lines=tuple(
            Line(
                name=reason,
                points=tuple(
                    Point(x=float(day.toordinal()), y=float(counts.get((day, reason), 0)))
                    for day in days
                ),
            )
            for reason in reasons[:4]
        ),
        x_title=_("day (UTC)"),
        x_words=lambda x: figures.day(dt.date.fromordinal(round(x))),
        y_words=figures.whole,
    )
