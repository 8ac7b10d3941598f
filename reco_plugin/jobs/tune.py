"""Look for better settings of a shop's own training, on its own log, without touching the test period.

Trial 0 is the settings in force. The best of the others is worth applying when it beats trial 0, over the
same shoppers, by more than the luckiest of so many would by chance. Whether it holds is for the next training
to say: its gate holds it against the live run on the test period, which nothing here has seen.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np

from reco_plugin import conf
from reco_plugin.exceptions import NotEnoughData, TrainingFailed
from reco_plugin.jobs import artefacts
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.material import gather
from reco_plugin.jobs.publish import Fence, active_run, save
from reco_plugin.jobs.record import begin, give_up, reconnect, recorded
from reco_plugin.jobs.running.lease import lease
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.jobs.tune_folds import Figures, Past, judged, known_part
from reco_plugin.jobs.tune_space import defaults, space
from reco_plugin.jobs.tune_study import FAILED, FINISHED, PRUNED, Study, Tried
from reco_plugin.jobs.tuned import TUNING, of
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Progress
from reco_plugin.trainers import process
from reco_plugin.trainers.base import Learnt
from reco_plugin.trainers.spaces import Space, as_json
from reco_plugin.types import Dataset

NAME = "tune"
CONFIDENCE = 0.95
Hear: TypeAlias = Callable[[Tried, Tried | None], None]
"""Told of every trial, and of the best so far."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to look."""

    sampler: str = "tpe"
    minutes: float = 30.0
    """No fit begins later; 0 for no limit."""
    trials: int = 0
    """Most trials, those of before among them; 0 for no limit."""
    folds: int = 2
    seed: int = 0
    threads: int = 1
    """Of a fit. One thread and one seed give one result."""
    groups: tuple[str, ...] = ()
    """Of 'trainer', 'features', 'weights', 'decay'; all when empty."""

    def __post_init__(self) -> None:
        if not (self.minutes > 0 or self.trials > 0):
            raise ValueError("Give a number of minutes or of trials: it would never end.")
        if self.folds < 1:
            raise ValueError(f"There must be at least one fold, not {self.folds}.")


def tune(
    site: int,
    options: Options,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    hear: Hear = lambda tried, best: None,
) -> Run:
    """Look for settings until minutes or trials are spent, or somebody interrupts; with `resume`, go on with
    the newest run that looked in the same way.

    The run is PUBLISHED when it found better settings, REJECTED when not, FAILED with `error`. Each trial is in
    `Run.metrics["trials"]` as soon as it is over. Raises AlreadyRunning, and ValueError for unusable options.
    """
    with lease(site, NAME) as held:
        run = (_left(site, options) if resume else None) or _begun(site, options)
        give_up(site, TUNING, but=run)
        stages = Stages()
        with recorded(run, stages, fence=held.fence):
            with stages.stage("dataset"):
                material = gather(site, conf.settings.TRAINER_CONFIG, progress)
                past = known_part(material, options.folds, _until(run))
            with stages.stage("tune"):
                _Tuning(run, past, options, held.fence, hear).go()
        return run


# --- the row -------------------------------------------------------------------------------------


def _config(options: Options) -> dict[str, Any]:
    """What must be the same for trials to be comparable."""
    return {
        "sampler": options.sampler,
        "seed": options.seed,
        "folds": options.folds,
        "groups": sorted(options.groups),
        "settings": {
            "trainer": dict(conf.settings.TRAINER_CONFIG),
            "event_weights": dict(conf.settings.EVENT_WEIGHTS),
            "half_life_days": conf.settings.HALF_LIFE_DAYS,
        },
    }


def _begun(site: int, options: Options) -> Run:
    return begin(site, TUNING, conf.settings.TRAINER, _config(options))


def _left(site: int, options: Options) -> Run | None:
    """The newest run of the same configuration, unless what it found is in force."""
    runs = Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=TUNING)
    wanted, live = _config(options), active_run(site, TUNING)
    for run in runs.filter(trainer=conf.settings.TRAINER).order_by("-pk"):
        if run != live and wanted.items() <= run.config.items() and "until" in run.dataset:
            run.status, run.error, run.finished_at, run.gates = RunStatus.RUNNING, "", None, []
            return run
    return None


def _until(run: Run) -> dt.datetime | None:
    """Where the test period began, of a run that is gone on with."""
    told = run.dataset.get("until")
    return dt.datetime.fromisoformat(told) if told else None


def trials(run: Run) -> list[Tried]:
    """What a run has tried, in order."""
    return [Tried(**told) for told in run.metrics.get("trials", [])]


def best_of(tried: Sequence[Tried]) -> Tried | None:
    """The finished trial of the largest value, the first of equals."""
    finished = [one for one in tried if one.state == FINISHED and one.value is not None]
    return max(finished, key=lambda one: (one.value or 0.0, -one.number), default=None)


# --- the search ----------------------------------------------------------------------------------


