"""Import past orders."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.dateparse import parse_datetime

from reco_plugin import backends, conf
from reco_plugin.catalog.orders import OrderState
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.backfill import backfill, show_popular
from reco_plugin.jobs.sync_orders import OrderReport, order_mapping
from reco_plugin.management.progress import Bars
from reco_plugin.models import Interaction
from reco_plugin.types import EventSource

BATCH = 5_000
"""Events dropped by one statement."""


class Command(BaseCommand):
    help = (
        "Imports the orders of the past through RECO_ORDERS, and counts what is popular, so that pages "
        "show products before anything is trained. Safe to break off and run again: nothing is imported "
        "twice. After a change of the order mapping: --again. Exit codes: 0 done, 1 failed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument(
            "--since", type=_moment, help="only orders since this day, e.g. 2026-01-31"
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="forget first what was imported from orders, as after a change of the order mapping",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be imported")
        parser.add_argument(
            "--only-orders", action="store_true", help="leave what is popular as it is"
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        if options["again"] and (options["since"] or options["dry_run"]):
            raise CommandError(
                "--again goes through all orders, and for good: without --since, --dry-run."
            )
        shown: list[str] = []
        try:
            if options["site"] and _is_empty(site):
                shown.append(
                    f"Site {site} was empty before: pages read it where RECO_SITE says so."
                )
            if options["again"]:
                _forget(site)
            with Bars(quiet=options["no_progress"]) as bars:
                progress = None if bars.quiet else bars
                report = backfill(
                    site, since=options["since"], dry_run=options["dry_run"], progress=progress
                )
                if not (options["dry_run"] or options["only_orders"]):
                    shown += show_popular(site, progress)
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"The orders could not be imported: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json() | {"shown": shown}))
        else:
            self.stdout.write("\n".join([*report.lines(), *_advice(report, options), *shown]))


def _is_empty(site: int) -> bool:
    return not Interaction.objects.using(conf.settings.DATABASE).filter(site=site).exists()


def _forget(site: int) -> None:
    """Drop the events that came from orders. What was sent by signals stays."""
    order_mapping()  # a mapping that cannot be read must not cost what is there
    rows = Interaction.objects.using(conf.settings.DATABASE).filter(
        site=site, source__in=(EventSource.BACKFILL, EventSource.ORDER_SYNC)
    )
    while some := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        rows.filter(pk__in=some).delete()


def _advice(report: OrderReport, options: dict[str, Any]) -> Iterator[str]:
    """What the figures do not say by themselves."""
    if not report.read:
        name = conf.settings.ORDERS.rpartition(".")[2]
        since = " since that day" if options["since"] else ""
        yield f"There is no order line{since}: look at `model` and queryset() of {name}."
    waiting = report.states.get(OrderState.WAITING.value, 0)
    if report.read > waiting >= report.read / 2:
        yield "Most are waiting: does `paid` hold every status of a paid order?"


def _moment(text: str) -> dt.datetime:
    try:
        moment = parse_datetime(text) or dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2026-01-31") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
