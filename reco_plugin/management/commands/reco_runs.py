"""See, compare, activate, roll back and prune training runs."""

from __future__ import annotations

import argparse
import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.exceptions import RecoError
from reco_plugin.jobs import decisions, publish, runs
from reco_plugin.jobs import prune as pruning
from reco_plugin.jobs.running.execute import execute, request
from reco_plugin.models import RUN_KINDS, ActiveRun, Run, RunStatus


class Command(BaseCommand):
    help = (
        "Without an action, lists the newest runs, live ones marked with *. "
        "Exit codes: 0 done, 1 not possible (the message says why), 2 not understood."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument("--json", action="store_true", help="one JSON object per line")
        parser.add_argument("--limit", type=int, default=20, help="most runs to list (20)")
        parser.set_defaults(dry_run=False, action="list")
        actions = parser.add_subparsers(dest="action", title="actions")
        show = actions.add_parser("show", help="everything that is known of one run")
        show.add_argument("run", type=int, help="its number")
        compare = actions.add_parser("compare", help="two runs beside each other")
        compare.add_argument("run", type=int, help="the number of one")
        compare.add_argument("other", type=int, help="and of the other")
        activate = actions.add_parser(
            "activate", help="make a published run live, or one that a gate rejected (--because)"
        )
        activate.add_argument("run", type=int, help="its number")
        rollback = actions.add_parser("rollback", help="make the run before the live one live")
        rollback.add_argument("kind", choices=RUN_KINDS, help="of which kind")
        prune = actions.add_parser("prune", help="let go of old runs' vectors and files")
        prune.add_argument("--kind", choices=RUN_KINDS, help="only this kind")
        prune.add_argument("--keep", type=int, help="published runs to keep (RECO_KEEP_RUNS)")
        for action in (activate, rollback):
            action.add_argument(
                "--because", default="", metavar="WORDS", help="why; kept with the run"
            )
        for action in (activate, rollback, prune):
            action.add_argument("--dry-run", action="store_true", help="say what would be done")
        for action in (
            show,
            compare,
        ):  # wherever it is written; it must not take the outer one back
            action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        action = {
            "show": self._show,
            "compare": self._compare,
            "activate": self._activate,
            "rollback": self._rollback,
            "prune": self._prune,
        }.get(options["action"] or "list", self._list)
        try:
            action(site, options)
        except (RecoError, DatabaseError) as error:
            raise CommandError(str(error)) from error

    # --- actions ----------------------------------------------------------------------------

    def _list(self, site: int, options: dict[str, Any]) -> None:
        newest = _runs().filter(site=site).order_by("-pk")[: options["limit"]]
        live = set(_active().filter(site=site).values_list("run_id", flat=True))
        told = [summary(run, live=run.pk in live) for run in newest]
        if options["json"]:
            for run in told:
                self.stdout.write(json.dumps(run))
        else:
            self.stdout.write(
                "\n".join(table(told)) if told else "No run yet: manage.py reco_train"
            )

    def _show(self, site: int, options: dict[str, Any]) -> None:
        run = _run(options["run"], site)
        told = runs.described(run, live=_is_live(run))
        self._say(told, runs.shown(told), options)

    def _compare(self, site: int, options: dict[str, Any]) -> None:
        one, other = (
            runs.described(run, live=_is_live(run))
            for run in (_run(options["run"], site), _run(options["other"], site))
        )
        told = runs.compared(one, other)
        self._say(told, runs.compared_lines(told), options)

    def _say(self, told: dict[str, Any], lines: list[str], options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(told) if options["json"] else "\n".join(lines))

    def _activate(self, site: int, options: dict[str, Any]) -> None:
        run = _run(options["run"], site)
        is_rejected = run.status == RunStatus.REJECTED
        if is_rejected and (reason := decisions.why_not(run)):
            raise CommandError(reason)
        if options["dry_run"]:
            self.stdout.write(f"Would make run {run.pk} ({run.kind}, {run.status}) live.")
        elif is_rejected:
            self._overrule(run, options["because"])
        else:
            self._make_live(run, options["because"])

    def _make_live(self, run: Run, because: str) -> None:
        publish.activate(run)
        decisions.decide(run, decisions.ACTIVATED, by=decisions.operator(), why=because)
        self.stdout.write(f"Run {run.pk} is the live {run.kind} run.")

    def _overrule(self, run: Run, because: str) -> None:
        if not because:
            raise CommandError(
                f"Run {run.pk} was rejected by {', '.join(decisions.failed(run))}. To make it live all the "
                "same, say why: --because WORDS."
            )
        decisions.overrule(run, by=decisions.operator(), why=because)
        if decisions.is_whole(run):
            self.stdout.write(f"Run {run.pk} is the live {run.kind} run, against its gates.")
        else:
            self._publish(run)

    def _publish(self, run: Run) -> None:
        """What was overruled, by the job, here and now."""
        execution = execute("train", run.site)
        if execution.skipped:
            request("train", run.site)
            self.stdout.write(f"Run {run.pk} goes live as soon as the job train is free.")
        elif execution.error:
            raise CommandError(execution.error)
        else:
            self.stdout.write(f"Run {run.pk} is the live {run.kind} run, against its gates.")

    def _rollback(self, site: int, options: dict[str, Any]) -> None:
        kind = options["kind"]
        if options["dry_run"]:
            active = _active().filter(site=site, kind=kind).first()
            back = active.previous_id if active else None
            self.stdout.write(
                f"Would make run {back} live." if back else f"No earlier {kind} run to go back to."
            )
            return
        active = publish.rollback(site, kind)
        decisions.decide(
            active.run, decisions.ROLLED_BACK, by=decisions.operator(), why=options["because"]
        )
        self.stdout.write(f"Run {active.run_id} is the live {kind} run again.")

    def _prune(self, site: int, options: dict[str, Any]) -> None:
        work = pruning.prunable if options["dry_run"] else _prune
        word = "Would let go of" if options["dry_run"] else "Let go of"
        for kind in [options["kind"]] if options["kind"] else RUN_KINDS:
            gone = work(site, kind, options["keep"])
            numbers = ", ".join(str(run.pk) for run in gone) or "nothing"
            self.stdout.write(f"{kind}: {word} {numbers}.")


def _prune(site: int, kind: str, keep: int | None) -> list[Run]:
    return pruning.prune(site, kind, keep=keep)


def _run(number: int, site: int) -> Run:
    found: Run | None = _runs().filter(pk=number, site=site).first()
    if found is None:
        raise CommandError(f"There is no run {number} of site {site}.")
    return found


def _is_live(run: Run) -> bool:
    return bool(_active().filter(run=run).exists())


def _runs() -> Any:
    return Run.objects.using(conf.settings.DATABASE)


def _active() -> Any:
    return ActiveRun.objects.using(conf.settings.DATABASE)


def summary(run: Run, *, live: bool) -> dict[str, Any]:
    """The row of a run, JSON-able."""
    served = run.metrics.get("results", {}).get(run.metrics.get("served", ""), {})
    ndcg = served.get("ndcg@10", {}).get("mean")
    failed = [gate["words"] for gate in run.gates if gate["passed"] is False]
    return {
        "run": run.pk,
        "live": live,
        "kind": run.kind,
        "status": run.status,
        "created": run.created_at.isoformat(timespec="seconds"),
        "seconds": round(sum(run.timings.values()), 1),
        "ndcg@10": ndcg,
        "why": run.error or "; ".join(failed),
    }


def table(found: Sequence[dict[str, Any]]) -> list[str]:
    """Aligned lines under a heading."""
    head = ("run", "kind", "status", "created (UTC)", "seconds", "NDCG@10", "")
    body = [
        (
            f"{run['run']}{'*' if run['live'] else ''}",
            run["kind"],
            run["status"],
            run["created"][:16].replace("T", " "),
            f"{run['seconds']:.1f}",
            "" if run["ndcg@10"] is None else f"{run['ndcg@10']:.4f}",
            run["why"],
        )
        for run in found
    ]
    widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]
