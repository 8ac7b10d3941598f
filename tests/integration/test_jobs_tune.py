"""Look for settings, learn by them, and go back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from adminshop import Rights
from django.core.management import CommandError, call_command
from django.db.models import F
from jobs_shop import history, products

from reco_plugin import doctor
from reco_plugin.exceptions import NotPublished
from reco_plugin.jobs import train as training
from reco_plugin.jobs import tuned
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.train import train
from reco_plugin.jobs.tune import Options, trials, tune
from reco_plugin.models import Interaction, Run, RunStatus
from reco_plugin.testing.quick import QuickTrainer
from reco_plugin.types import Dataset

pytest.importorskip("optuna")
pytestmark = pytest.mark.django_db
FEW = Options(sampler="random", minutes=0, trials=5, groups=("trainer",), folds=1)
ENDS: dict[int, type[BaseException]] = {}
"""Fit number -> how it ends."""
FITS: list[Mapping[str, Any]] = []


@pytest.fixture(autouse=True)
def shop(settings, tmp_path, monkeypatch) -> None:
    ENDS.clear()
    FITS.clear()
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
    settings.RECO_TRAINER_CONFIG = {"dimensions": 1}
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    monkeypatch.setattr(training.process, "run", here)
    made = products()
    sync_items()
    history(made, shoppers=120)


def here(trainer: str, config: Mapping[str, Any], dataset: Dataset, **told: Any) -> Any:
    """In this process: a child of its own is tried elsewhere."""
    FITS.append(config)
    if end := ENDS.get(len(FITS)):
        raise end("as asked")
    return QuickTrainer(config).fit(dataset, seed=told["seed"], threads=1)


def tell(*arguments: str) -> str:
    out = StringIO()
    call_command("reco_tune", "--no-progress", *arguments, stdout=out)
    return out.getvalue()


def values(run: Run) -> list[tuple[Any, float | None]]:
    return [(dict(one.params), one.value) for one in trials(run)]


def test_better_settings_are_found_learnt_by_and_taken_back():
    run = tune(1, FEW)
    assert run.status == RunStatus.PUBLISHED
    assert len(trials(run)) == 5
    assert trials(run)[0].params == {"trainer.dimensions": 1}
    best = run.metrics["best"]["params"]["trainer.dimensions"]
    assert best > 1
    assert train(evaluate=False).config["trainer"] == {"dimensions": 1}
    tuned.apply(run, by="me")
    learnt = train(evaluate=False)
    assert learnt.config["trainer"] == {"dimensions": best}
    assert learnt.config["tuned"]["run"] == run.pk
    tuned.withdraw(1, by="me")
    assert train(evaluate=False).config["trainer"] == {"dimensions": 1}
    with pytest.raises(NotPublished):
        tuned.withdraw(1, by="me")


def test_the_test_period_is_never_touched():
    """Whatever happened in it, the same settings are tried and found."""
    run = tune(1, FEW)
    later = Interaction.objects.filter(occurred_at__gte=run.dataset["until"])
    assert later.count() > 100
    first = later.first().product_id
    later.update(product_id=first, kind=F("kind"))
    assert values(tune(1, FEW)) == values(run)


def test_a_seed_repeats_itself_and_another_does_not():
    one, again = tune(1, FEW), tune(1, FEW)
    other = tune(1, replace(FEW, seed=3))
    assert values(one) == values(again)
    assert [params for params, _ in values(other)][1:] != [p for p, _ in values(one)][1:]


def test_what_was_broken_off_is_gone_on_with():
    ENDS[3] = KeyboardInterrupt
    run = tune(1, FEW)
    assert len(trials(run)) == 2
    ENDS.clear()
    again = tune(1, FEW, resume=True)
    assert again.pk == run.pk
    assert len(trials(again)) == 5
    assert again.dataset["until"] == run.dataset["until"]
    assert tune(1, FEW).pk != run.pk


def test_r07_one_whose_process_died_at_its_start_is_not_running_for_ever():
    ENDS[3] = KeyboardInterrupt
    run = tune(1, FEW)
    ENDS.clear()
    dead = Run.objects.create(kind="tuning", trainer=run.trainer, config=run.config)
    assert tune(1, FEW, resume=True).pk == run.pk
    dead.refresh_from_db()
    assert dead.status == RunStatus.FAILED
    assert "taken over" in dead.error


def test_a_trial_that_fails_is_told_and_the_others_go_on():
    ENDS[2] = ValueError
    run = tune(1, FEW)
    assert [one.state for one in trials(run)].count("failed") == 1
    assert trials(run)[1].words == "as asked"
    assert run.status == RunStatus.PUBLISHED


def test_nothing_better_is_rejected_and_cannot_be_applied(settings):
    settings.RECO_TRAINER_CONFIG = {"dimensions": 8}
    run = tune(1, Options(minutes=0, trials=2, groups=("decay",), folds=1))
    assert run.status == RunStatus.REJECTED
    with pytest.raises(NotPublished, match="nothing to apply"):
        tuned.apply(run, by="me")


def test_weights_and_half_life_reach_the_training(settings):
    run = tune(1, FEW)
    params = {**run.metrics["best"]["params"], "weights.view_item": 0.5, "decay.half_life_days": 7}
    run.metrics = {**run.metrics, "best": {**run.metrics["best"], "params": params}}
    run.save()
    tuned.apply(run, by="me")
    found = tuned.in_force(1)
    assert found.weights().half_life_days == 7
    assert train(evaluate=False).config["tuned"]["event_weights"] == {"view_item": 0.5}
    settings.RECO_TRAINER = "lightfm"
    assert tuned.in_force(1) == tuned.Tuned()


# --- the command ---------------------------------------------------------------------------------


def test_by_command_found_applied_shown_withdrawn():
    text = tell("--minutes", "0", "--trials", "4", "--folds", "1", "--only", "trainer", "--apply")
    assert "dimensions=1" in text
    assert "The next training learns by them" in text
    assert tuned.in_force(1).run is not None
    assert "dimensions=1" in tell("--show")
    assert "is not learnt by any more" in tell("--withdraw", "--because", "back")
    assert tuned.in_force(1).run is None


def test_by_command_as_json(settings):
    settings.RECO_TRAINER_CONFIG = {"dimensions": 8}
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reco_tune", "--json", "--minutes=0", "--trials=1", "--folds=1", stdout=out)
    assert ended.value.code == 3
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0]["number"] == 0
    assert lines[-1]["status"] == "rejected"


def test_by_command_nothing_to_show_and_nothing_to_end():
    with pytest.raises(CommandError, match="Nobody has tuned"):
        tell("--show")
    with pytest.raises(CommandError, match="never end"):
        tell("--minutes", "0")


# --- what people see -----------------------------------------------------------------------------


def test_the_admin_shows_what_was_tried_and_lets_it_be_learnt_by(monkeypatch):
    run = tune(1, FEW)
    rights = Rights.in_force(monkeypatch)
    path = "/admin/reco/run/tuning/"
    viewer = rights.operator("reco.view_run", name="viewer")
    text = viewer.get(path).content.decode()
    assert "<svg" in text
    assert "dimensions=1" in text
    assert "Learn by it" not in text
    assert viewer.post(path, {"apply": run.pk}).status_code == 403
    operator = rights.operator("reco.view_run", "reco.activate_run")
    assert operator.post(path, {"apply": run.pk}).status_code == 302
    assert tuned.in_force(1).run == run.pk
    assert "in force" in operator.get(path).content.decode()
    operator.post(path, {"withdraw": "1"})
    assert tuned.in_force(1).run is None
    assert operator.post(path, {"apply": "99999"}).status_code == 302
    run.refresh_from_db()
    assert [one["what"] for one in run.metrics["decisions"]] == ["applied", "withdrawn"]


def test_the_doctor_says_by_what_is_learnt(settings):
    tuned.apply(tune(1, FEW), by="me")

    def level() -> str:
        return next(one.level for one in doctor.probes(1, fast=True) if "tuned" in one.name)

    assert level() == "note"  # RECO_TRAINER_CONFIG names the same
    settings.RECO_TRAINER_CONFIG = {}
    assert level() == "ok"
    settings.RECO_TRAINER = "lightfm"
    assert level() == "warning"
