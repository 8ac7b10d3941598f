"""Bring our item rows in line with the shop's catalogue."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.management.progress import Bars


class Command(BaseCommand):
    help = (
        "Reads every product through RECO_CATALOG and writes what changed since the last time. A "
        "product that cannot be read is skipped and named. Safe to break off and run again. "
        "Exit codes: 0 done, 1 failed, 3 done but products were skipped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--dry-run", action="store_true", help="say what would change")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                report = sync_items(
                    site, dry_run=options["dry_run"], progress=None if bars.quiet else bars
                )
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"The catalogue could not be read: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            prefix = "Would be: " if options["dry_run"] else ""
            self.stdout.write(prefix + "\n".join(report.lines()))
        if report.failed:
            raise SystemExit(3)
