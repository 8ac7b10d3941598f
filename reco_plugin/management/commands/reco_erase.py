"""Forget one user or one visitor."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin.jobs.erase import erase_user, erase_visitor


class Command(BaseCommand):
    help = (
        "Removes the interactions, impressions, clicks and links of one user, or of one visitor id, and "
        "sees to it that they do not come back. Their part in a trained run goes with the next training. "
        "A user deleted through the ORM is erased by reco_train without this. Exit codes: 0 done, 1 failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--user", help="primary key of the user")
        who.add_argument("--visitor", type=uuid.UUID, help="the id in the visitor cookie")
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        site, is_dry = options["site"], options["dry_run"]
        try:
            if options["visitor"]:
                found = erase_visitor(options["visitor"], site, dry_run=is_dry)
            else:
                found = erase_user(options["user"], site, dry_run=is_dry)
        except (ValueError, DatabaseError) as error:
            raise CommandError(str(error)) from error
        counts = asdict(found)
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        self.stdout.write(f"{'Would remove' if is_dry else 'Removed'} {listed}.")
