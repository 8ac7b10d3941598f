"""Read the shop's orders, and write the purchases and refunds that are not known yet.

Signals are only the faster path: what `bulk_create`, `queryset.update`, a crashed process or a raising
callback kept from us is found here.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.dateparse import parse_datetime

from reco_plugin import backends, clock, conf
from reco_plugin.capture import drops
from reco_plugin.capture.orders import count_left_out, ours, save
from reco_plugin.catalog import OrderMapping
from reco_plugin.catalog.orders import OrderPage, OrderState
from reco_plugin.exceptions import MappingError
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import OrderCursor
from reco_plugin.stores.base import Progress
from reco_plugin.types import EventKind, EventSource, Key

OVERLAP = dt.timedelta(minutes=10)
"""How far before the mark a sync begins, for transactions that commit late."""


@dataclass(kw_only=True)
class OrderReport:
    """What a reading of orders found. Counts are of lines."""

    read: int = 0
    purchases: int = 0
    refunds: int = 0
    states: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """Broken lines, by reason."""
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"states": dict(self.states), "left_out": dict(self.left_out)}

    def lines(self) -> list[str]:
        """The report in plain words."""
        would = "would be new" if self.dry_run else "new"
        said = [
            f"{self.read} order lines read; {self.purchases} purchases and {self.refunds} refunds {would}."
        ]
        if self.states:
            said.append("By status: " + _listed(self.states) + ".")
        if set(self.states) == {OrderState.WAITING.value}:
            said.append(
                "None is paid: does `paid` hold the statuses as your order table spells them?"
            )
        if self.left_out:
            said.append("Left out: " + _listed(self.left_out) + ".")
        return said


def sync_orders(
    site: int | None = None, progress: Progress | None = None, *, dry_run: bool = False
) -> OrderReport:
    """Read what changed since the last sync, then the status of recent orders once more.

    A dry run writes nothing and leaves the mark where it is. Safe to break off: the mark moves on with
    every page, and no event is written twice. Raises MappingError without RECO_ORDERS, or when its
    paths lead nowhere.
    """
    mapping = order_mapping()
    site = backends.site() if site is None else site
    report = OrderReport(dry_run=dry_run)
    cursor = _cursor(mapping, site)
    by = mapping.mark_path
    start = _start(cursor, by)
    for page in mapping.pages(by, ours(mapping), start, site=site):
        take(mapping, page, site, report, EventSource.ORDER_SYNC)
        if not dry_run:
            _move_on(cursor, by, page)
        tell(progress, "orders", report.read)
    for page in _recent(mapping, by, start, site):
        take(mapping, page, site, report, EventSource.ORDER_SYNC, is_first_reading=False)
        tell(progress, "recent orders", report.read)
    if not dry_run:
        _save(cursor)
        drops.flush()
    return report


def work(work: Work) -> dict[str, Any]:
    """The job. Whoever takes it over reads on from the mark, which moves with every page."""
    with work.stage("orders"):
        return sync_orders(work.site, work.progress).as_json()


def order_mapping() -> OrderMapping:
    """The shop's mapping, validated. Raises MappingError."""
    mapping = backends.orders()
    if mapping is None:
        raise MappingError(
            "RECO_ORDERS is not set. Write an OrderMapping subclass that says where your orders are "
            "(see reco_plugin.catalog.OrderMapping), and name it there."
        )
    mapping.validate()
    return mapping


def take(
    mapping: OrderMapping,
    page: OrderPage,
    site: int,
    report: OrderReport,
    source: EventSource,
    *,
    is_first_reading: bool = True,
) -> None:
    """Save one page and add it to the report; what is broken is counted when it is first read."""
    saved = save(mapping, page.lines, site, source=source, dry_run=report.dry_run)
    report.read += page.read
    report.purchases += saved.written[EventKind.PURCHASE]
    report.refunds += saved.written[EventKind.REFUND]
    report.states.update(saved.states)
    left_out = page.broken + saved.dropped
    report.left_out.update(left_out)
    if is_first_reading and not report.dry_run:
        count_left_out(left_out, site)


def tell(progress: Progress | None, stage: str, done: int, total: int = 0) -> None:
    if progress is not None:
        progress(stage, done, max(done, total))


def _recent(mapping: OrderMapping, by: str, start: Any, site: int) -> Iterator[OrderPage]:
    """Orders placed lately that lie before `start`: `queryset.update` moves no timestamp."""
    days = conf.settings.ORDER_RESCAN_DAYS
    if not mapping.placed_at or days <= 0:
        return iter(())
    since = clock.now() - dt.timedelta(days=days)
    unread = models.Q(**{f"{by}__isnull": True})
    if start is not None:
        unread |= models.Q(**{f"{by}__lt": start})
    recent = models.Q(**{f"{mapping.placed_at}__gte": since})
    return mapping.pages("pk", recent & unread & ours(mapping), site=site)


def _cursor(mapping: OrderMapping, site: int) -> OrderCursor:
    """The row that holds the mark; a new one is not saved yet."""
    name = f"{type(mapping).__module__}.{type(mapping).__qualname__}"[-255:]
    rows = OrderCursor.objects.using(conf.settings.DATABASE)
    found = rows.filter(site=site, mapping=name).first()
    return found or OrderCursor(site=site, mapping=name)


def _save(cursor: OrderCursor) -> None:
    """Write the mark; of two syncs that begin at once the later word stands."""
    rows = OrderCursor.objects.using(conf.settings.DATABASE)
    rows.update_or_create(site=cursor.site, mapping=cursor.mapping, defaults={"mark": cursor.mark})


def _start(cursor: OrderCursor, by: str) -> Any:
    """Where to read on; None for the very beginning, also when the mapping reads by another path."""
    if cursor.mark.get("by") != by:
        return None
    if "key" in cursor.mark:
        return cursor.mark["key"]
    at = parse_datetime(cursor.mark["at"])
    return at and at - OVERLAP


def _move_on(cursor: OrderCursor, by: str, page: OrderPage) -> None:
    """Set the mark to the end of `page`; a time in the future would hide what comes until then."""
    if page.last is None:
        return
    value = page.last[0]
    if at := clock.aware(value):
        cursor.mark = {"by": by, "at": min(at, clock.now()).isoformat()}
    elif isinstance(value, int):
        cursor.mark = {"by": by, "key": value}
    _save(cursor)


def read_from(mapping: OrderMapping, site: int, moment: dt.datetime, last: Key | None) -> None:
    """Every line up to `moment` and up to the key `last` is known: the next sync reads on from there."""
    cursor, by = _cursor(mapping, site), mapping.mark_path
    if by != "pk":
        cursor.mark = {"by": by, "at": moment.isoformat()}
    elif isinstance(last, int):
        cursor.mark = {"by": by, "key": last}
    _save(cursor)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.most_common())
