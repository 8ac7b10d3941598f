"""What works, what does not, and the one next step."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand
from django.core.management.color import no_style

from reco_plugin import backends, doctor
from reco_plugin.doctor import Finding, Readiness

MARKS = {"ok": "ok  ", "note": "note", "warning": "warn", "error": "FAIL"}
LEVELS = {"good": "good", "weak": "weak", "fallback": "its fallback is shown"}
TITLES = {
    "setup": "Project",
    "database": "Database",
    "tables": "Tables",
    "indexes": "Indexes",
    "plans": "Queries",
    "orders": "Orders",
    "workers": "Workers",
    "host": "This machine",
    "training": "Training",
    "drift": "Drift",
}


class Command(BaseCommand):
    help = (
        "Looks at the project, the database, the workers and the data, says what is wrong and names the "
        "one next step. Changes nothing. Exit codes: 0 sound, 1 an error was found, 2 a warning was "
        "found (with --strict)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")
        parser.add_argument(
            "--fast", action="store_true", help="start no training process and call no broker"
        )
        parser.add_argument("--strict", action="store_true", help="exit with 2 for warnings")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        findings = list(doctor.probes(site, fast=options["fast"]))
        ready = self._readiness(site, findings)
        step = doctor.next_step(site, findings)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(findings, ready, step)))
        else:
            self._show(findings, ready, step)
        levels = {finding.level for finding in findings}
        if "error" in levels:
            raise SystemExit(1)
        if "warning" in levels and options["strict"]:
            raise SystemExit(2)

    def _readiness(self, site: int, findings: list[Finding]) -> list[Readiness]:
        broken = {finding.name for finding in findings if finding.level == "error"}
        if broken & {"database.reachable", "tables.migrations", "setup.reco.E001"}:
            return []
        return doctor.readiness(site)

    def _show(self, findings: list[Finding], ready: list[Readiness], step: str) -> None:
        ordered = sorted(findings, key=lambda finding: list(TITLES).index(finding.group))
        for group, members in groupby(ordered, key=lambda finding: finding.group):
            self.stdout.write(self.style.MIGRATE_HEADING(TITLES[group]))
            for finding in members:
                self._line(finding)
        if ready:
            self.stdout.write(self.style.MIGRATE_HEADING("Data"))
        for kind in ready:
            paint = self.style.SUCCESS if kind.level == "good" else self.style.WARNING
            mark = paint(f"{kind.figure} %, {LEVELS[kind.level] if kind.ready else 'not yet'}")
            self.stdout.write(f"  {kind.kind}: {mark}. {kind.words}")
            if kind.next_step and kind.level != "good":
                self.stdout.write(f"       → {kind.next_step}")
        self.stdout.write("")
        self.stdout.write(self.style.SUCCESS(f"Next: {step or 'nothing; all is well.'}"))

    def _line(self, finding: Finding) -> None:
        paint = {
            "ok": self.style.SUCCESS,
            "note": no_style().SUCCESS,
            "warning": self.style.WARNING,
            "error": self.style.ERROR,
        }[finding.level]
        self.stdout.write(f"  {paint(MARKS[finding.level])} {finding.words}")
        if finding.hint and finding.hint != finding.words:
            self.stdout.write(f"       → {finding.hint}")


def _as_json(findings: list[Finding], ready: list[Readiness], step: str) -> dict[str, Any]:
    return {
        "findings": [finding.as_json() for finding in findings],
        "readiness": [kind.as_json() for kind in ready],
        "next_step": step,
    }
