"""Look for better settings of the shop's own training."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from reco_plugin import backends, conf
from reco_plugin.exceptions import AlreadyRunning, RecoError
from reco_plugin.jobs import decisions, tuned
from reco_plugin.jobs.tune import Options, tune
from reco_plugin.jobs.tune_space import GROUPS
from reco_plugin.jobs.tune_study import FAILED, FINISHED, SAMPLERS, Tried
from reco_plugin.management.progress import Bars
from reco_plugin.models import Run, RunStatus

BUSY, NOTHING_BETTER = 4, 3


class Command(BaseCommand):
    help = (
        "Looks for better settings of the personal run with Optuna (extra `tune`): hyper-parameters of the "
        "trainer, features, weights of events, half-life. Judges them on blocks of the history before the test "
        "period, which is never touched. --apply has the next training learn by them; --withdraw takes that "
        "back. A fit that has begun is brought to an end when time is up; Ctrl-C ends it at once and keeps what "
        "was tried. Exit codes: 0 better settings were found, 1 it failed, 3 nothing better than the settings in "
        "force, 4 another process is at it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--minutes", type=float, default=30.0, help="when to stop (30); 0: never"
        )
        parser.add_argument("--trials", type=int, default=0, help="most trials; 0: as time allows")
        parser.add_argument("--sampler", choices=SAMPLERS, default="tpe", help="who proposes (tpe)")
        parser.add_argument("--folds", type=int, default=2, help="blocks to be judged on (2)")
        parser.add_argument(
            "--only", nargs="+", choices=GROUPS, default=[], help="try nothing else than these"
        )
        parser.add_argument("--seed", type=int, default=0, help="the same seed, the same trials")
        parser.add_argument(
            "--threads", type=int, default=1, help="of a fit; more than 1 gives up the same result"
        )
        parser.add_argument("--resume", action="store_true", help="go on with the last such study")
        parser.add_argument(
            "--apply", action="store_true", help="learn by what is found from now on"
        )
        parser.add_argument(
            "--withdraw", action="store_true", help="back to the shop's own settings"
        )
        parser.add_argument("--show", action="store_true", help="the last study; tries nothing")
        parser.add_argument("--because", default="", metavar="WORDS", help="why; kept with the run")
        parser.add_argument("--site", type=int, help="number of the shop (default: RECO_SITE)")
        parser.add_argument(
            "--json", action="store_true", help="one JSON object per trial, and the end"
        )
        parser.add_argument("--no-progress", action="store_true", help="no progress bars")

    def handle(self, *args: Any, **options: Any) -> None:
        site = options["site"] or backends.site()
        try:
            if options["withdraw"]:
                run = tuned.withdraw(site, by=decisions.operator(), why=options["because"])
                self.stdout.write(f"What run {run.pk} found is not learnt by any more.")
                return
            run = self._newest(site, options) if options["show"] else self._tune(site, options)
            self._end(run, options)
        except AlreadyRunning as error:
            self.stderr.write(str(error))
            raise SystemExit(BUSY) from error
        except (RecoError, DatabaseError, ValueError) as error:
            raise CommandError(str(error)) from error

    def _newest(self, site: int, options: Mapping[str, Any]) -> Run:
        runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=tuned.TUNING)
        found = runs.order_by("-pk").first()
        if found is None:
            raise CommandError("Nobody has tuned here yet.")
        for one in found.metrics.get("trials", []):
            self.stdout.write(json.dumps(one) if options["json"] else line(Tried(**one), None))
        return found

    def _tune(self, site: int, options: Mapping[str, Any]) -> Run:
        asked = Options(
            sampler=options["sampler"],
            minutes=options["minutes"],
            trials=options["trials"],
            folds=options["folds"],
            seed=options["seed"],
            threads=options["threads"],
            groups=tuple(options["only"]),
        )
        with Bars(quiet=options["no_progress"]) as bars:

            def hear(tried: Tried, best: Tried | None) -> None:
                bars.close()
                told = json.dumps(asdict(tried)) if options["json"] else line(tried, best)
                self.stdout.write(told)
                self.stdout.flush()

            return tune(site, asked, resume=options["resume"], progress=bars, hear=hear)

    def _end(self, run: Run, options: Mapping[str, Any]) -> None:
        if run.error:
            raise CommandError(f"Run {run.pk} failed: {run.error}")
        is_better = run.status == RunStatus.PUBLISHED
        if options["apply"] and is_better:
            tuned.apply(run, by=decisions.operator(), why=options["because"])
        if options["json"]:
            self.stdout.write(json.dumps(as_json(run)))
        else:
            self.stdout.write("\n".join(report(run, applied=options["apply"] and is_better)))
        if not is_better:
            raise SystemExit(NOTHING_BETTER)


def as_json(run: Run) -> dict[str, Any]:
    """The end of a study as one JSON-able object."""
    names = ("site", "status", "config", "dataset", "gates")
    told = {name: getattr(run, name) for name in names}
    return {"run": run.pk, **told, "best": run.metrics.get("best")}


def line(tried: Tried, best: Tried | None) -> str:
    """One trial in one line."""
    folds = " ".join(f"{value:.4f}" for value in tried.folds)
    value = f"{tried.value:.4f}" if tried.value is not None else tried.state
    beside = f" (best {best.value:.4f}, trial {best.number})" if best and best.value else ""
    what = tried.words if tried.state == FAILED else settings(tried.params)
    return f"{tried.number:>4}  {value}{beside}  [{folds}]  {tried.seconds:.0f} s  {what}"


def settings(params: Mapping[str, Any]) -> str:
    """Names and values, without the names of the groups."""
    return " ".join(f"{name.partition('.')[2]}={_short(value)}" for name, value in params.items())


def _short(value: Any) -> str:
    is_real = isinstance(value, float)
    return f"{value:.3g}" if is_real else str(value)


def report(run: Run, *, applied: bool) -> list[str]:
    """What a study came to."""
    told = [Tried(**one) for one in run.metrics.get("trials", [])]
    finished = sum(one.state == FINISHED for one in told)
    lines = [f"Run {run.pk}: {len(told)} trials, {finished} finished."]
    lines += [f"{'✓' if gate['passed'] else '✗'} {gate['words']}" for gate in run.gates]
    best = run.metrics.get("best")
    if run.status == RunStatus.PUBLISHED and best:
        found = tuned.of(best["params"]).as_json()
        lines += [f"  {name}: {json.dumps(value)}" for name, value in found.items()]
        lines.append(
            "The next training learns by them, and its gate says whether that holds on the test period. Back: "
            "reco_tune --withdraw"
            if applied
            else "To learn by them: reco_tune --show --apply"
        )
    return lines
