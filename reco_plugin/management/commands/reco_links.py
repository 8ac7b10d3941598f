"""See, export and import a merchandiser's own links between products."""

from __future__ import annotations

import csv
import io
import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends
from reco_plugin.placements import links
from reco_plugin.placements.exchange import Unusable

NOT_UNDERSTOOD = 2


class Command(BaseCommand):
    help = (
        "Writes the links between products as CSV (columns product, target, and their titles), or takes "
        "them from one: the links of each product in the file become those of the file, in its order, and "
        "other products keep theirs. Exit codes: 0 done, 1 failed, 2 what was given cannot be used (each "
        "reason is a line; nothing was changed)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        actions = parser.add_subparsers(dest="action", title="actions", required=True)
        export = actions.add_parser("export", help="write them as CSV")
        export.add_argument("file", nargs="?", default="-", help="the file; the screen without")
        take = actions.add_parser("import", help="read such a CSV; all of it, or nothing")
        take.add_argument("file", help="the file, or - for what is piped in")
        take.add_argument("--dry-run", action="store_true", help="say what would be done")
        take.add_argument("--json", action="store_true", help="say it as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        action = self._export if options["action"] == "export" else self._import
        try:
            action(site, options)
        except Unusable as error:
            raise CommandError(str(error), returncode=NOT_UNDERSTOOD) from error
        except UnicodeDecodeError as error:
            raise CommandError(
                f"{options['file']} is not UTF-8: save it as “CSV UTF-8”.",
                returncode=NOT_UNDERSTOOD,
            ) from error
        except (DatabaseError, OSError) as error:
            raise CommandError(str(error)) from error

    def _export(self, site: int, options: dict[str, Any]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(links.exported(site))
        if options["file"] == "-":
            self.stdout.write(text.getvalue(), ending="")
        else:
            Path(options["file"]).write_text(text.getvalue(), encoding="utf-8")

    def _import(self, site: int, options: dict[str, Any]) -> None:
        is_piped = options["file"] == "-"
        text = sys.stdin.read() if is_piped else Path(options["file"]).read_text(encoding="utf-8")
        done = links.imported(site, links.parsed(text), dry_run=options["dry_run"])
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(done), "dry_run": options["dry_run"]}))
            return
        would = "Would be: " if options["dry_run"] else ""
        self.stdout.write(
            f"{would}{done.added} added, {done.moved} moved, {done.removed} removed, "
            f"{done.same} as they were, of {done.products} products."
        )
