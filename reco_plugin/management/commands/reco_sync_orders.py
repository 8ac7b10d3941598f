"""Read what changed in the shop's orders."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.sync_orders import sync_orders
from reco_plugin.management.progress import Bars


class Command(BaseCommand):
    help = (
        "Reads what changed in the shop's orders since the last time through RECO_ORDERS. Run it every "
        "few minutes. Exit codes: 0 done, 1 failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be new")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                report = sync_orders(
                    options["site"],
                    None if bars.quiet else bars,
                    dry_run=options["dry_run"],
                )
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"The orders could not be read: {error}") from error
        self.stdout.write(
            json.dumps(report.as_json()) if options["json"] else "\n".join(report.lines())
        )
