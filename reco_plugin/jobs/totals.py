"""One day's rows as totals: what was shown, clicked, done and left out, by UTC day.

Counting a day again gives the same rows, however its events came in. A day whose rows were let go of
keeps the totals it had.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from django.db import models, transaction
from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When

from reco_plugin import conf
from reco_plugin.capture.retention import PRUNED, pruned_days
from reco_plugin.models import Click, DailyTotal, Dropped, Impression, Interaction
from reco_plugin.types import EventKind

MOST_VALUE = Decimal(10) ** 14 - 1
"""What the column holds: one absurd price must not keep a day from being counted."""
_PRICED = (EventKind.PURCHASE, EventKind.REFUND)

Rows: TypeAlias = QuerySet[Any, Any]
Place: TypeAlias = tuple[str, str, str]
"""Name, placement, detail."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table that is counted by day."""

    name: str
    """Of its rows, as marks of pruned days call them."""
    model: type[models.Model]
    moment: str
    totals: tuple[str, ...]
    """Names of the totals it gives."""
    count: Callable[[Rows], Iterable[DailyTotal]]

    def rows(self, site: int) -> Rows:
        return self.model._default_manager.using(conf.settings.DATABASE).filter(site=site)

    def day(self, site: int, day: dt.date) -> Rows:
        """The rows of a UTC day, by the index on (site, moment)."""
        start, end = bounds(day)
        return self.rows(site).filter(**{f"{self.moment}__gte": start, f"{self.moment}__lt": end})


def bounds(day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Its first moment and the next day's."""
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    return start, start + dt.timedelta(days=1)


def count_day(site: int, day: dt.date, source: Source) -> int:
    """Write the totals of a day as its rows are now; returns how many changed.

    The mark of a pruned day is looked for after the rows were read: a mark that comes later belongs to
    rows that go later, and these were all there.
    """
    found = {_place(total): total for total in source.count(source.day(site, day))}
    for total in found.values():
        total.site, total.day = site, day
    if pruned_days(site, source.name, [day]):
        return 0
    return _write(site, day, source, found)


def mark_pruned(site: int, day: dt.date, subjects: Iterable[str]) -> None:
    """Note that rows of this day go, or have gone. Doing it again changes nothing."""
    DailyTotal.objects.using(conf.settings.DATABASE).bulk_create(
        [DailyTotal(site=site, day=day, name=PRUNED, detail=each, count=0) for each in subjects],
        ignore_conflicts=True,
    )


def _write(site: int, day: dt.date, source: Source, found: dict[Place, DailyTotal]) -> int:
    rows = DailyTotal.objects.using(conf.settings.DATABASE)
    known = {_place(row): row for row in rows.filter(site=site, day=day, name__in=source.totals)}
    changed = [total for place, total in found.items() if not _same(total, known.get(place))]
    stale = [row.pk for place, row in known.items() if place not in found]
    with transaction.atomic(using=conf.settings.DATABASE):
        if stale:
            rows.filter(pk__in=stale).delete()
        rows.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["site", "day", "name", "placement", "detail"],
            update_fields=["count", "shoppers", "value"],
        )
    return len(changed) + len(stale)


def _place(total: DailyTotal) -> Place:
    return total.name, total.placement, total.detail


def _same(total: DailyTotal, known: DailyTotal | None) -> bool:
    return known is not None and _figures(total) == _figures(known)


def _figures(total: DailyTotal) -> tuple[int, int, Decimal | None]:
    return total.count, total.shoppers, total.value


# --- what is counted of each table ---------------------------------------------------------------


def _impressions(rows: Rows) -> Iterator[DailyTotal]:
    for placement, rung, n, people in _grouped(rows, "placement", "rung"):
        yield DailyTotal(
            name="impression", placement=placement, detail=rung, count=n, shoppers=people
        )


def _clicks(rows: Rows) -> Iterator[DailyTotal]:
    for placement, n, people in _grouped(rows, "placement"):
        yield DailyTotal(name="click", placement=placement, count=n, shoppers=people)


def _events(rows: Rows) -> Iterator[DailyTotal]:
    """Sums of unlike currencies would mean nothing: purchases and refunds are told by currency."""
    currency = Case(When(kind__in=_PRICED, then=F("currency")), default=Value(""))
    worth = Sum(F("price") * F("quantity"), filter=Q(kind__in=_PRICED), output_field=_MONEY)
    for kind, detail, n, people, value in _grouped(
        rows.annotate(detail=currency), "kind", "detail", value=worth
    ):
        yield DailyTotal(
            name=EventKind(kind).ga4, detail=detail, count=n, shoppers=people, value=_money(value)
        )


def _drops(rows: Rows) -> Iterator[DailyTotal]:
    for reason, n in rows.values_list("reason").order_by("reason").annotate(Sum("count")):
        yield DailyTotal(name="dropped", detail=reason, count=n)


def _grouped(rows: Rows, *names: str, **more: Any) -> Rows:
    people = Count("shopper", distinct=True)
    grouped: Rows = rows.order_by().values_list(*names)
    found: Rows = grouped.annotate(n=Count("pk"), people=people, **more).order_by(*names)
    return found


_MONEY: models.Field[Any, Any] = models.DecimalField(max_digits=30, decimal_places=4)


def _money(value: Any) -> Decimal | None:
    if value is None:
        return None
    return min(Decimal(value), MOST_VALUE).quantize(Decimal("0.0001"))


EVENTS = Source(
    name="events",
    model=Interaction,
    moment="occurred_at",
    totals=tuple(kind.ga4 for kind in EventKind),
    count=_events,
)
IMPRESSIONS = Source(
    name="impressions",
    model=Impression,
    moment="shown_at",
    totals=("impression",),
    count=_impressions,
)
CLICKS = Source(name="clicks", model=Click, moment="clicked_at", totals=("click",), count=_clicks)
DROPS = Source(
    name="dropped", model=Dropped, moment="flushed_at", totals=("dropped",), count=_drops
)
SOURCES = (EVENTS, IMPRESSIONS, CLICKS, DROPS)
