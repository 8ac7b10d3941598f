"""Leave the shop as it was."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import leave


class Command(BaseCommand):
    help = (
        "Takes away all that is ours: the tables of runs, our own tables, files, content types and "
        "permissions; and lists the lines to take out of the shop. The shop's tables are not touched. Says "
        "what would be done, and does it only with --yes. Exit codes: 0 done, 1 not possible."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do it; there is no way back")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = {
                "tables": leave.own_tables(),
                "files": [str(path) for path in leave.own_files()],
                "lines": leave.traces(),
                "done": options["yes"],
            }
            if options["yes"]:
                leave.leave()
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"Nothing more was taken away: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report))
        else:
            self._show(report)

    def _show(self, report: dict[str, Any]) -> None:
        done = report["done"]
        title = self.style.MIGRATE_HEADING
        self.stdout.write(title("Dropped" if done else "Would drop (with --yes; no way back)"))
        for name in report["tables"] or ["no table"]:
            self.stdout.write(f"  {name}")
        self.stdout.write(title("Deleted" if done else "Would delete"))
        for name in report["files"] or ["no file"]:
            self.stdout.write(f"  {name}")
        self.stdout.write(title("Then take these lines out of your project"))
        for line in report["lines"] or ["  none was found"]:
            self.stdout.write(f"  {line}")
        self.stdout.write(
            "and run: python -m pip uninstall django-reco-plugin\n"
            "The vector extension stays, for others may use it; a DBA removes it: DROP EXTENSION vector;"
        )
