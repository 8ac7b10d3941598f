"""Days whose events were let go of: what was counted is counted, and nothing comes back to them.

A mark is a row of `DailyTotal` named 'pruned'; its `detail` says of which rows, its `count` how many
of them went. It stands for as long as the totals themselves, whatever RECO_RETENTION_DAYS says later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from reco_plugin import conf
from reco_plugin.models import DailyTotal

PRUNED = "pruned"
ORDERS = "orders"
"""The mark of purchases and refunds, which may be kept for longer than the events of their day."""


def utc_day(moment: dt.datetime) -> dt.date:
    """The day of an aware moment, as the totals count it."""
    return moment.astimezone(dt.UTC).date()


def pruned_days(site: int, subject: str, days: Collection[dt.date]) -> set[dt.date]:
    """Those of `days` whose rows of `subject` were let go of, all or in part."""
    if not days:
        return set()
    marks = DailyTotal.objects.using(conf.settings.DATABASE).filter(
        site=site, name=PRUNED, placement="", detail=subject, day__in=days
    )
    return set(marks.values_list("day", flat=True))
