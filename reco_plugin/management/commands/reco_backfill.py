"""Import past orders."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.dateparse import parse_datetime

from reco_plugin import backends
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.backfill import backfill, show_popular
from reco_plugin.management.progress import Bars


class Command(BaseCommand):
    help = (
        "Imports the orders of the past through RECO_ORDERS, and counts what is popular, so that pages "
        "show products before anything is trained. Safe to break off and run again: nothing is imported "
        "twice. Exit codes: 0 done, 1 failed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument(
            "--since", type=_moment, help="only orders since this day, e.g. 2026-01-31"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be imported")
        parser.add_argument(
            "--only-orders", action="store_true", help="leave what is popular as it is"
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        shown: list[str] = []
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                progress = None if bars.quiet else bars
                report = backfill(
                    site, since=options["since"], dry_run=options["dry_run"], progress=progress
                )
                if not (options["dry_run"] or options["only_orders"]):
                    shown = show_popular(site, progress)
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"The orders could not be imported: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json() | {"shown": shown}))
        else:
            self.stdout.write("\n".join([*report.lines(), *shown]))


def _moment(text: str) -> dt.datetime:
    try:
        moment = parse_datetime(text) or dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2026-01-31") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
