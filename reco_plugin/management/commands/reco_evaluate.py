"""How the live run has done since it was trained; or, by a protocol, on the log cut in two."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends
from reco_plugin.evaluation import telling
from reco_plugin.evaluation.protocols import protocols
from reco_plugin.exceptions import AlreadyRunning, RecoError
from reco_plugin.jobs import compare
from reco_plugin.jobs.hindsight import measure
from reco_plugin.management.progress import Bars
from reco_plugin.models import RunStatus

TOO_LITTLE, BUSY = 3, 4


class Command(BaseCommand):
    help = (
        "Judges the live personal run on what happened since it was trained, beside popularity, adds the "
        "figures to the run, and probes what its indexes find. With --protocol it judges instead what shoppers "
        "are served from, learnt anew from one part of the log and asked about the other: every figure there is, "
        "and by slice (new, light and heavy shoppers; head, tail and new products; categories; devices; any field of "
        "users). "
        "Exit codes: 0 judged, 1 failed or nothing is live, 3 too little happened to judge, 4 another "
        "comparison runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", type=int, help="a published run (default: the live one)")
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument(
            "--protocol",
            choices=list(protocols()),
            help="cut the log like this, and judge both ways",
        )
        parser.add_argument(
            "--by",
            action="append",
            default=[],
            metavar="FIELD",
            help="with --protocol: also by this field of the user model, e.g. country, or by device (told anyhow "
            "where events say it); may be given more than once",
        )
        parser.add_argument(
            "--limit-shoppers",
            type=int,
            default=compare.SHOPPERS,
            help="with --protocol: ask at most this many requests, drawn by seed 0; 0: all",
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                enough = self._work(site, options, bars)
        except AlreadyRunning as error:
            self.stderr.write(str(error))
            raise SystemExit(BUSY) from error
        except (RecoError, DatabaseError, ValueError) as error:
            raise CommandError(f"Not judged: {error}") from error
        if not enough:
            raise SystemExit(TOO_LITTLE)

    def _work(self, site: int, options: dict[str, Any], bars: Bars) -> bool:
        if options["protocol"]:
            return self._by_protocol(site, options, bars)
        told = measure(site, run=options["run"], progress=None if bars.quiet else bars)
        bars.close()
        self.stdout.write(json.dumps(told) if options["json"] else "\n".join(lines(told)))
        return bool(told["since"]["enough"])

    def _by_protocol(self, site: int, options: dict[str, Any], bars: Bars) -> bool:
        run = compare.compare(
            site,
            progress=None if bars.quiet else bars,
            protocol=options["protocol"],
            models=(compare.served(site), "chance"),
            by=tuple(options["by"]),
            limit_shoppers=options["limit_shoppers"],
        )
        bars.close()
        if run.error:
            raise RecoError(run.error)
        told = {"run": run.pk, **run.metrics}
        text = "\n".join(telling.full_text(run.metrics))
        self.stdout.write(json.dumps(told) if options["json"] else text)
        return run.status == RunStatus.PUBLISHED


def lines(told: dict[str, Any]) -> list[str]:
    """The report in plain words."""
    since = told["since"]
    said = [f"Run {told['run']}, {since['from']} to {since['at']}: {since['words']}"]
    if since["enough"]:
        ours, theirs = (since[name]["recall@10"]["mean"] for name in ("served", "popularity"))
        said.append(f"Recall@10 {ours:.4f} beside popularity's {theirs:.4f}.")
    return [*said, *(each["words"] for each in told["indexes"].values())]
