"""Forget one user or one visitor."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.erase import Receipt, erase_user, erase_visitor


class Command(BaseCommand):
    help = (
        "Removes the interactions, impressions, clicks, interests, links and vectors of one user, or visitor "
        "id, and sees to it that they do not come back; says what was removed and when the last of their "
        "influence ends. A user deleted through the ORM is erased by the next sweep without this. "
        "Exit codes: 0 done, 1 failed (run it again; a sweep finishes it too)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--user", help="primary key of the user")
        who.add_argument("--visitor", type=uuid.UUID, help="the id in the visitor cookie")
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
        parser.add_argument("--json", action="store_true", help="receipt as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        site, is_dry = options["site"], options["dry_run"]
        try:
            if options["visitor"]:
                receipt = erase_visitor(options["visitor"], site, dry_run=is_dry)
            else:
                receipt = erase_user(options["user"], site, dry_run=is_dry)
        except (ValueError, RecoError, DatabaseError) as error:
            raise CommandError(str(error)) from error
        told = json.dumps(receipt.as_json()) if options["json"] else words(receipt, is_dry)
        self.stdout.write(told)


def words(receipt: Receipt, is_dry: bool) -> str:
    """The receipt for people."""
    counts = receipt.as_json()
    influence = counts.pop("influence")
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{'Would remove' if is_dry else 'Removed'} {listed}.\nInfluence left: {influence}"
