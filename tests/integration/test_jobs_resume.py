"""A training that was taken over, or tried again, goes on where the last one stopped."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from jobs_shop import history, products

from reco_plugin import backends
from reco_plugin.exceptions import StoreError
from reco_plugin.jobs import artefacts
from reco_plugin.jobs import train as job
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running import lease
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.schedule import standing
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.models import ActiveRun, Job, Run, RunStatus
from reco_plugin.signals import job_stage_entered
from reco_plugin.testing.wholeness import half_published, left_undone

pytestmark = pytest.mark.django_db


class PowerCut(BaseException):
    """Nothing that was to be written is."""


@pytest.fixture(autouse=True)
def shop(settings, tmp_path) -> None:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    history(products())
    sync_items()


@pytest.fixture
def fits(monkeypatch) -> list[int]:
    """One entry per fit."""
    told: list[int] = []
    real = job.process.run

    def counted(*args: Any, **kwargs: Any) -> Any:
        told.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(job.process, "run", counted)
    return told


def cut_at(stage: str, name: str = "train", **options: Any) -> Run:
    """Run the job until it enters `stage`, as if the process ended there."""

    def cut(stage: str, at: str = stage, **_: Any) -> None:
        if stage == at:
            raise PowerCut

    job_stage_entered.connect(cut)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("reco_plugin.jobs.running.execute._interrupted", lambda work, error: None)
            patch.setattr("reco_plugin.jobs.record._finish", lambda run, stages, fence: None)
            with pytest.raises(PowerCut):
                execute(name, options=options)
    finally:
        job_stage_entered.disconnect(cut)
    Job.objects.update(beat_at=Now() - 2 * lease.silence())
    return Run.objects.latest("pk")


def test_r07_a_run_that_was_learnt_is_published_without_learning_again(fits):
    dead = cut_at("publish")
    assert dead.status == RunStatus.TRAINED
    fits.clear()
    assert execute("train").outcome == "done"
    assert fits == []
    dead.refresh_from_db()
    assert (dead.status, dead.error) == (RunStatus.PUBLISHED, "")
    assert active_run(1, "personal") == dead
    assert Run.objects.count() == 1
    assert any("gone on with" in line["words"] for line in dead.log)


def test_r07_a_published_run_is_made_live(fits):
    dead = cut_at("activate")
    assert dead.status == RunStatus.PUBLISHED
    assert active_run(1, "personal") is None
    fits.clear()
    execute("train")
    assert fits == []
    assert active_run(1, "personal") == dead


def test_r07_an_evaluated_run_is_not_evaluated_again(fits):
    dead = cut_at("fit")
    assert len(fits) == 1
    execute("train")
    assert len(fits) == 2
    dead.refresh_from_db()
    assert dead.status == RunStatus.FAILED
    assert "taken over" in dead.error
    run = active_run(1, "personal")
    assert run is not None
    assert run.metrics == dead.metrics
    assert run.config["recency"] == dead.config["recency"]
    assert [gate["name"] for gate in run.gates][-1] == "popularity"


def test_what_was_evaluated_on_other_events_is_evaluated_again(fits):
    cut_at("fit")
    history(products(), shoppers=5)
    sync_items()
    fits.clear()
    execute("train")
    assert len(fits) == 2


@pytest.mark.parametrize("stage", ["dataset", "evaluate"])
def test_r07_one_that_got_nowhere_begins_anew(fits, stage):
    dead = cut_at(stage)
    fits.clear()
    execute("train")
    assert len(fits) == 2
    dead.refresh_from_db()
    assert dead.status == RunStatus.FAILED
    assert [*half_published(), *left_undone()] == []


def test_with_other_options_it_begins_anew(fits):
    dead = cut_at("publish", seed=3)
    fits.clear()
    execute("train")
    assert len(fits) == 2
    dead.refresh_from_db()
    assert dead.status == RunStatus.FAILED


def test_a_lost_artefact_begins_anew(fits):
    dead = cut_at("publish")
    artefacts.artefact_path(dead).write_bytes(b"half of it")
    fits.clear()
    assert execute("train").outcome == "done"
    assert fits


def test_another_trainer_begins_anew(fits, settings):
    cut_at("publish")
    settings.RECO_TRAINER_CONFIG = {"dimensions": 5}
    fits.clear()
    execute("train")
    assert len(fits) == 2


def test_a_full_disk_while_publishing_costs_no_second_training(fits, monkeypatch):
    real = type(backends.store()).publish

    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("could not extend file: No space left on device")

    monkeypatch.setattr(type(backends.store()), "publish", full)
    found = execute("train")
    assert found.outcome == "failed"
    assert "No space left" in found.error
    run = Run.objects.get()
    assert run.status == RunStatus.FAILED
    monkeypatch.setattr(type(backends.store()), "publish", real)
    fits.clear()
    assert execute("train").outcome == "done"
    assert fits == []
    run.refresh_from_db()
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    assert active_run(1, "personal") == run


def test_a_run_that_could_not_be_made_live_is_made_live_next_time(monkeypatch):
    real = job.make_live

    def away(*_: Any, **__: Any) -> None:
        raise StoreError("away")

    monkeypatch.setattr(job, "make_live", away)
    assert execute("train").error == "away"
    run = Run.objects.get()
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "away")
    monkeypatch.setattr(job, "make_live", real)
    execute("train")
    run.refresh_from_db()
    assert run.error == ""
    assert active_run(1, "personal") == run


def test_r07_popular_lists_that_were_written_are_made_live():
    dead = cut_at("activate", "popular")
    assert dead.status == RunStatus.PUBLISHED
    assert execute("popular").outcome == "done"
    assert active_run(1, "popular") == dead
    assert Run.objects.count() == 1
    newest = cut_at("publish", "popular")
    execute("popular")
    newest.refresh_from_db()
    assert newest.status == RunStatus.FAILED
    assert [*half_published(), *left_undone()] == []


@pytest.mark.parametrize("name", ["train", "popular"])
@pytest.mark.parametrize("stage", ["publish", "activate"])
def test_r11_whoever_was_taken_over_neither_publishes_nor_activates(name, stage):
    """It notices nothing until it writes: the transaction that would flip the pointer is fenced."""

    def overtaken(stage: str, at: str = stage, **_: Any) -> None:
        if stage == at:
            Job.objects.update(token="11111111-1111-1111-1111-111111111111")

    job_stage_entered.connect(overtaken)
    try:
        found = execute(name)
    finally:
        job_stage_entered.disconnect(overtaken)
    assert found.outcome == "taken_over"
    assert not ActiveRun.objects.exists()
    run = Run.objects.get()
    assert run.status != RunStatus.FAILED, "it is another process's now"
    assert (run.status == RunStatus.PUBLISHED) == (stage == "activate")


def test_the_run_tells_what_happened_when():
    execute("train")
    log = Run.objects.get().log
    assert [line["stage"] for line in log] == [
        "dataset",
        "evaluate",
        "fit",
        "gates",
        "artefact",
        "publish",
        "activate",
    ]
    assert all(line["words"].endswith(" s") and line["at"] for line in log)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes no aware times then")
def test_in_a_shop_without_time_zones(fits, settings):
    settings.USE_TZ = False
    cut_at("publish")
    assert [job.is_due for job in standing(1) if job.spec.name == "train"] == [True]
    fits.clear()
    assert execute("train", only_if_due=True).outcome == "done"
    assert fits == []
    assert execute("train", only_if_due=True).skipped == "not due"


def test_a_deployment_ends_a_training_and_another_process_goes_on_with_it(fits):
    """SIGTERM, as `reco_tick --loop` turns it into SystemExit: the lease is free at once."""

    def ended(stage: str, **_: Any) -> None:
        if stage == "publish":
            raise SystemExit(143)

    job_stage_entered.connect(ended)
    try:
        with pytest.raises(SystemExit):
            execute("train")
    finally:
        job_stage_entered.disconnect(ended)
    run = Run.objects.get()
    assert (run.status, run.error) == (RunStatus.FAILED, "Interrupted (SystemExit).")
    fits.clear()
    assert execute("train", only_if_due=True).outcome == "done"
    assert fits == []
    assert active_run(1, "personal") == run
