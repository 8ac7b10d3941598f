"""What a trial run shows: how well it would have served, beside popularity and beside the live run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from reco_plugin.exceptions import NotEnoughData
from reco_plugin.jobs import champion, gates
from reco_plugin.jobs.challenge import challenge, verdicts
from reco_plugin.jobs.evaluate import Evaluation, Fit, evaluate
from reco_plugin.jobs.gates import Difference, Gate
from reco_plugin.jobs.material import Material
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import Run

SAME = 0.01
"""Share of events that may have come or gone since a trial whose verdict is still taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The figures, and what they decide; nothing where no trial was made."""

    events: int = 0
    """Of the history it was judged on."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    """The epochs and the way of serving."""
    difference: Mapping[str, Any] | None = None
    beside: tuple[Mapping[str, Any], ...] = ()
    """The verdicts beside the live run."""
    evaluation: Evaluation | None = None
    """None where a process that died had made it."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """What `as_json` told. A part that an older version did not know is left at nothing."""
        return cls(**{**told, "beside": tuple(told.get("beside", ()))})

    def as_json(self) -> dict[str, Any]:
        """For a checkpoint: all but the evaluation itself."""
        names = ("events", "metrics", "config", "difference")
        return {**{name: getattr(self, name) for name in names}, "beside": list(self.beside)}

    def gates(self) -> list[Gate]:
        """Not worse than popularity, and not worse than what is live."""
        difference = Difference(**self.difference) if self.difference else None
        beside = (Gate(**told) for told in self.beside)
        return [gates.not_worse_than_popular(difference), *beside]


def judge(run: Run, material: Material, left: Mapping[str, Any] | None, fit: Fit) -> Judged:
    """Judge a trial of `run` on the newest history, unless the process that died (`left`) had done so.

    The figures and what they decide are set in the row, which is not saved.
    """
    events = len(material.log)
    if left is not None and abs(left["events"] - events) <= SAME * events:
        judged = Judged.of(left)
    else:
        judged = _judge(run, material, fit)
    run.metrics = dict(judged.metrics)
    run.config = {**run.config, **judged.config}
    return judged


def _judge(run: Run, material: Material, fit: Fit) -> Judged:
    events = len(material.log)
    try:
        evaluation = evaluate(material, fit, seed=run.config["seed"])
    except NotEnoughData as error:
        return Judged(events=events, metrics={"notes": [f"Not evaluated: {error}"]})
    figures, beside = _beside_live(run, evaluation)
    return Judged(
        events=events,
        metrics={**evaluation.as_json(), **figures},
        config={
            "shopper_vector": evaluation.served,
            "recency": evaluation.recency,
            "epochs": evaluation.epochs,
        },
        difference=asdict(evaluation.difference),
        beside=tuple(gate.as_json() for gate in beside),
        evaluation=evaluation,
    )


def _beside_live(run: Run, evaluation: Evaluation) -> tuple[dict[str, Any], list[Gate]]:
    """The trial beside that of the live run, where there is one: figures for Run.metrics, and verdicts."""
    live = active_run(run.site, run.kind)
    if live is None:
        return {}, []
    kept = champion.read(live)
    found = kept if isinstance(kept, str) else challenge(evaluation, kept, seed=run.config["seed"])
    figures = {} if isinstance(found, str) else {"beside_live": found.as_json()}
    return figures, verdicts(found)
