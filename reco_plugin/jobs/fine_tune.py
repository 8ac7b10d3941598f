"""Teach a network the shop's own catalogue, from its pictures to a live encoder. Read `_teach` from top to bottom.

Its run has no vectors: it is the weights that the job encode looks at pictures with.
"""

from __future__ import annotations

import datetime as dt
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from reco_plugin import clock, conf
from reco_plugin.encoders import process, registry, teaching
from reco_plugin.encoders.registry import Kind
from reco_plugin.encoders.teaching import Task
from reco_plugin.jobs import artefacts, gates, lesson
from reco_plugin.jobs.artefacts import artefact_path
from reco_plugin.jobs.gates import Gate
from reco_plugin.jobs.lesson import Material
from reco_plugin.jobs.live_encoder import KIND, OFF
from reco_plugin.jobs.prune import tidy
from reco_plugin.jobs.publish import activate, active_run, save
from reco_plugin.jobs.record import begin, give_up, note, outcome, reconnect, recorded, stage
from reco_plugin.jobs.running.now import reported_now
from reco_plugin.jobs.running.work import Work
from reco_plugin.models import Run, RunStatus
from reco_plugin.stores.base import Progress

log = logging.getLogger(__name__)

FEWEST = 64
"""Products with a picture, below which nothing is taught, and nothing is judged."""
AGAIN = dt.timedelta(days=7)
"""It is taught anew when the live one, or the last attempt, is so old, and enough is new."""
AFTER_FAILURE = dt.timedelta(days=1)
NEW = 0.05
"""Share of the pictures that must have come, gone or been put elsewhere since."""
FRESH = dt.timedelta(days=2)
"""A training that a process left is gone on with for so long."""
OPTIONS = {"activate": True, "anew": False, "seed": 0}
JUDGED = (RunStatus.PUBLISHED, RunStatus.REJECTED)
"""What is left to do is to make it live, or not, and to tidy up."""
PLACE = "tune-{}"
"""Folder below RECO_ARTEFACT_DIR, by the number of the run."""


