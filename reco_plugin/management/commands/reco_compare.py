"""Every trainer and source side by side on the shop's own log."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.evaluation import telling
from reco_plugin.evaluation.protocols import protocols
from reco_plugin.exceptions import AlreadyRunning, RecoError
from reco_plugin.jobs import compare
from reco_plugin.management.comparison_page import page
from reco_plugin.management.progress import Bars
from reco_plugin.models import Run, RunStatus

CANNOT, BUSY = 3, 4


class Command(BaseCommand):
    help = (
        "Fits every trainer and source on the shop's own log, each in a process of its own, asks all of them the same "
        "requests, ranks all that may be answered, and keeps the figures: popularity and chance as floors, other "
        "libraries where they are installed, the best single one and the ratio to it. Nothing that is live is touched. "
        "Exit codes: 0 compared, 1 failed, 3 this log cannot answer (the message says why), 4 another comparison runs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--protocol",
            choices=list(protocols()),
            default=compare.PROTOCOL,
            help="how the log is cut and what is asked (default: one moment for all)",
        )
        parser.add_argument(
            "--models", default="", help="names, separated by commas (default: all that can answer)"
        )
        parser.add_argument(
            "--no-peers",
            action="store_true",
            help="leave other libraries out, also where installed",
        )
        parser.add_argument(
            "--k", type=int, default=0, help="depth of hit rate and MRR (default: the protocol's)"
        )
        parser.add_argument(
            "--limit-shoppers",
            type=int,
            default=compare.SHOPPERS,
            help="ask at most this many requests, drawn by the seed; 0: all",
        )
        parser.add_argument(
            "--by",
            action="append",
            default=[],
            metavar="FIELD",
            help="also by this field of the user model, e.g. country, or by device (told anyhow "
            "where events say it); may be given more than once",
        )
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--seed", type=int, default=0, help="one seed: one draw")
        parser.add_argument("--threads", type=int, help="of each process")
        parser.add_argument("--json", action="store_true", help="one line of JSON per model")
        parser.add_argument("--html", type=Path, metavar="FILE", help="also write one page of HTML")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="say what can and cannot be measured with this log, and why; fit nothing",
        )
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                code = self._work(site, options, bars)
        except AlreadyRunning as error:
            self.stderr.write(str(error))
            raise SystemExit(BUSY) from error
        except (RecoError, DatabaseError, ValueError, OSError) as error:
            raise CommandError(f"Not compared: {error}") from error
        if code:
            raise SystemExit(code)

    def _work(self, site: int, options: dict[str, Any], bars: Bars) -> int:
        if options["dry_run"]:
            return self._preview(site, options, bars)
        if options["html"]:
            _demand_folder(options["html"])
        run = compare.compare(site, progress=None if bars.quiet else bars, **_options(options))
        bars.close()
        if run.error:
            raise RecoError(run.error)
        self._tell(run, options)
        return 0 if run.status == RunStatus.PUBLISHED else CANNOT

    def _preview(self, site: int, options: dict[str, Any], bars: Bars) -> int:
        found = compare.preview(site, progress=None if bars.quiet else bars, **_options(options))
        bars.close()
        for one in found:
            if options["json"]:
                self.stdout.write(json.dumps(one))
                continue
            mark = "✓" if one["can"] else "✗"
            self.stdout.write(f"{mark} {one['protocol']}: {one['question']}")
            self.stdout.write("\n".join(f"    {line}" for line in one["words"]))
        able = {one["protocol"] for one in found if one["can"]}
        return 0 if options["protocol"] in able else CANNOT

    def _tell(self, run: Run, options: dict[str, Any]) -> None:
        if options["html"]:
            title = f"Comparison of recommenders: {run.metrics.get('protocol', '')}"
            told = [f"{run.created_at:%Y-%m-%d %H:%M} UTC, run {run.pk}."]
            options["html"].write_text(page(run.metrics, title=title, told=told), encoding="utf-8")
        if options["json"]:
            for line in run.metrics.get("models", ()):
                self.stdout.write(json.dumps({"run": run.pk, **line}))
            if run.metrics.get("cannot"):
                self.stderr.write(run.metrics["cannot"])
            return
        self.stdout.write("\n".join(telling.text(run.metrics)))
        if options["html"]:
            self.stdout.write(f"Written: {options['html']}")


def _demand_folder(file: Path) -> None:
    """Before anything is fitted. Raises CommandError."""
    if not file.parent.is_dir() or file.is_dir():
        raise CommandError(
            f"--html {file}: give a file in a folder that is there. Nothing was compared."
        )


def _options(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "protocol": options["protocol"],
        "models": tuple(name.strip() for name in options["models"].split(",") if name.strip()),
        "peers": not options["no_peers"],
        "k": options["k"],
        "limit_shoppers": options["limit_shoppers"],
        "by": tuple(options["by"]),
        "seed": options["seed"],
        "threads": options["threads"] or conf.settings.TRAIN_THREADS,
    }
