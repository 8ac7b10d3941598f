"""Do the shop's orders arrive, and how much is left out on the way?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.db.models import Sum

from reco_plugin import backends, clock, conf
from reco_plugin.doctor.finding import Finding, note, ok, warning
from reco_plugin.models import Dropped, Interaction, OrderCursor
from reco_plugin.types import EventKind, EventSource

LATE = dt.timedelta(hours=24)
DAY = dt.timedelta(days=1)
SAMPLE = 1_000
"""Oldest rows looked at for the dates of imported orders."""
FEW = 25
MOMENT = dt.timedelta(minutes=1)
MANY = 100
SHARE = 0.05
"""Left out in a day: fewer than MANY, or less than this share, is nobody's concern."""


def are_read(site: int) -> Iterator[Finding]:
    if not conf.settings.ORDERS:
        yield note(
            "orders.are_read",
            "RECO_ORDERS is not set: purchases are known by signals only, past orders not at all.",
            "python manage.py reco_init writes an order mapping.",
        )
        return
    cursors = OrderCursor.objects.using(conf.settings.DATABASE).filter(site=site)
    last = cursors.order_by("-synced_at").values_list("synced_at", flat=True).first()
    if last is None:
        yield warning(
            "orders.are_read",
            "The orders have never been read.",
            "Run once: python manage.py reco_backfill; then let reco_tick read on.",
        )
        return
    late = clock.now() - (clock.aware(last) or last)
    words = f"The orders were last read {_ago(late)} ago."
    if late > LATE:
        yield warning("orders.are_read", words, "Is a worker, beat or cron running reco_tick?")
    else:
        yield ok("orders.are_read", words)


def _ago(late: dt.timedelta) -> str:
    minutes = max(int(late.total_seconds() // 60), 0)
    if minutes < 120:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2_880 else f"{minutes // 1_440} days"


def dates(site: int) -> Iterator[Finding]:
    """Purchases of the past that bear the moment they were read hide what was bought when."""
    if not conf.settings.ORDERS:
        return
    mapping = backends.orders()
    if mapping is not None and not mapping.placed_at:
        yield warning(
            "orders.dates",
            f"{type(mapping).__name__}.placed_at is not set: every order counts as made when it is read.",
            "Name the date of the order there; then: python manage.py reco_backfill --again",
            docs="howto/map-your-orders",
        )
        return
    first = (
        Interaction.objects.using(conf.settings.DATABASE).filter(site=site).order_by("pk")[:SAMPLE]
    )
    as_read = [
        abs(event.received_at - event.occurred_at) < MOMENT
        for event in first
        if event.source == EventSource.BACKFILL and event.kind == EventKind.PURCHASE
    ]
    if len(as_read) >= FEW and sum(as_read) > len(as_read) / 2:
        yield warning(
            "orders.dates",
            "Most imported orders bear the moment they were read, not the day they were placed.",
            "The order mapping named no date then. Forget and import them: "
            "python manage.py reco_backfill --again",
            docs="howto/map-your-orders",
        )


def dropped(site: int) -> Iterator[Finding]:
    since = clock.now() - DAY
    using = conf.settings.DATABASE
    lost = (
        Dropped.objects.using(using)
        .filter(site=site, flushed_at__gte=since)
        .values("reason")
        .annotate(events=Sum("count"))
        .order_by("-events")
    )
    by_reason = {row["reason"]: row["events"] for row in lost}
    total = sum(by_reason.values())
    kept = Interaction.objects.using(using).filter(site=site, occurred_at__gte=since)
    if total < MANY or total < SHARE * kept.order_by()[: int(total / SHARE) + 1].count():
        yield ok("orders.dropped", f"{total:,} events were left out in the last day.")
        return
    listed = ", ".join(f"{n:,} {reason}" for reason, n in list(by_reason.items())[:5])
    yield warning(
        "orders.dropped",
        f"{total:,} events were left out in the last day: {listed}.",
        "Each reason is explained in 'What is left out' of the guide to capturing events.",
        docs="howto/capture-events",
    )
