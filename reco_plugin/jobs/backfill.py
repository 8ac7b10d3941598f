"""Import the orders of the past, from the first to the last. Doing it again imports nothing twice."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import models

from reco_plugin import backends, clock, conf
from reco_plugin.capture import drops
from reco_plugin.capture.orders import ours
from reco_plugin.exceptions import MappingError
from reco_plugin.jobs.running.execute import Execution, execute
from reco_plugin.jobs.sync_orders import OrderReport, order_mapping, read_from, take, tell
from reco_plugin.models import Item, Outcome, Run
from reco_plugin.stores.base import Progress
from reco_plugin.types import EventSource, Key


def backfill(
    site: int | None = None,
    *,
    since: dt.datetime | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> OrderReport:
    """Read every order line placed since `since` (aware; None for all), and write what is not known.

    Safe to break off and run again. Raises MappingError without RECO_ORDERS, when its paths lead
    nowhere, or when `since` is given and the mapping has no `placed_at`.
    """
    mapping = order_mapping()
    if since is not None and not mapping.placed_at:
        raise MappingError(f"{type(mapping).__name__}.placed_at is needed to read orders by date.")
    placed = models.Q() if since is None else models.Q(**{f"{mapping.placed_at}__gte": since})
    where = placed & ours(mapping)
    site = backends.site() if site is None else site
    report = OrderReport(dry_run=dry_run)
    began = clock.now()
    last: Key | None = None
    total = mapping.queryset_of(site).filter(where).count() if progress is not None else 0
    for page in mapping.pages("pk", where, site=site):
        take(mapping, page, site, report, EventSource.BACKFILL)
        tell(progress, "orders", report.read, total)
        last = page.last[1] if page.last else last
    if not dry_run:
        if since is None:
            read_from(mapping, site, began, last)
        drops.flush()
    return report


def show_popular(site: int, progress: Progress | None = None) -> list[str]:
    """Read the catalogue, if it never was, and count what is popular, so that pages show products at
    once and without any training; what came of it, in plain words."""
    steps = []
    if not Item.objects.using(conf.settings.DATABASE).filter(site=site).exists():
        steps.append(execute("sync_items", site, progress=progress))
    steps.append(execute("popular", site, progress=progress))
    return [_told(step) for step in steps]


def _told(step: Execution) -> str:
    if step.skipped:
        return f"{step.name} was left out: {step.skipped}."
    if step.outcome != Outcome.DONE:
        return f"{step.name} failed: {step.error}"
    return _read(step.report) if step.name == "sync_items" else _counted(step.report)


def _read(report: Any) -> str:
    return f"{report['added']:,} products read, {report['failed']:,} skipped."


def _counted(report: Any) -> str:
    run = Run.objects.using(conf.settings.DATABASE).get(pk=report["run"])
    return (
        f"{run.dataset['items']:,} popular products in {run.dataset['lists']:,} lists are live: "
        "{% recommend %} shows them from now on."
    )
