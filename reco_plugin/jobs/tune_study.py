"""Which settings are tried next: Optuna (Akiba et al. 2019, arXiv 1907.10902), imported here and nowhere else.

The history of a study lies in the row of its run, so that it is gone on with from any machine.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reco_plugin.exceptions import TrainingFailed
from reco_plugin.trainers.spaces import Choice, Dimension, Real, Space

SAMPLERS = ("tpe", "random", "grid")
STARTUP = 4
"""Trials that are finished before any is broken off for being below the median."""
MOST_POINTS = 10_000
FINISHED, PRUNED, FAILED = "finished", "pruned", "failed"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One trial."""

    number: int
    params: Mapping[str, Any]
    state: str
    """FINISHED; PRUNED, worse than the median of the others so far; or FAILED."""
    value: float | None = None
    """Mean NDCG@10 over the folds."""
    folds: Sequence[float] = ()
    seconds: float = 0.0
    difference: float | None = None
    """Of NDCG@10 to trial 0, over the same shoppers of all folds."""
    error: float | None = None
    """Its standard error."""
    words: str = ""
    """Why it failed."""
    marks: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler remembers of it."""


class Study:
    """Proposes settings. The same seed and history propose the same."""

    def __init__(
        self, space: Space, *, sampler: str, seed: int, past: Sequence[Tried] = ()
    ) -> None:
        """Raises TrainingFailed where Optuna is not installed, ValueError for a sampler there is not."""
        self._optuna = _installed()
        self._space = space
        self._distributions = {name: self._distribution(each) for name, each in space.items()}
        self._study = self._optuna.create_study(
            direction="maximize",
            sampler=self._sampler(sampler, seed + len(past)),
            pruner=self._optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
        )
        for tried in past:
            self._study.add_trial(self._remembered(tried))
        met = [dict(tried.params) for tried in past]
        self._grid = _grid(space, seed, met) if sampler == "grid" else None
        self._is_given = False

    def first(self, params: Mapping[str, Any]) -> None:
        """Try these before any other."""
        self._study.enqueue_trial(dict(params))
        self._is_given = True

    def ask(self) -> Any:
        """The next trial, with `number` and `params`; None when a grid is exhausted."""
        if self._grid is not None and not self._is_given:
            params = next(self._grid, None)
            if params is None:
                return None
            self._study.enqueue_trial(params)
        self._is_given = False
        return self._study.ask(self._distributions)

    def is_hopeless(self, trial: Any, step: int, value: float) -> bool:
        """Is the running mean of the folds up to `step` below the median of finished trials there?"""
        trial.report(value, step)
        return bool(trial.should_prune())

    def tell(self, trial: Any, tried: Tried) -> Tried:
        """What became of it, with what the sampler remembers."""
        told = self._study.tell(trial, tried.value, self._state(tried.state))
        return Tried(**{**vars(tried), "marks": dict(told.system_attrs)})

    def forget(self, trial: Any) -> None:
        """It was not brought to an end."""
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def _remembered(self, tried: Tried) -> Any:
        steps = {at: sum(tried.folds[: at + 1]) / (at + 1) for at in range(len(tried.folds))}
        return self._optuna.trial.create_trial(
            state=self._state(tried.state),
            value=tried.value,
            params=dict(tried.params),
            distributions=self._distributions,
            intermediate_values=steps,
            system_attrs=dict(tried.marks),
        )

    def _state(self, state: str) -> Any:
        states = self._optuna.trial.TrialState
        return {FINISHED: states.COMPLETE, PRUNED: states.PRUNED, FAILED: states.FAIL}[state]

    def _sampler(self, name: str, seed: int) -> Any:
        samplers = self._optuna.samplers
        if name in (
            "grid",
            "random",
        ):  # a grid is walked here, so that it may end and be gone on with
            return samplers.RandomSampler(seed=seed)
        if name == "tpe":
            return samplers.TPESampler(seed=seed, n_startup_trials=8)
        raise ValueError(f"There is no sampler {name!r}; choose from {', '.join(SAMPLERS)}.")

    def _distribution(self, dimension: Dimension) -> Any:
        kinds = self._optuna.distributions
        if isinstance(dimension, Choice):
            return kinds.CategoricalDistribution(dimension.values)
        kind = kinds.FloatDistribution if isinstance(dimension, Real) else kinds.IntDistribution
        return kind(dimension.low, dimension.high, log=dimension.log)


def _grid(space: Space, seed: int, met: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Points of the grid in the order of the seed, without those that were met; at most MOST_POINTS."""
    values = {name: dimension.grid() for name, dimension in space.items()}
    size = math.prod(map(len, values.values()))
    order = random.Random(seed)  # noqa: S311
    for number in order.sample(range(size), min(size, MOST_POINTS)):
        point, rest = {}, number
        for name, each in values.items():
            rest, at = divmod(rest, len(each))
            point[name] = each[at]
        if point not in met:
            yield point


def _installed() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise TrainingFailed(
            "optuna is not installed. Run: python -m pip install 'django-reco-plugin[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
