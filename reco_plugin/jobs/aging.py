"""Events and exposure past their age: counted first, then deleted a little at a time.

Whole UTC days go. A day is added up, then marked as pruned, then emptied: whatever breaks in between,
its totals are those of all its rows, and the next execution goes on emptying it. A clock that runs
ahead, ours or the database's, deletes nothing early: the earlier of the two counts.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.models import F, Max, Min, Q

from reco_plugin import backends, clock, conf
from reco_plugin.capture.retention import ORDERS, PRUNED, utc_day
from reco_plugin.jobs import deleting
from reco_plugin.jobs.rollup import first_moment
from reco_plugin.jobs.totals import (
    CLICKS,
    DROPS,
    EVENTS,
    IMPRESSIONS,
    Rows,
    Source,
    bounds,
    count_day,
    mark_pruned,
)
from reco_plugin.models import DailyTotal
from reco_plugin.stores.base import Progress
from reco_plugin.types import EventKind

_ORDERED = Q(kind__in=(EventKind.PURCHASE, EventKind.REFUND))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which rows of a table are kept for how long."""

    name: str
    source: Source
    days: int
    marks: tuple[str, ...]
    """What a day is marked with once these rows go; the first of them keeps count."""
    only: Q | None = None

    def of(self, rows: Rows) -> Rows:
        return rows if self.only is None else rows.filter(self.only)

    def old(self, site: int, before: dt.date) -> Rows:
        """The rows of days before `before`."""
        last = {f"{self.source.moment}__lt": bounds(before)[0]}
        return self.of(self.source.rows(site)).filter(**last)


@dataclass(frozen=True, kw_only=True, slots=True)
class Old:
    """What is (or would be) let go of under one rule."""

    name: str
    rows: int
    oldest: str
    """Day, ISO; '' when there is nothing."""
    newest: str
    before: str
    """Rows of this day and later stay."""
    unfinished: bool = False
    """Time was up; the rest goes next time."""


def rules() -> list[Rule]:
    """What the settings say. Purchases and refunds stay for as long as anybody still asks for them:
    RECO_EXCLUDE_PURCHASED_DAYS, and RECO_ORDER_RESCAN_DAYS for an order that changes late."""
    exposure = conf.settings.EXPOSURE_RETENTION_DAYS
    found = [
        *_event_rules(conf.settings.RETENTION_DAYS),
        *(
            Rule(name=source.name, source=source, days=exposure, marks=(source.name,))
            for source in (IMPRESSIONS, CLICKS)
        ),
        Rule(
            name=DROPS.name,
            source=DROPS,
            days=conf.settings.LOG_RETENTION_DAYS,
            marks=(DROPS.name,),
        ),
    ]
    return [rule for rule in found if rule.days > 0]


def _event_rules(days: int) -> list[Rule]:
    every = Rule(name=EVENTS.name, source=EVENTS, days=days, marks=(EVENTS.name, ORDERS))
    asked_for = max(conf.settings.EXCLUDE_PURCHASED_DAYS, conf.settings.ORDER_RESCAN_DAYS)
    if days <= 0 or asked_for <= days:
        return [every]
    return [
        replace(every, marks=(EVENTS.name,), only=~_ORDERED),
        replace(every, name=ORDERS, days=asked_for, marks=(ORDERS, EVENTS.name), only=_ORDERED),
    ]


def prune_events(
    site: int | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    seconds: float = 0.0,
    pause: float = deleting.PAUSE,
) -> list[Old]:
    """Delete the events, impressions, clicks and drop counts that are older than the settings allow.

    Each day is rolled up before its first row goes. Ends at the next day after `seconds`, unless 0;
    `pause` is the rest after each second of work. Safe to break off at any moment.
    """
    site = backends.site() if site is None else site
    until = time.monotonic() + seconds if seconds > 0 else float("inf")
    today = utc_day(_earlier_now())
    found = []
    for rule in rules():
        before = today - dt.timedelta(days=rule.days)
        if dry_run:
            found.append(_counted(rule, site, before))
        else:
            doing = _Pruning(rule=rule, site=site, before=before, until=until, pause=pause)
            doing.follow(progress)
            found.append(doing.run())
    return found


def _earlier_now() -> dt.datetime:
    """The present by our clock or the database's, whichever is earlier."""
    connection = connections[conf.settings.DATABASE]
    if connection.vendor != "postgresql":
        return clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM now())")
        told = dt.datetime.fromtimestamp(float(cursor.fetchone()[0]), dt.UTC)
    return min(clock.now(), told)


def _counted(rule: Rule, site: int, before: dt.date) -> Old:
    moment, rows = rule.source.moment, rule.old(site, before)
    ends = rows.aggregate(oldest=Min(moment), newest=Max(moment))
    return Old(
        name=rule.name,
        rows=rows.count(),
        oldest=_day(ends["oldest"]),
        newest=_day(ends["newest"]),
        before=before.isoformat(),
    )


def _day(moment: Any) -> str:
    found = clock.aware(moment)
    return utc_day(found).isoformat() if found else ""


@dataclass(kw_only=True)
class _Pruning:
    """One rule being carried out."""

    rule: Rule
    site: int
    before: dt.date
    until: float
    """By time.monotonic()."""
    pause: float
    progress: Progress | None = None
    removed: int = 0
    total: int = 0

    def follow(self, progress: Progress | None) -> None:
        """Tell of every batch; only then is it worth counting beforehand."""
        self.progress = progress
        self.total = self.rule.old(self.site, self.before).count() if progress else 0

    def run(self) -> Old:
        days: list[str] = []
        is_late = False
        for day in self._days():
            if is_late := time.monotonic() > self.until:
                break
            self._empty(day)
            days.append(day.isoformat())
        return Old(
            name=self.rule.name,
            rows=self.removed,
            oldest=days[0] if days else "",
            newest=days[-1] if days else "",
            before=self.before.isoformat(),
            unfinished=is_late,
        )

    def _days(self) -> Iterator[dt.date]:
        """Days with rows that are too old, oldest first."""
        rows, moment = self.rule.old(self.site, self.before), self.rule.source.moment
        at = first_moment(rows, moment)
        while at is not None:
            day = utc_day(at)
            yield day
            at = first_moment(rows, moment, bounds(day)[1])

    def _empty(self, day: dt.date) -> None:
        source = self.rule.source
        with transaction.atomic(using=conf.settings.DATABASE):
            count_day(self.site, day, source)
            mark_pruned(self.site, day, self.rule.marks)
        rows = self.rule.of(source.day(self.site, day))
        deleting.in_batches(rows, source.moment, pause=self.pause, done=partial(self._gone, day))

    def _gone(self, day: dt.date, n: int) -> None:
        """Keep count, in the transaction that deletes them."""
        marks = DailyTotal.objects.using(conf.settings.DATABASE).filter(
            site=self.site, day=day, name=PRUNED, detail=self.rule.marks[0]
        )
        marks.update(count=F("count") + n)
        self.removed += n
        if self.progress is not None:
            self.progress(self.rule.name, self.removed, max(self.total, self.removed))