class _Tuning:
    """One look for settings."""

    def __init__(self, run: Run, past: Past, options: Options, fence: Fence, hear: Hear) -> None:
        self.run, self.past, self.options, self.fence, self.hear = run, past, options, fence, hear
        self.ends = time.monotonic() + options.minutes * 60 if options.minutes > 0 else math.inf
        self.space = space(past.material.log, options.groups)
        self.tried = trials(run)
        self.study = Study(self.space, sampler=options.sampler, seed=options.seed, past=self.tried)
        self.base: list[Figures] = []

    def go(self) -> None:
        """Look, and say what it came to."""
        self.run.dataset = self.past.as_json()
        self.run.config = {**self.run.config, "space": _told(self.space)}
        save(self.run, self.fence)
        try:
            self._look()
        except KeyboardInterrupt:
            if not self.tried:
                raise
        self._conclude()

    def _look(self) -> None:
        in_force = defaults(self.space)
        started = time.monotonic()
        self.base = [self._judged(fold, in_force) for fold in self.past.folds]
        if not self.tried:
            self.study.first(in_force)
            self._keep(self.study.ask(), self._finished(0, in_force, self.base, started))
        while not self._is_over():
            trial = self.study.ask()
            if trial is None:
                break
            tried = self._try(trial)
            if tried is None:
                self.study.forget(trial)
                break
            self._keep(trial, tried)

    def _is_over(self) -> bool:
        most = self.options.trials
        return time.monotonic() >= self.ends or bool(most and len(self.tried) >= most)

    def _try(self, trial: Any) -> Tried | None:
        """None where time was up before its last fold."""
        started, params, number = time.monotonic(), dict(trial.params), len(self.tried)
        found: list[Figures] = []
        for step, fold in enumerate(self.past.folds):
            if step and time.monotonic() >= self.ends:
                return None
            try:
                found.append(self._judged(fold, params))
            except (TrainingFailed, NotEnoughData, ValueError) as error:
                return Tried(number=number, params=params, state=FAILED, words=str(error))
            is_last = len(found) == len(self.past.folds)
            if self.study.is_hopeless(trial, step, float(np.mean(_means(found)))) and not is_last:
                return Tried(
                    number=number,
                    params=params,
                    state=PRUNED,
                    folds=_means(found),
                    seconds=round(time.monotonic() - started, 1),
                )
        return self._finished(number, params, found, started)

    def _finished(
        self, number: int, params: Mapping[str, Any], found: Sequence[Figures], started: float
    ) -> Tried:
        apart = np.concatenate(list(found)) - np.concatenate(self.base)
        return Tried(
            number=number,
            params=params,
            state=FINISHED,
            value=float(np.mean(_means(found))),
            folds=_means(found),
            seconds=round(time.monotonic() - started, 1),
            difference=float(apart.mean()),
            error=float(apart.std(ddof=1) / len(apart) ** 0.5) if len(apart) > 1 else 0.0,
        )

    def _judged(self, fold: Any, params: Mapping[str, Any]) -> Figures:
        return judged(self.past, fold, of(params), self._learn, seed=self.options.seed)

    def _learn(self, config: Mapping[str, Any], dataset: Dataset) -> Learnt:
        learnt = process.run(
            conf.settings.TRAINER,
            config,
            dataset,
            seed=self.options.seed,
            threads=self.options.threads,
            timeout=conf.settings.TRAIN_TIMEOUT or None,
            memory_mb=conf.settings.TRAIN_MEMORY_MB,
            folder=artefacts.folder(),
        )
        reconnect()
        return learnt

    def _keep(self, trial: Any, tried: Tried) -> None:
        self.tried.append(self.study.tell(trial, tried))
        best = best_of(self.tried)
        self.run.metrics = {
            **self.run.metrics,
            "trials": [asdict(one) for one in self.tried],
            "best": asdict(best) if best else None,
        }
        save(self.run, self.fence, "metrics")
        self.hear(tried, best)

    def _conclude(self) -> None:
        gate = verdict(self.tried)
        self.run.gates = [gate.as_json()]
        self.run.status = RunStatus.PUBLISHED if gate.passed else RunStatus.REJECTED
        save(self.run, self.fence)


def verdict(tried: Sequence[Tried]) -> Gate:
    """Is the best trial better than trial 0, by more than the luckiest of so many by chance (Bonferroni)?"""
    best = best_of(tried)
    others = [one for one in tried if one.state == FINISHED and one.number]
    if best is None or not best.number or best.difference is None or best.error is None:
        words = f"none of {len(others)} finished trials was better than the settings in force"
        return Gate(name="tuning", passed=False, words=words, value=0.0, limit=0.0)
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / len(others))
    low, high = best.difference - z * best.error, best.difference + z * best.error
    in_force = tried[0].value or 0.0
    return Gate(
        name="tuning",
        passed=low > 0,
        words=f"NDCG@10 {best.value:.4f} by trial {best.number} beside {in_force:.4f} by the settings in "
        f"force, over the folds: {best.difference:+.4f} [{low:+.4f}, {high:+.4f}] per shopper, the "
        f"interval widened for {len(others)} trials (its lower end must be above 0)",
        value=low,
        limit=0.0,
    )


def _means(found: Sequence[Figures]) -> list[float]:
    return [float(figures.mean()) for figures in found]


def _told(tried: Space) -> dict[str, Any]:
    return {name: as_json(dimension) for name, dimension in tried.items()}
