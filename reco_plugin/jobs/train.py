"""The personal run, from the event log to live recommendations. Read `_train` from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from reco_plugin import conf
from reco_plugin.exceptions import ArtefactCorrupt, StoreError
from reco_plugin.jobs import artefacts, champion, decisions, gates, resume, tuned
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.judging import Judged, judge
from reco_plugin.jobs.looks import Seen
from reco_plugin.jobs.material import Material, gather
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import activate as make_live
from reco_plugin.jobs.publish import publish, save
from reco_plugin.jobs.record import begin, give_up, outcome, reconnect, recorded, stage
from reco_plugin.jobs.running.now import run_now
from reco_plugin.jobs.running.work import JobFailed, Work
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.trial import Trial, everyone
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Progress, Vectors
from reco_plugin.trainers import process, registry
from reco_plugin.trainers.base import Estimating, Learnt
from reco_plugin.types import Dataset, IdMap

KIND = "personal"
SPREAD_SCORES = 4_000_000
"""Scores the spread gate looks at: of every product, for as many shoppers as that allows (16 MB)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train. By itself the job takes the catalogue as last read: that has a job of its own."""

    sync: bool = False
    evaluate: bool = True
    activate: bool = True
    seed: int = 0
    threads: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Raises TypeError for an option there is not."""
        return cls(**{"threads": conf.settings.TRAIN_THREADS, **given})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


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
    options = {
        "sync": sync,
        "evaluate": evaluate,
        "activate": activate,
        "seed": seed,
        "threads": threads or conf.settings.TRAIN_THREADS,
    }
    return run_now("train", site, options, progress)


def work(work: Work) -> dict[str, Any]:
    """The job: publishes what somebody wants live against its gates; else goes on with what a dead process had
    learnt; otherwise starts anew."""
    options = Options.of(work.options)
    if (wanted := decisions.overruled(work.site)) is not None:
        return _against_its_gates(wanted, work)
    left = resume.find(work, KIND, options.as_json())
    run = left.run or begin(
        work.site, KIND, conf.settings.TRAINER, _config(options, tuned.in_force(work.site))
    )
    give_up(work.site, KIND, but=run)
    work.report["run"] = run.pk
    work.keep(run=run.pk, options=options.as_json())
    with recorded(run, work.stages, fence=work.fence):
        _train(run, options, left, work)
    report = outcome(run)
    with work.stage("tidy"):
        tidy(work.site, KIND)
    return report


def _against_its_gates(run: Run, work: Work) -> dict[str, Any]:
    """Publish a rejected run, as somebody decided, and make it live. Raises JobFailed."""
    work.report["run"] = run.pk
    try:
        with stage(run, work, "publish"):
            publish(run, decisions.vectors(run), work.progress, fence=work.fence)
        with stage(run, work, "activate"):
            make_live(run, fence=work.fence)
    except (ArtefactCorrupt, StoreError) as error:
        decisions.decide(run, decisions.BROKEN, by=work.held.holder, why=str(error))
        raise JobFailed(f"Run {run.pk} could not be published: {error}") from error
    run.timings = {**run.timings, **work.timings}
    save(run, work.fence, "log", "timings")
    with work.stage("tidy"):
        tidy(work.site, KIND)
    return {**outcome(run), "overruled": decisions.failed(run)}


def _train(run: Run, options: Options, left: resume.Left, work: Work) -> None:
    vectors = left.vectors
    if run.status != RunStatus.PUBLISHED:
        vectors = vectors or _learn_anew(run, options, left, work)
        if vectors is None:
            return
        with stage(run, work, "publish"):
            publish(run, vectors, work.progress, fence=work.fence)
    if options.activate:
        with stage(run, work, "activate"):
            make_live(run, fence=work.fence)


