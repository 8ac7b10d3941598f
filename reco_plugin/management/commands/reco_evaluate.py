"""How the live run has done since it was trained."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.hindsight import measure
from reco_plugin.management.progress import Bars

TOO_LITTLE = 3


class Command(BaseCommand):
    help = (
        "Judges the live personal run on what happened since it was trained, beside popularity, adds the "
        "figures to the run, and probes what its indexes find. "
        "Exit codes: 0 judged, 1 failed or nothing is live, 3 too little happened yet to judge."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", type=int, help="a published run (default: the live one)")
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                told = measure(site, run=options["run"], progress=None if bars.quiet else bars)
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"Not judged: {error}") from error
        self.stdout.write(json.dumps(told) if options["json"] else "\n".join(lines(told)))
        if not told["since"]["enough"]:
            raise SystemExit(TOO_LITTLE)


def lines(told: dict[str, Any]) -> list[str]:
    """The report in plain words."""
    since = told["since"]
    said = [f"Run {told['run']}, {since['from']} to {since['at']}: {since['words']}"]
    if since["enough"]:
        ours, theirs = (since[name]["recall@10"]["mean"] for name in ("served", "popularity"))
        said.append(f"Recall@10 {ours:.4f} beside popularity's {theirs:.4f}.")
    return [*said, *(each["words"] for each in told["indexes"].values())]
