"""The gate beside the live run, from training to training."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jobs_shop import history, products

from reco_plugin.artefacts import load
from reco_plugin.datasets import read_log
from reco_plugin.jobs import champion
from reco_plugin.jobs import train as job
from reco_plugin.jobs.artefacts import files_of, trial_path
from reco_plugin.jobs.histories import moment
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.train import train
from reco_plugin.jobs.trial import K, everyone
from reco_plugin.models import Run, RunStatus
from reco_plugin.testing.quick import QuickTrainer
from reco_plugin.types import Dataset, IdMap

pytestmark = pytest.mark.django_db


POOR: list[bool] = []
"""Not empty: what is learnt is lost."""
DAY = 86_400_000_000
"""Microseconds."""


@pytest.fixture(autouse=True)
def shop(settings, tmp_path, monkeypatch) -> None:
    POOR.clear()
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "reco_plugin.testing.quick.QuickTrainer"
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    monkeypatch.setattr(job.process, "run", here)
    history(products(), shoppers=120)


def here(trainer: str, config: Mapping[str, Any], dataset: Dataset, **told: Any) -> Any:
    """In this process: a child of its own is tried elsewhere."""
    found = QuickTrainer(config).fit(dataset, seed=told["seed"], threads=1)
    if POOR:
        np.random.default_rng(0).shuffle(found.item_vectors)  # whose vector is whose is lost
    return found


def gate(run: Run, name: str) -> dict[str, Any]:
    return next(gate for gate in run.gates if gate["name"] == name)


def test_the_first_run_has_nobody_to_be_held_against():
    run = train()
    assert run.status == RunStatus.PUBLISHED
    assert not [gate for gate in run.gates if gate["name"].startswith("live")]
    assert trial_path(run).is_file()


def test_a_run_like_the_live_one_replaces_it_and_the_numbers_are_kept():
    live, run = train(), train()
    assert active_run(1, "personal") == run
    assert gate(run, "live")["passed"] is True
    told = run.metrics["beside_live"]
    assert told["run"] == live.pk
    figures = {figure["name"]: figure for figure in told["figures"]}
    assert figures["ndcg"]["ours"] == pytest.approx(figures["ndcg"]["theirs"])
    assert figures["ndcg"]["low"] == figures["ndcg"]["high"] == 0
    assert figures["coverage"]["ours"] == figures["coverage"]["theirs"]


def test_a_worse_run_is_rejected_and_the_live_one_stays():
    live = train()
    POOR.append(True)
    run = train()
    assert run.status == RunStatus.REJECTED
    assert gate(run, "live")["passed"] is False
    assert f"run {live.pk}" in gate(run, "live")["words"]
    assert active_run(1, "personal") == live


def test_a_live_run_without_a_trial_stops_nothing_and_it_is_told(settings):
    live = train(evaluate=False)
    run = train()
    assert run.status == RunStatus.PUBLISHED
    assert gate(run, "live")["passed"] is None
    assert f"run {live.pk}" in gate(run, "live")["words"]


def test_a_trial_that_cannot_be_read_stops_nothing():
    live = train()
    trial_path(live).write_bytes(b"torn")
    assert isinstance(champion.read(live), str)
    assert train().status == RunStatus.PUBLISHED


def test_a_trial_goes_with_its_run(settings):
    settings.RECO_KEEP_RUNS = 0
    first = train()
    path = trial_path(first)
    train(), train()
    first.refresh_from_db()
    assert first.status == RunStatus.PRUNED
    assert not path.exists()


def test_nobody_is_named_in_a_trial():
    run = train()
    arrays, _ = load(trial_path(run))
    assert set(arrays) == {"item_keys", "item_vectors", "item_biases"}
    assert trial_path(run) in files_of(run)


def test_what_the_live_trial_may_have_seen_is_not_judged(monkeypatch):
    """Its own test period begins later than the new one's: only what came after that counts."""
    live, real = train(), champion.read
    until = int(dt.datetime.fromisoformat(live.metrics["at"]).timestamp() * 1e6) + DAY
    monkeypatch.setattr(champion, "read", lambda run: replace(real(run), until=until))
    run = train()
    told = run.metrics["beside_live"]
    assert told["from"] == moment(until).isoformat() > run.metrics["at"]
    assert told["shoppers"] < run.metrics["shoppers"]


def test_products_that_the_live_trial_does_not_know_are_not_in_its_lists():
    found = champion.read(train())
    assert not isinstance(found, str)
    half = replace(
        found,
        items=IdMap(keys=found.items.keys[::2]),
        item_vectors=found.item_vectors[::2],
        item_biases=found.item_biases[::2],
    )
    log = read_log(1)
    sample = everyone(log, 0)
    nobody = np.full((len(sample.shoppers), K), -1, np.int32)
    lists = half.lists(sample, log, nobody)
    known = {log.items.row(key) for key in half.items.to_python()}
    assert (lists >= 0).any()
    assert set(lists[lists >= 0].tolist()) <= known
