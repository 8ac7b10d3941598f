"""See where the jobs stand, start, pause and resume them, read their log."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from reco_plugin import backends, conf
from reco_plugin.jobs.running.execute import Execution, execute, pause, request, resume
from reco_plugin.jobs.running.schedule import Standing, specs, standing
from reco_plugin.management.progress import Bars
from reco_plugin.models import JobLog, Outcome

BUSY = 4


class Command(BaseCommand):
    help = (
        "Without an action, lists the jobs: what runs, what is due, what went wrong. "
        "Exit codes: 0 done, 1 it failed or is not possible (the message says why), 4 another process "
        "runs it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--json", action="store_true", help="one JSON object per line")
        parser.set_defaults(dry_run=False, action="list")
        actions = parser.add_subparsers(dest="action", title="actions")
        start = actions.add_parser(
            "start", help="start at the next tick, whatever the schedule says"
        )
        start.add_argument("--here", action="store_true", help="run it here and now instead")
        start.add_argument("--no-progress", action="store_true", help="no progress bars")
        stop = actions.add_parser("pause", help="keep from starting by itself")
        again = actions.add_parser("resume", help="take `pause` back")
        for action in (start, stop, again):
            action.add_argument(
                "job", choices=list(specs()), metavar="job", help=", ".join(specs())
            )
            action.add_argument("--dry-run", action="store_true", help="say what would be done")
        log = actions.add_parser("log", help="what the last executions came to")
        log.add_argument(
            "job", nargs="?", choices=list(specs()), metavar="job", help="only this one"
        )
        log.add_argument("--limit", type=int, default=20, help="most of them to list (20)")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        action = {
            "start": self._start,
            "pause": self._pause,
            "resume": self._resume,
            "log": self._log,
        }.get(options["action"] or "list", self._list)
        try:
            action(site, options)
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(str(error)) from error

    # --- actions ----------------------------------------------------------------------------

    def _list(self, site: int, options: dict[str, Any]) -> None:
        self._write([summary(job) for job in standing(site)], options)

    def _log(self, site: int, options: dict[str, Any]) -> None:
        logs = JobLog.objects.using(conf.settings.DATABASE).filter(site=site)
        if options["job"]:
            logs = logs.filter(name=options["job"])
        told = [log_line(log) for log in logs.order_by("-started_at", "-pk")[: options["limit"]]]
        self._write(told, options)
        if not told and not options["json"]:
            self.stdout.write("No job has ended yet.")

    def _start(self, site: int, options: dict[str, Any]) -> None:
        name = options["job"]
        if options["dry_run"]:
            self.stdout.write(f"Would start {name}.")
        elif options["here"]:
            self._run(name, site, options)
        else:
            request(name, site)
            self.stdout.write(f"{name} starts at the next tick.")

    def _run(self, name: str, site: int, options: dict[str, Any]) -> None:
        with Bars(quiet=options["no_progress"]) as bars:
            found = execute(name, site, progress=bars)
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json()))
        self._conclude(found, options)

    def _conclude(self, found: Execution, options: dict[str, Any]) -> None:
        if found.skipped == "busy":
            self.stderr.write(f"Another process runs {found.name}; let it finish.")
            raise SystemExit(BUSY)
        if found.skipped:
            raise CommandError("Nothing runs while RECO_ENABLED is off.")
        if found.outcome != Outcome.DONE:
            raise CommandError(f"{found.name}: {found.error}")
        if not options["json"]:
            self.stdout.write(f"{found.name}: done in {found.seconds:.1f} s.")

    def _pause(self, site: int, options: dict[str, Any]) -> None:
        if options["dry_run"]:
            self.stdout.write(f"Would pause {options['job']}.")
            return
        pause(options["job"], site)
        self.stdout.write(f"{options['job']} does not start by itself any more.")

    def _resume(self, site: int, options: dict[str, Any]) -> None:
        if options["dry_run"]:
            self.stdout.write(f"Would resume {options['job']}.")
            return
        resume(options["job"], site)
        self.stdout.write(f"{options['job']} starts by itself again.")

    def _write(self, told: Sequence[dict[str, Any]], options: dict[str, Any]) -> None:
        if options["json"]:
            for line in told:
                self.stdout.write(json.dumps(line))
        elif told:
            self.stdout.write("\n".join(table(told)))


def summary(job: Standing) -> dict[str, Any]:
    """A job as one JSON-able object."""
    row = job.row
    return {
        "job": job.spec.name,
        "state": _state(job),
        "last success": _when(row and row.succeeded_at),
        "due": _when(job.due_at),
        "why": job.why,
        "error": row.error if row else "",
    }


def _state(job: Standing) -> str:
    row = job.row
    if job.is_running and row is not None:
        share = f" {row.done:,}/{row.total:,}" if row.total else ""
        return f"running {row.stage}{share}".strip()
    if job.is_stale:
        return "silent"
    return "due" if job.is_due else "waiting"


def log_line(log: JobLog) -> dict[str, Any]:
    """An execution as one JSON-able object."""
    return {
        "job": log.name,
        "started": _when(log.started_at),
        "seconds": round((log.finished_at - log.started_at).total_seconds(), 1),
        "outcome": log.outcome,
        "holder": log.holder,
        "error": log.error,
    }


def _when(moment: Any) -> str:
    return moment.isoformat(sep=" ", timespec="seconds") if moment else ""


def table(told: Sequence[dict[str, Any]]) -> list[str]:
    """Aligned lines under a heading."""
    body = [tuple(str(value).split("\n", 1)[0] for value in line.values()) for line in told]
    head = tuple(told[0])
    widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]
