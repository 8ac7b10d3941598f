"""See, export, import and reset what stands where on the pages."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends, placements
from reco_plugin.placements import PRESETS, exchange

NOT_UNDERSTOOD = 2


class Command(BaseCommand):
    help = (
        "Without an action, lists the placements: where they stand, what fills them, whether they are "
        "active. Exit codes: 0 done, 1 failed, 2 what was given cannot be used (each reason is a line; "
        "nothing was changed)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--json", action="store_true", help="one JSON object per line")
        parser.set_defaults(dry_run=False, action="list")
        actions = parser.add_subparsers(dest="action", title="actions")
        actions.add_parser("list", help="where they stand, and what fills them")
        export = actions.add_parser("export", help="write them as JSON")
        export.add_argument("file", nargs="?", default="-", help="the file; the screen without")
        take = actions.add_parser("import", help="read such a JSON; all of it, or nothing")
        take.add_argument("file", help="the file, or - for what is piped in")
        create = actions.add_parser("create", help="a row for each that comes with the app")
        reset = actions.add_parser("reset", help="make them as they come with the app")
        reset.add_argument("name", nargs="+", help="their names")
        for action in (take, create, reset):
            action.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        action = {
            "export": self._export,
            "import": self._import,
            "create": self._create,
            "reset": self._reset,
        }.get(options["action"] or "list", self._list)
        try:
            action(site, options)
        except exchange.Unusable as error:
            raise CommandError(str(error), returncode=NOT_UNDERSTOOD) from error
        except (DatabaseError, OSError) as error:
            raise CommandError(str(error)) from error

    # --- actions ----------------------------------------------------------------------------

    def _list(self, site: int, options: dict[str, Any]) -> None:
        found = exchange.standing(site)
        if options["json"]:
            for one in found:
                self.stdout.write(json.dumps(one))
        else:
            self.stdout.write("\n".join(table(found)))

    def _export(self, site: int, options: dict[str, Any]) -> None:
        found = placements.in_force(site)
        for name, note in found.notes.items():
            self.stderr.write(f"{name} is left out: {note}")
        kept = [spec for spec in found.values() if spec.slug not in found.notes]
        text = exchange.exported(sorted(kept, key=lambda spec: (spec.page, spec.order, spec.slug)))
        if options["file"] == "-":
            self.stdout.write(text)
        else:
            Path(options["file"]).write_text(text + "\n", encoding="utf-8")

    def _import(self, site: int, options: dict[str, Any]) -> None:
        is_piped = options["file"] == "-"
        text = sys.stdin.read() if is_piped else Path(options["file"]).read_text(encoding="utf-8")
        self._tell(
            exchange.imported(site, exchange.parsed(text), dry_run=options["dry_run"]), options
        )

    def _create(self, site: int, options: dict[str, Any]) -> None:
        known = {one["slug"] for one in exchange.standing(site) if one["has_row"]}
        missing = [spec.slug for spec in PRESETS if spec.slug not in known]
        if not options["dry_run"]:
            missing = placements.create_missing(site)
        self._tell(exchange.Changes(created=missing, changed=[], same=[]), options)

    def _reset(self, site: int, options: dict[str, Any]) -> None:
        self._tell(exchange.reset(site, options["name"], dry_run=options["dry_run"]), options)

    def _tell(self, changes: exchange.Changes, options: dict[str, Any]) -> None:
        told = changes.as_json()
        if options["json"]:
            self.stdout.write(json.dumps({**told, "dry_run": options["dry_run"]}))
            return
        would = "Would be " if options["dry_run"] else ""
        for word in ("created", "changed"):
            names = ", ".join(told[word]) or "none"
            self.stdout.write(f"{would}{word}: {names}.".capitalize())


def table(found: Sequence[dict[str, Any]]) -> list[str]:
    """Aligned lines under a heading, those that cannot be used with the reason."""
    head = ("page", "order", "name", "kinds", "products", "active", "from")
    lines = [head, *(_line(one) for one in found)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    aligned = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return [*aligned, *(f"! {one['slug']}: {one['note']}" for one in found if one["note"])]


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    if "kinds" not in one:
        return ("", "", one["slug"], "", "", "no", one["origin"])
    kinds = [
        each["kind"] if each["weight"] == 1 else f"{each['kind']}:{each['weight']:g}"
        for each in one["kinds"]
    ]
    return (
        one["page"],
        str(one["order"]),
        one["slug"],
        ", ".join(kinds),
        f"{one['min_items']}-{one['max_items']}",
        "yes" if one["is_active"] else "no",
        one["origin"],
    )
