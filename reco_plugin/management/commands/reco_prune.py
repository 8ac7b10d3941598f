"""Let go of what is old."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs.retention import retain
from reco_plugin.jobs.running.execute import execute
from reco_plugin.management.progress import Bars
from reco_plugin.models import Outcome


class Command(BaseCommand):
    help = (
        "Lets go of events, impressions, clicks, logs, runs and files that are older than the settings "
        "allow, a little at a time; daily totals stay. Safe to break off and run again. "
        "Exit codes: 0 done, 1 failed or already running (the message says which)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would go, and its dates"
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        if options["dry_run"]:
            told, lines = _dry(site)
        else:
            told, lines = self._prune(site, quiet=options["no_progress"])
        self.stdout.write(json.dumps(told) if options["json"] else "\n".join(lines))

    def _prune(self, site: int, *, quiet: bool) -> tuple[dict[str, Any], list[str]]:
        with Bars(quiet=quiet) as bars:
            done = execute("prune", site, progress=None if bars.quiet else bars)
        if done.skipped:
            raise CommandError(f"Not pruned: the job is {done.skipped}.")
        if done.outcome != Outcome.DONE:
            raise CommandError(f"Not pruned to the end: {done.error}")
        return dict(done.report), lines(done.report)


def _dry(site: int) -> tuple[dict[str, Any], list[str]]:
    try:
        report = retain(site, dry_run=True).as_json()
    except (RecoError, DatabaseError) as error:
        raise CommandError(f"It cannot be said what would go: {error}") from error
    return report, lines(report)


def lines(report: Any) -> list[str]:
    """A report in plain words."""
    word = "would go" if report["dry_run"] else "let go of"
    runs = ", ".join(map(str, report["runs"])) or "none"
    return [
        *(_table(old, word) for old in report["tables"]),
        f"job logs: {report['logs']:,} {word}; finished shards: {report['shards']:,}",
        f"declared interests: {report['interests']:,}",
        f"runs: {runs}; lists of similar products: {report['neighbours']:,}",
        f"vector tables: {len(report['vector_tables'])}; files: {len(report['files'])}",
        f"vectors of pictures: {report['picture_vectors']:,}",
        *report["advice"],
    ]


def _table(old: dict[str, Any], word: str) -> str:
    span = f" ({old['oldest']} to {old['newest']})" if old["oldest"] else ""
    rest = "; time was up, the rest goes next time" if old["unfinished"] else ""
    return f"{old['name']}: {old['rows']:,} {word}{span}, kept from {old['before']} on{rest}"
