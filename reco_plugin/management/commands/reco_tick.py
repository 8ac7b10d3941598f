"""Start what is due: from cron, or as a loop of its own."""

from __future__ import annotations

import json
import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from reco_plugin import backends, conf
from reco_plugin.jobs.record import reconnect
from reco_plugin.jobs.running.schedule import standing
from reco_plugin.jobs.running.tick import Started, tick
from reco_plugin.management.progress import Bars
from reco_plugin.models import Outcome

BAD = (Outcome.FAILED, Outcome.TIMED_OUT)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # every minute, for ever
    help = (
        "Runs the jobs that are due, one after another, and helps with work that others have split. Call "
        "it from cron every minute, or leave it running with --loop; as many of them as you like share the "
        "work. With Celery it is not needed. "
        "Exit codes: 0 done or nothing due, or a loop that was asked to end, 1 a job failed (the message says why)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM or Ctrl-C")
        parser.add_argument(
            "--every",
            type=_seconds,
            help="seconds between two looks of --loop (default: a third of RECO_HEARTBEAT_SECONDS, so that "
            "what a killed process left is taken over within two heartbeats)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what is due and why; start nothing"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object per job")
        parser.add_argument("--no-progress", action="store_true", help="no progress bars")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        if options["dry_run"]:
            self._say_what_is_due(site, options)
        elif options["loop"]:
            self._loop(site, options)
        elif not self._once(site, options):
            raise SystemExit(1)

    # --- once ---------------------------------------------------------------------------------

    def _once(self, site: int, options: dict[str, Any]) -> bool:
        """False when something failed."""
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                found = tick(site, progress=bars)
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The jobs could not be read: {error}") from error
        for one in found:
            self._tell(one, options)
        return not any(one.execution and one.execution.outcome in BAD for one in found)

    def _tell(self, one: Started, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(one.as_json()))
        elif one.execution is not None:
            self._tell_execution(one, options)

    def _tell_execution(self, one: Started, options: dict[str, Any]) -> None:
        found = one.execution
        assert found is not None
        if found.outcome in BAD:
            self.stderr.write(f"{one.name} failed after {found.seconds:.1f} s: {found.error}")
        elif options["verbosity"] > 0:
            ended = found.skipped or f"{found.outcome} in {found.seconds:.1f} s"
            self.stdout.write(f"{one.name}: {ended} ({one.why})")

    # --- the loop -----------------------------------------------------------------------------

    def _loop(self, site: int, options: dict[str, Any]) -> None:
        ending = Ending()
        before = signal.signal(signal.SIGTERM, ending)
        try:
            while not ending.is_asked:
                self._try_once(site, options)
                time.sleep(options["every"] or conf.settings.HEARTBEAT_SECONDS / 3)
        except (KeyboardInterrupt, Asked):
            pass
        finally:
            signal.signal(signal.SIGTERM, before)

    def _try_once(self, site: int, options: dict[str, Any]) -> None:
        """A database that is away is waited for."""
        try:
            self._once(site, options)
        except CommandError as error:
            self.stderr.write(str(error))
        reconnect()

    # --- dry run ------------------------------------------------------------------------------

    def _say_what_is_due(self, site: int, options: dict[str, Any]) -> None:
        for job in standing(site):
            if options["json"]:
                told = {"job": job.spec.name, "due": job.is_due, "why": job.why}
                self.stdout.write(json.dumps(told))
            else:
                mark = "due" if job.is_due else "-"
                self.stdout.write(f"{mark:<4}{job.spec.name:<12}{job.why}")


class Asked(SystemExit):
    """By SIGTERM to end. The job that runs lets go of its lease, and another process goes on with it."""


class Ending:
    """The handler of SIGTERM. What it raises is lost where it meets a finalizer, so it remembers, too."""

    is_asked = False

    def __call__(self, number: int, frame: object) -> NoReturn:
        self.is_asked = True
        raise Asked(128 + number)