def _learn_anew(run: Run, options: Options, left: resume.Left, work: Work) -> Vectors | None:
    """From the log to an artefact that every gate has let through; None when one has not."""
    if options.sync:
        with stage(run, work, "catalogue"):
            sync_items(run.site, progress=work.progress)
    with stage(run, work, "dataset"):
        learning = tuned.in_force(run.site)
        material = gather(
            run.site, run.config["trainer"], work.progress, weights=learning.weights()
        )
    run.dataset = material.as_json()
    if not _admit(run, _data_gates(material, run.config["trainer"])):
        return None
    judged = Judged()
    if options.evaluate:
        with stage(run, work, "evaluate"):
            judged = judge(run, material, left.evaluation, _fitting(run, options, work))
        save(run, work.fence)
        work.keep(evaluation=judged.as_json())
    with stage(run, work, "fit"):
        dataset = material.dataset()
        learnt = _fit(run, dataset, options, work)
    with stage(run, work, "gates"):
        is_admitted = _admit(
            run, [*_list_gates(run, material, Trial.of(dataset, learnt)), *judged.gates()]
        )
    with stage(run, work, "artefact"):
        if judged.evaluation is not None:
            champion.keep(run, judged.evaluation, dataset.items)
        _keep(run, dataset, learnt, material.seen, work)
    return _vectors(dataset, learnt) if is_admitted else None


# --- the steps -----------------------------------------------------------------------------------


def _config(options: Options, learning: tuned.Tuned) -> dict[str, Any]:
    over = {} if learning.run is None else {"tuned": {"run": learning.run, **learning.as_json()}}
    return {
        **over,
        "trainer": learning.config(),
        "seed": options.seed,
        "threads": options.threads,
        "shopper_vector": "fold_in",
    }


def _data_gates(material: Material, config: Mapping[str, Any]) -> list[Gate]:
    found = material.quality
    return [
        *gates.minimum_data(found.kept, found.shoppers_with_two, gates.limits()),
        *gates.memory(_needed_mb(material, config), conf.settings.TRAIN_MEMORY_MB),
    ]


def _needed_mb(material: Material, config: Mapping[str, Any]) -> float | None:
    trainer = registry.get(conf.settings.TRAINER)(config)
    return trainer.memory_mb(material.whole) if isinstance(trainer, Estimating) else None


def _admit(run: Run, verdicts: list[Gate]) -> bool:
    """Note the verdicts; a gate that fails ends the run as REJECTED."""
    run.gates = [*run.gates, *(gate.as_json() for gate in verdicts)]
    if gates.passed(verdicts):
        return True
    run.status = RunStatus.REJECTED
    return False


def _fit(run: Run, dataset: Dataset, options: Options, work: Work) -> Learnt:
    """Learn from everything, for as long as the trial was at its best."""
    config = run.config["trainer"]
    if epochs := run.config.get("epochs"):
        config = {**config, "epochs": epochs}
    learnt = _learn(config, dataset, options, work)
    run.config = {**run.config, "epochs": learnt.epochs}
    reconnect()
    return learnt


def _fitting(run: Run, options: Options, work: Work) -> Callable[[Dataset], Learnt]:
    """Learns a trial run."""
    return lambda dataset: _learn(run.config["trainer"], dataset, options, work)


def _learn(config: Mapping[str, Any], dataset: Dataset, options: Options, work: Work) -> Learnt:
    return process.run(
        conf.settings.TRAINER,
        config,
        dataset,
        seed=options.seed,
        threads=options.threads,
        timeout=_timeout(work),
        memory_mb=conf.settings.TRAIN_MEMORY_MB,
        folder=artefacts.folder(),
        progress=work.progress,
    )


def _timeout(work: Work) -> float | None:
    """Seconds: RECO_TRAIN_TIMEOUT, or what is left of the job's own limit."""
    limits = (conf.settings.TRAIN_TIMEOUT, work.held.seconds_left())
    return min((limit for limit in limits if limit), default=None)


def _keep(run: Run, dataset: Dataset, learnt: Learnt, seen: Seen, work: Work) -> None:
    """Write the artefact, also of a run that a gate has rejected."""
    trial = Trial.of(dataset, learnt)
    run.dataset = {**run.dataset, "norm": trial.norm, "notes": [*learnt.notes]}
    artefacts.write(run, dataset, learnt, seen.known)
    if run.status == RunStatus.RUNNING:
        run.status = RunStatus.TRAINED
    save(run, work.fence)


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
    known = artefacts.known(dataset)
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
        gates=_data_gates(material, tuned.in_force(site).config()),
        lines=material.quality.lines(),
    )
