"""Train, judge and publish."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.exceptions import AlreadyRunning, RecoError
from reco_plugin.jobs.behaviour import behaviour
from reco_plugin.jobs.blend import blend
from reco_plugin.jobs.encode import encode
from reco_plugin.jobs.fine_tune import fine_tune
from reco_plugin.jobs.lists import lists
from reco_plugin.jobs.popular import popular
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.schedule import specs
from reco_plugin.jobs.sweep import sweep
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.train import preview, train
from reco_plugin.management.progress import Bars
from reco_plugin.models import Run, RunStatus

EXIT = {RunStatus.PUBLISHED: 0, RunStatus.REJECTED: 3, RunStatus.FAILED: 1}
BUSY = 4
COUNTED = {"popular": popular, "behaviour": behaviour}
"""Kinds of run that are counted rather than trained."""
SEEN = ("encoder", "visual")
"""Kinds of run that are made of pictures: left out where there is nothing to see. Who asks for one is told why."""
BLEND = "blend"
"""Learnt from the lists of others, and refused where it is no better: when asked for by name, and daily by its job."""
WORST_FIRST = (1, BUSY, 3, 0)
NAMES = {
    "fold_in": "personal, folded in",
    "trained": "personal, trained",
    "both": "personal, both",
    "blend": "blend, learnt",
    "weights": "fixed weights",
    "popularity": "popularity",
}


class Command(BaseCommand):
    help = (
        "Syncs the catalogue, erases what deleted users left, counts what is popular, what goes with what "
        "and the other ranked lists, teaches an encoder to see the products and looks at their pictures where the "
        "extra `images` is installed, and trains the personal run; judges it on the newest part of the "
        "history; publishes and activates it unless a gate says no. "
        "Exit codes: 0 published, 1 failed (the message says why; the live run stays), 3 rejected by "
        "a gate or too little data (the live run stays), 4 another process is training."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--kind",
            choices=("all", *COUNTED, "lists", *SEEN, "personal", BLEND),
            default="all",
            help="what to train",
        )
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument(
            "--no-sync", action="store_true", help="take the catalogue as last read"
        )
        parser.add_argument("--no-evaluate", action="store_true", help="skip the hold-out: faster")
        parser.add_argument("--no-activate", action="store_true", help="publish without going live")
        parser.add_argument(
            "--seed", type=int, default=0, help="one thread and one seed: one result"
        )
        parser.add_argument("--threads", type=int, help="of the training process")
        parser.add_argument("--json", action="store_true", help="one JSON object per run")
        parser.add_argument(
            "--dry-run", action="store_true", help="read and report on the data; write nothing"
        )
        parser.add_argument("--no-progress", action="store_true", help="no progress bars")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            with Bars(quiet=options["no_progress"]) as bars:
                codes = list(self._work(site, options, bars))
        except AlreadyRunning as error:
            self.stderr.write(str(error))
            raise SystemExit(BUSY) from error
        except (RecoError, DatabaseError) as error:
            raise CommandError(f"Nothing was changed: {error}") from error
        if code := next(code for code in WORST_FIRST if code in codes):
            raise SystemExit(code)

    def _work(self, site: int, options: dict[str, Any], bars: Bars) -> Iterator[int]:
        if options["dry_run"]:
            yield self._preview(site, options, bars)
            return
        if not options["no_sync"]:
            self._sync(site, bars)
            self._sweep(site)
        for run in self._counted(site, options, bars):
            yield self._tell(run, options, bars)
        if options["kind"] in SEEN or (options["kind"] == "all" and specs()["encode"].wanted()):
            yield from self._see(site, options, bars)
        if options["kind"] in ("personal", "all"):
            run = train(
                site,
                sync=False,
                evaluate=not options["no_evaluate"],
                activate=not options["no_activate"],
                seed=options["seed"],
                threads=options["threads"],
                progress=bars,
            )
            yield self._tell(run, options, bars)

        if options["kind"] == BLEND:
            run = blend(
                site,
                activate=not options["no_activate"],
                evaluate=not options["no_evaluate"],
                seed=options["seed"],
                progress=bars,
            )
            yield self._tell(run, options, bars)

    def _counted(self, site: int, options: dict[str, Any], bars: Bars) -> Iterator[Run]:
        for kind, count in COUNTED.items():
            if options["kind"] in (kind, "all"):
                yield count(site, activate=not options["no_activate"], progress=bars)
        if options["kind"] in ("lists", "all"):
            yield from lists(site, activate=not options["no_activate"], progress=bars)

    def _see(self, site: int, options: dict[str, Any], bars: Bars) -> Iterator[int]:
        """Read the pictures, teach an encoder, and look with the live one."""
        if not options["no_sync"] and conf.settings.ENCODER:
            execute("pictures", site, progress=bars)
        same: dict[str, Any] = {"activate": not options["no_activate"], "progress": bars}
        if options["kind"] in ("encoder", "all"):
            anew = options["kind"] == "encoder"
            yield self._hear(
                fine_tune(site, anew=anew, seed=options["seed"], **same), options, bars
            )
        if options["kind"] in ("visual", "all"):
            yield self._hear(encode(site, **same), options, bars)

    def _hear(self, report: Mapping[str, Any], options: dict[str, Any], bars: Bars) -> int:
        """Tell of the run that a job of pictures made, or of why it made none."""
        if "run" in report:
            found = Run.objects.using(conf.settings.DATABASE).get(pk=report["run"])
            return self._tell(found, options, bars)
        bars.close()
        if report.get("note") and options["kind"] in SEEN:
            self.stderr.write(str(report["note"]))
        return 0

    def _sync(self, site: int, bars: Bars) -> None:
        """Once, before either kind: both leave out events of products they do not know."""
        found = sync_items(site, progress=bars)
        bars.close()
        if found.failed or found.notes:
            self.stderr.write("\n".join(found.lines()))

    def _sweep(self, site: int) -> None:
        """What cannot be erased now is erased next time; it does not stop a training."""
        try:
            sweep(site)
        except DatabaseError as error:
            self.stderr.write(f"Deleted users and products were not swept up: {error}")

    def _preview(self, site: int, options: dict[str, Any], bars: Bars) -> int:
        found = preview(site, progress=bars)
        bars.close()
        if options["json"]:
            gates = [gate.as_json() for gate in found.gates]
            self.stdout.write(json.dumps({"dataset": found.dataset, "gates": gates}))
        else:
            lines = [*found.lines, "", *gate_lines([gate.as_json() for gate in found.gates])]
            self.stdout.write("\n".join(lines))
        return 0 if found.enough else 3

    def _tell(self, run: Run, options: dict[str, Any], bars: Bars) -> int:
        bars.close()
        if options["json"]:
            self.stdout.write(json.dumps(as_json(run)))
        else:
            self.stdout.write("\n".join(report(run)) + "\n")
        return 1 if run.error else EXIT.get(RunStatus(run.status), 1)


def as_json(run: Run) -> dict[str, Any]:
    """The run as one JSON-able object."""
    names = ("site", "kind", "trainer", "status", "config", "dataset", "metrics", "gates")
    told = {name: getattr(run, name) for name in names}
    return {"run": run.pk, **told, "timings": run.timings, "store": run.store, "error": run.error}


def report(run: Run) -> list[str]:
    """The run in a few lines: what became of it, how well it does, the gates, the time."""
    lines = [f"Run {run.pk}, {run.kind}: {_fate(run)}"]
    lines += [f"  {note}" for note in run.dataset.get("notes", ())]
    for block in (metric_lines(run.metrics), gate_lines(run.gates)):
        lines += ["", *block] if block else []
    spent = " · ".join(f"{stage} {seconds:.1f} s" for stage, seconds in run.timings.items())
    return [*lines, "", spent] if spent else lines


def _fate(run: Run) -> str:
    if run.status == RunStatus.FAILED:
        return f"failed. {run.error}"
    if run.error:
        return f"{run.status}, but not made live. {run.error}"
    if run.status == RunStatus.REJECTED:
        return "rejected by a gate and kept for inspection; what was live stays live."
    return f"{run.status}."


def metric_lines(metrics: dict[str, Any]) -> list[str]:
    """A table: one line per way of ranking, the one that is served marked with *."""
    if not metrics.get("results"):
        return []
    head = ("", "recall@10", "NDCG@10", "coverage", "top share")
    body = [
        _metric_cells(NAMES.get(name, name) + ("*" if name == metrics["served"] else ""), figures)
        for name, figures in metrics["results"].items()
    ]
    widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ] + [f"over {metrics['shoppers']:,} shoppers after {metrics['at'][:10]}; * is served"]


def _metric_cells(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    def mean(metric: str) -> str:
        found = figures[f"{metric}@10"]
        return f"{found['mean']:.4f} ± {(found['high'] - found['low']) / 2:.4f}"

    shares = (f"{figures['coverage@10']:.1%}", f"{figures['top_share@10']:.1%}")
    return (name, mean("recall"), mean("ndcg"), *shares)


def gate_lines(gates: list[dict[str, Any]]) -> list[str]:
    """One line per gate, marked ✓, ✗ or -."""
    marks = {True: "✓", False: "✗", None: "-"}
    return [f"{marks[gate['passed']]} {gate['name']}: {gate['words']}" for gate in gates]
