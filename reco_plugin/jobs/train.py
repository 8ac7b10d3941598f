"""The personal run, from the event log to live recommendations. Read `_train` from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reco_plugin import conf
from reco_plugin.exceptions import NotEnoughData
from reco_plugin.jobs import artefacts, gates
from reco_plugin.jobs.evaluate import Evaluation
from reco_plugin.jobs.evaluate import evaluate as hold_out
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.lease import only_one
from reco_plugin.jobs.material import Material, gather
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import activate as make_live
from reco_plugin.jobs.publish import publish
from reco_plugin.jobs.record import begin, reconnect, recorded
from reco_plugin.jobs.stages import Stages
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.trial import Trial, everyone
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Progress, Vectors
from reco_plugin.trainers import process
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset, IdMap

KIND = "personal"
SPREAD_SCORES = 4_000_000
"""Scores the spread gate looks at: of every product, for as many shoppers as that allows (16 MB)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train."""

    sync: bool
    evaluate: bool
    activate: bool
    seed: int
    threads: int


def train(
    site: int = 1,
    *,
    sync: bool = True,
    evaluate: bool = True,
    activate: bool = True,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train, judge, publish and activate the personal run of a site. Raises AlreadyRunning.

    What became of it is in the run: PUBLISHED; REJECTED, with `gates` saying why; FAILED, with
    `error` saying why. Whatever happens, the run that was live stays live until this one replaces it.
    """
    options = Options(
        sync=sync,
        evaluate=evaluate,
        activate=activate,
        seed=seed,
        threads=threads or conf.settings.TRAIN_THREADS,
    )
    with only_one(site, KIND):
        run = begin(site, KIND, conf.settings.TRAINER, _config(options))
        stages = Stages()
        with recorded(run, stages):
            _train(run, options, stages, progress)
        tidy(site, KIND)
    return run


def _train(run: Run, options: Options, stages: Stages, progress: Progress | None) -> None:
    if options.sync:
        with stages.stage("catalogue"):
            sync_items(run.site, progress=progress)
    with stages.stage("dataset"):
        material = gather(run.site, run.config["trainer"], progress)
    run.dataset = material.as_json()
    if not _admit(run, _data_gates(material)):
        return
    evaluation = None
    if options.evaluate:
        with stages.stage("evaluate"):
            evaluation = _evaluate(run, material, options, progress)
    with stages.stage("fit"):
        dataset = material.dataset()
        learnt = _fit(run, dataset, options, progress)
    with stages.stage("artefact"):
        _keep(run, dataset, learnt)
    with stages.stage("gates"):
        verdicts = [
            *_list_gates(run, material, Trial.of(dataset, learnt)),
            gates.not_worse_than_popular(evaluation.difference if evaluation else None),
        ]
    if not _admit(run, verdicts):
        return
    with stages.stage("publish"):
        publish(run, _vectors(dataset, learnt), progress)
    if options.activate:
        make_live(run)


# --- the steps -----------------------------------------------------------------------------------


def _config(options: Options) -> dict[str, Any]:
    return {
        "trainer": dict(conf.settings.TRAINER_CONFIG),
        "seed": options.seed,
        "threads": options.threads,
        "shopper_vector": "fold_in",
    }


def _data_gates(material: Material) -> list[Gate]:
    found = material.quality
    return gates.minimum_data(found.kept, found.shoppers_with_two, gates.limits())


def _admit(run: Run, verdicts: list[Gate]) -> bool:
    """Note the verdicts; a gate that fails ends the run as REJECTED."""
    run.gates = [*run.gates, *(gate.as_json() for gate in verdicts)]
    if gates.passed(verdicts):
        return True
    run.status = RunStatus.REJECTED
    return False


def _evaluate(
    run: Run, material: Material, options: Options, progress: Progress | None
) -> Evaluation | None:
    """Judge a trial run on the newest history; it decides the epochs and the way of serving."""

    def fit(dataset: Dataset) -> Learnt:
        return _learn(run.config["trainer"], dataset, options, progress)

    try:
        evaluation = hold_out(material, fit, seed=options.seed)
    except NotEnoughData as error:
        run.metrics = {"notes": [f"Not evaluated: {error}"]}
        return None
    run.metrics = evaluation.as_json()
    run.config = {
        **run.config,
        "shopper_vector": evaluation.served,
        "recency": evaluation.recency,
        "epochs": evaluation.epochs,
    }
    return evaluation


def _fit(run: Run, dataset: Dataset, options: Options, progress: Progress | None) -> Learnt:
    """Learn from everything, for as long as the trial was at its best."""
    config = run.config["trainer"]
    if epochs := run.config.get("epochs"):
        config = {**config, "epochs": epochs}
    learnt = _learn(config, dataset, options, progress)
    run.config = {**run.config, "epochs": learnt.epochs}
    reconnect()
    return learnt


def _learn(
    config: Mapping[str, Any], dataset: Dataset, options: Options, progress: Progress | None
) -> Learnt:
    return process.run(
        conf.settings.TRAINER,
        config,
        dataset,
        seed=options.seed,
        threads=options.threads,
        timeout=conf.settings.TRAIN_TIMEOUT,
        memory_mb=conf.settings.TRAIN_MEMORY_MB,
        folder=artefacts.folder(),
        progress=progress,
    )


def _keep(run: Run, dataset: Dataset, learnt: Learnt) -> None:
    """Write the artefact, also of a run that no gate will let through."""
    trial = Trial.of(dataset, learnt)
    run.dataset = {**run.dataset, "norm": trial.norm, "notes": [*learnt.notes]}
    artefacts.save(run, dataset, learnt)
    run.status = RunStatus.TRAINED
    run.save()


def _list_gates(run: Run, material: Material, trial: Trial) -> list[Gate]:
    """What the finished run would show a sample of all shoppers."""
    finite = gates.finite(trial.learnt)
    if not finite.passed:
        return [finite]
    sample = everyone(material.log, run.config["seed"])
    queries, lists = trial.answers(sample, run.config)
    items = len(material.log.items)
    spread = gates.spread(trial.learnt, queries[: max(1, SPREAD_SCORES // items)])
    return [finite, spread, *gates.breadth(lists, items, gates.limits())]


def _vectors(dataset: Dataset, learnt: Learnt) -> Vectors:
    """What goes into the store: every item, and the shoppers that something was learnt of."""
    known = np.flatnonzero(np.diff(dataset.interactions.indptr))
    return Vectors(
        items=dataset.items,
        item_vectors=learnt.item_vectors,
        item_biases=learnt.item_biases,
        shoppers=IdMap(keys=dataset.shoppers.keys[known]),
        shopper_vectors=learnt.shopper_vectors[known],
    )


# --- looking before training ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a training would find."""

    dataset: dict[str, Any]
    gates: list[Gate]
    lines: list[str]

    @property
    def enough(self) -> bool:
        return gates.passed(self.gates)


def preview(site: int = 1, *, progress: Progress | None = None) -> Preview:
    """Read the data, judge it, write nothing."""
    material = gather(site, progress=progress)
    return Preview(
        dataset=material.as_json(),
        gates=_data_gates(material),
        lines=material.quality.lines(),
    )
