"""Keep the daily totals: the last days again, days that late events came to, and days never counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.db.models import Max
from django.db.models.functions import TruncDate

from reco_plugin import backends, clock, conf
from reco_plugin.capture import drops
from reco_plugin.capture.retention import utc_day
from reco_plugin.jobs.running.reports import last_report
from reco_plugin.jobs.totals import EVENTS, SOURCES, Rows, Source, bounds, count_day
from reco_plugin.models import Interaction
from reco_plugin.stores.base import Progress

if TYPE_CHECKING:
    from reco_plugin.jobs.running.work import Work

NAME = "rollup"
RECENT_DAYS = 2
"""Whole days before the last counted one that are counted again."""
OVERLAP = 10_000
"""Events numbered this far below the last one seen are looked at again: a transaction may commit late."""


KEPT_EVERY = 20
"""Days between two checkpoints of a long counting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RollupReport:
    """What was counted. `last` and `day` say where the next counting begins."""

    days: int
    late: int
    """Days among them that only late events called for."""
    changed: int
    """Totals that were not the same before."""
    last: int
    """Highest number of an event that was there."""
    day: str
    """The day up to which everything was counted, ISO."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def roll_up(
    site: int | None = None,
    *,
    since: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    keep: Callable[..., None] | None = None,
) -> RollupReport:
    """Bring the daily totals of a site up to date. Doing it again gives the same rows.

    `since` is the report of an earlier counting (the last successful job's by default): days before
    it are left alone unless late events came to them. Without one, everything is counted. `keep` is
    handed the same now and then, as keyword arguments, for whoever goes on if this is broken off.
    """
    site = backends.site() if site is None else site
    drops.flush()
    since = last_report(site, NAME) if since is None else since
    last = _events().aggregate(last=Max("pk"))["last"] or 0
    today = utc_day(clock.now())
    start = _start(since)
    late = _late_days(site, since, start) if start else set()
    changed = days = 0
    for day in sorted(late):
        changed += _count(site, day, (EVENTS,))
    for day in _days(site, start, today):
        changed += _count(site, day, SOURCES)
        days += 1
        if keep is not None and days % KEPT_EVERY == 0:
            keep(day=day.isoformat(), last=last)
        if progress is not None:
            progress("days", days, max(days, (today - (start or day)).days + 1))
    return RollupReport(
        days=days + len(late), late=len(late), changed=changed, last=last, day=today.isoformat()
    )


def work(work: Work) -> dict[str, Any]:
    """The job 'rollup'."""
    since = dict(work.checkpoint) or None
    with work.stage("days"):
        return roll_up(work.site, since=since, progress=work.progress, keep=work.keep).as_json()


def _count(site: int, day: dt.date, sources: tuple[Source, ...]) -> int:
    return sum(count_day(site, day, source) for source in sources)


def _events() -> Any:
    return Interaction.objects.using(conf.settings.DATABASE)


def _start(since: Mapping[str, Any]) -> dt.date | None:
    """The first day to count without being asked; None for the very first there is."""
    day = since.get("day")
    return dt.date.fromisoformat(day) - dt.timedelta(days=RECENT_DAYS) if day else None


def _late_days(site: int, since: Mapping[str, Any], start: dt.date) -> set[dt.date]:
    """Days before `start` that events came to since, found by the events' own numbers."""
    after = max(0, int(since.get("last", 0)) - OVERLAP)
    late = _events().filter(site=site, pk__gt=after, occurred_at__lt=bounds(start)[0])
    zone: dt.tzinfo | None = dt.UTC
    around = [0]
    if not django_settings.USE_TZ:  # the database knows the shop's own days, ours lie beside them
        zone, around = None, [-1, 0, 1]
    found = late.order_by().values_list(TruncDate("occurred_at", tzinfo=zone), flat=True).distinct()
    return {day + dt.timedelta(days=n) for day in found for n in around}


def _days(site: int, start: dt.date | None, today: dt.date) -> Iterator[dt.date]:
    """Every day from `start` to today; before the first counting, every day that has rows."""
    if start is not None:
        for number in range((today - start).days + 1):
            yield start + dt.timedelta(days=number)
        return
    day = _next_day(site, None)
    while day is not None and day <= today:
        yield day
        day = _next_day(site, bounds(day)[1])


def _next_day(site: int, after: dt.datetime | None) -> dt.date | None:
    """The day of the first row of any table at or after a moment."""
    firsts = [first_moment(source.rows(site), source.moment, after) for source in SOURCES]
    return min((utc_day(first) for first in firsts if first is not None), default=None)


def first_moment(rows: Rows, moment: str, after: dt.datetime | None = None) -> dt.datetime | None:
    """The oldest `moment` of some rows at or after `after`, by its index."""
    ahead = rows if after is None else rows.filter(**{f"{moment}__gte": after})
    return clock.aware(ahead.order_by(moment).values_list(moment, flat=True).first())
