"""One execution of a job, or of what is no job and holds a lease like one: looking for settings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

COMPARED = ("popularity", "trending")
"""Recommenders; all of them would take minutes."""
TUNE = "tune"
TRIALS = 3


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be done."""

    job: str
    is_late: bool
    """Its last run was long ago when it began: some jobs do only part of their work otherwise."""
    turn: int = 0
    """Of the shop: another look for settings each time."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Of whoever takes it over, too. A blend, in turns, is judged, and goes live unjudged."""
        if self.job == "compare":
            return {"models": list(COMPARED), "peers": False, "limit_shoppers": 50}
        return {"evaluate": not self.is_late} if self.job == "blend" else {}


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of it."""

    error: str = ""
    skipped: str = ""
    """Why nothing was done."""
    seconds: float = 0.0


def jobs() -> list[str]:
    """All there are that have something to do."""
    from reco_plugin.jobs.running.schedule import specs

    found = [name for name, spec in specs().items() if spec.wanted()]
    return [*found, TUNE] if find_spec("optuna") else found


def left_out() -> list[str]:
    """The others, and why."""
    from reco_plugin.jobs.running.schedule import specs

    idle = [f"{name} (Pillow is not installed)" for name in specs() if name not in jobs()]
    return idle if find_spec("optuna") else [*idle, f"{TUNE} (Optuna is not installed)"]


def do(task: Task, *, only_if_due: bool = False) -> Done:
    """Now; with `only_if_due` as a beat would start it."""
    from reco_plugin.jobs.running.execute import execute

    if task.job == TUNE:
        return _tuned(task)
    found = execute(task.job, only_if_due=only_if_due, options=task.options)
    return Done(error=found.error, skipped=found.skipped, seconds=found.seconds)


def demand(task: Task) -> Done:
    """As `do`. Raises RuntimeError when it comes to no good end."""
    found = do(task)
    if found.error or found.skipped:
        raise RuntimeError(
            f"{task.job} does not even work undisturbed: {found.error or found.skipped}"
        )
    return found


def _tuned(task: Task) -> Done:
    """As somebody would who starts it again with --resume until it says that it is done."""
    from reco_plugin.exceptions import AlreadyRunning
    from reco_plugin.jobs.tune import Options, tune

    began = time.monotonic()
    asked = Options(
        sampler="random",
        minutes=0,
        trials=TRIALS,
        folds=1,
        groups=("trainer",),
        seed=task.turn,
    )
    try:
        run = tune(1, asked, resume=True)
    except AlreadyRunning:
        return Done(skipped="busy")
    return Done(error=run.error, seconds=time.monotonic() - began)