def fine_tune(
    site: int = 1,
    *,
    activate: bool = True,
    anew: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """Do the job now; returns its report, which has a `note` where nothing was taught, else the number of
    the `run`. With `anew` it is done however little is new. Raises AlreadyRunning."""
    options = {"activate": activate, "anew": anew, "seed": seed}
    return reported_now("fine_tune", site, options, progress)


@dataclass(frozen=True, kw_only=True)
class Left:
    """A training that a process did not live to end, and the lesson that it had packed."""

    run: Run
    sha256: str
    pictures: int
    why_not: str


def work(work: Work) -> dict[str, Any]:
    """The job: goes on with what a dead process had begun, otherwise sees whether it is time."""
    options = {**OPTIONS, **work.options}
    try:
        kind = registry.kind(conf.settings.ENCODER) if conf.settings.ENCODER else None
    except ValueError as error:
        return {"note": str(error)}
    if kind is None or kind.why_not():
        return {"note": kind.why_not() if kind else OFF}
    left = _left(work, options)
    material = None
    if left is None:
        with work.stage("dataset"):
            material = Material.gathered(work.site)
        if why := _not_now(work.site, material, options):
            give_up(work.site, KIND)
            return {"note": why}
    run = left.run if left else begin(work.site, KIND, conf.settings.ENCODER, _config(options))
    give_up(work.site, KIND, but=run)
    work.report["run"] = run.pk
    work.keep(run=run.pk, options=options)
    with recorded(run, work.stages, fence=work.fence):
        _teach(run, work, kind, material, left)
        if run.status == RunStatus.PUBLISHED and options["activate"]:
            with stage(run, work, "activate"):
                activate(run, fence=work.fence)
    report = outcome(run)
    with work.stage("tidy"):
        shutil.rmtree(place_of(run), ignore_errors=True)
        tidy(work.site, KIND)
    return report


def _config(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "encoder": dict(conf.settings.ENCODER_CONFIG),
        "weights": conf.settings.ENCODER_WEIGHTS,
        "seed": options["seed"],
    }


def place_of(run: Run) -> Path:
    """Where the pictures of a training lie until it has come to its end."""
    return artefacts.folder() / PLACE.format(run.pk)


# --- whether it is time ---------------------------------------------------------------------------


def _runs(site: int) -> QuerySet[Run]:
    return Run.objects.using(conf.settings.DATABASE).filter(site=site, kind=KIND)


def _left(work: Work, options: Mapping[str, Any]) -> Left | None:
    """What the checkpoint speaks of, where it is on this machine and for the same settings."""
    kept = dict(work.checkpoint)
    run = _runs(work.site).filter(pk=kept.get("run", 0)).first()
    if run is None or kept.get("options") != dict(options) or not _is_same(run):
        return None
    if clock.now() - run.created_at > FRESH:
        return None
    is_packed = (place_of(run) / teaching.LESSON).is_file()
    is_judged = run.status in JUDGED
    if not (is_judged or (is_packed and "lesson" in kept)):
        return None
    if not is_judged:
        run.status, run.error, run.finished_at = RunStatus.RUNNING, "", None
        note(run, work.name, f"What was learnt before is gone on with by {work.held.holder}.")
        save(run, work.fence)
    return Left(run=run, **kept.get("lesson", {"sha256": "", "pictures": 0, "why_not": ""}))


def _is_same(run: Run) -> bool:
    told = _config({"seed": run.config.get("seed")})
    return run.trainer == conf.settings.ENCODER and all(
        run.config.get(name) == value for name, value in told.items()
    )


def _not_now(site: int, material: Material, options: Mapping[str, Any]) -> str:
    """Why nothing is taught now; '' when it is."""
    if len(material.keys) < FEWEST:
        return f"{len(material.keys)} products have a picture that can be opened (needs {FEWEST})."
    last = _runs(site).exclude(status=RunStatus.RUNNING).order_by("-pk").first()
    if last is None or options["anew"] or not _is_same(last):
        return ""
    age = clock.now() - last.created_at
    if last.status == RunStatus.FAILED:
        return "" if age > AFTER_FAILURE else f"Run {last.pk} failed; it is tried again in a day."
    if age < AGAIN:
        return f"Run {last.pk} was taught less than {AGAIN.days} days ago."
    new = lesson.changed(last.dataset.get("sketch", ()), material.sketch())
    if new < NEW:
        return f"{new:.1%} of the pictures are new since run {last.pk} (needs {NEW:.0%})."
    return ""


# --- the work -------------------------------------------------------------------------------------


def _teach(run: Run, work: Work, kind: Kind, material: Material | None, left: Left | None) -> None:
    """From pictures to an artefact that may be looked with, or is kept to see why not."""
    if run.status in JUDGED:
        return
    if left is None:
        assert material is not None
        left = _packed(run, work, kind, material)
    with stage(run, work, "train"):
        told = process.train(
            _task(run, left),
            folder=artefacts.folder(),
            timeout=_timeout(work),
            memory_mb=conf.settings.TRAIN_MEMORY_MB,
            progress=work.progress,
        )
        reconnect()
    with stage(run, work, "gates"):
        gate = better(told)
        run.gates = [gate.as_json()]
    with stage(run, work, "artefact"):
        _keep(run, told)
    run.status = RunStatus.PUBLISHED if gates.passed([gate]) else RunStatus.REJECTED
    save(run, work.fence)


def _packed(run: Run, work: Work, kind: Kind, material: Material) -> Left:
    with stage(run, work, "pictures"):
        size = kind.size(conf.settings.ENCODER_CONFIG)
        digest, count = lesson.pack(material, size, place_of(run), work.progress)
    run.dataset = {**material.told(), "pictures": count}
    save(run, work.fence)
    known = {"sha256": digest, "pictures": count, "why_not": _too_little(material, count)}
    work.keep(lesson=known)
    return Left(run=run, sha256=digest, pictures=count, why_not=str(known["why_not"]))


def _too_little(material: Material, pictures: int) -> str:
    if pictures < FEWEST:
        return f"Only {pictures} pictures could be opened (needs {FEWEST})."
    if not material.labels.codes and not len(lesson.pairs(material)):
        return (
            "Nothing is known of the products to learn from: no category, brand or attribute that "
            "several share, and no two that shoppers saw together."
        )
    return ""


def _task(run: Run, left: Left) -> Task:
    live = active_run(run.site, KIND)
    has_file = live is not None and artefact_path(live).is_file()
    return Task(
        encoder=run.trainer,
        place=str(place_of(run).absolute()),
        name=f"{KIND}-{run.pk}",
        sha256=left.sha256,
        config=dict(run.config["encoder"]),
        why_not=left.why_not,
        start=run.config["weights"],
        start_sha256=conf.settings.ENCODER_SHA256,
        live=(str(artefact_path(live).absolute()), live.sha256) if live and has_file else None,
        live_encoder=live.trainer if live is not None else "",
        goes_on=live is not None and has_file and _is_same(live),
        seed=run.config["seed"],
        threads=max(1, conf.settings.TRAIN_THREADS),
        device=conf.settings.ENCODER_DEVICE,
    )


def _timeout(work: Work) -> float | None:
    """Seconds: RECO_TRAIN_TIMEOUT, or what is left of the job's own limit."""
    limits = (conf.settings.TRAIN_TIMEOUT, work.held.seconds_left())
    return min((limit for limit in limits if limit), default=None)


def better(told: Mapping[str, Any]) -> Gate:
    """On products it never saw, like must be nearer to like than by what is live, or by what it started
    from: the score is the mean of precision@10 of the first attribute and of all (`judging.Judge`)."""
    judged, metrics = told.get("judged", {}), told.get("metrics", {})
    name = "retrieval"
    if told.get("stays"):
        words = (
            f"what was taught finds no better ({metrics['score']:.4f}) than what it started from "
            f"({metrics['start score']:.4f}), which is taken as it is"
        )
        return Gate(name=name, passed=None, words=words)
    if not judged:
        words = "not measured: it is what it started from, nothing was taught"
        return Gate(name=name, passed=None, words=words)
    if "live" in judged:
        found, before, beside = (
            judged["learnt"]["score"],
            judged["live"]["score"],
            "the live encoder's",
        )
    else:
        found, before, beside = (
            metrics["score"],
            metrics["start score"],
            "that of what it started from",
        )
    words = (
        f"precision@10 by attributes of products that were held out: {found:.4f} beside {before:.4f}, "
        f"{beside} (must be higher)"
    )
    return Gate(name=name, passed=found > before, words=words, value=found, limit=before)


def _keep(run: Run, told: Mapping[str, Any]) -> None:
    """Move the files beside other artefacts, and say in the row what they are."""
    place, folder = place_of(run), artefacts.folder()
    for path in place.glob(f"{KIND}-{run.pk}.*"):
        path.replace(folder / path.name)
    run.artefact, run.sha256 = f"{KIND}-{run.pk}.npz", told["sha256"]
    described = {name: told[name] for name in ("fingerprint", "dimension", "size", "notes")}
    run.dataset = {**run.dataset, **described}
    run.metrics = {"figures": told.get("metrics", {}), "judged": told.get("judged", {})}
    run.config = {**run.config, "onnx": told.get("onnx", {})}
