from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reco_plugin import backends
from reco_plugin.exceptions import NotPublished, StoreError
from reco_plugin.jobs import publish as publishing
from reco_plugin.jobs.prune import prunable, prune
from reco_plugin.jobs.publish import activate, active_run, publish, rollback
from reco_plugin.jobs.record import begin, recorded
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.models import ActiveRun, RankedList, Run, RunStatus
from reco_plugin.signals import run_activated, training_finished
from reco_plugin.stores.base import Handle, Vectors
from reco_plugin.types import id_map

pytestmark = pytest.mark.django_db


class Memory:
    """A store that remembers what it was told."""

    name = "numpy"

    def __init__(self) -> None:
        self.held: dict[int, Vectors] = {}
        self.broken = False

    def publish(self, handle: Handle, vectors: Vectors, progress: Any = None) -> dict[str, Any]:
        if self.broken:
            raise StoreError("the disk is full")
        self.held[handle.run] = vectors
        return {"table": f"vectors_{handle.run}"}

    def drop(self, handle: Handle) -> None:
        if self.broken:
            raise StoreError("locked")
        self.held.pop(handle.run, None)


@pytest.fixture
def memory(monkeypatch) -> Memory:
    store = Memory()
    monkeypatch.setattr(backends, "store", lambda name="": store)
    return store


def vectors() -> Vectors:
    return Vectors(
        items=id_map([1, 2]),
        item_vectors=np.eye(2, dtype=np.float32),
        item_biases=np.zeros(2, np.float32),
        shoppers=id_map([]),
        shopper_vectors=np.zeros((0, 2), np.float32),
    )


def run_of(status: str = RunStatus.PUBLISHED, kind: str = "personal", **more: Any) -> Run:
    return Run.objects.create(kind=kind, trainer="t", status=status, **more)


def published(memory: Memory) -> Run:
    run = run_of(RunStatus.TRAINED)
    publish(run, vectors())
    return run


# --- publish, activate, roll back ----------------------------------------------------------------


def test_publish_keeps_what_the_store_needs(memory):
    run = published(memory)
    run.refresh_from_db()
    assert run.status == RunStatus.PUBLISHED
    assert (run.store, run.store_state) == ("numpy", {"table": f"vectors_{run.pk}"})
    assert run.pk in memory.held


def test_a_store_named_by_path_is_found_again_by_path(memory, settings):
    settings.RECO_STORE = "shop.stores.Own"
    assert published(memory).store == "shop.stores.Own"


def test_a_store_that_fails_leaves_the_run_unpublished(memory):
    memory.broken = True
    run = run_of(RunStatus.TRAINED)
    with pytest.raises(StoreError):
        publish(run, vectors())
    run.refresh_from_db()
    assert run.status == RunStatus.TRAINED
    assert run.store_state == {}


def test_activation_is_one_row_and_keeps_the_one_before():
    first, second = run_of(), run_of()
    activate(first)
    row = activate(second)
    assert ActiveRun.objects.count() == 1
    assert (row.run, row.previous) == (second, first)


def test_activating_the_live_run_again_keeps_the_way_back():
    first, second = run_of(), run_of()
    for run in (first, second, second):
        activate(run)
    assert ActiveRun.objects.get().previous == first


@pytest.mark.parametrize("status", [status for status in RunStatus if status != "published"])
def test_only_a_published_run_is_activated(status):
    live = run_of()
    activate(live)
    with pytest.raises(NotPublished, match=status):
        activate(run_of(status))
    assert active_run(1, "personal") == live


def test_roll_back_and_forth():
    first, second = run_of(), run_of()
    activate(first)
    activate(second)
    assert rollback(1, "personal").run_id == first.pk
    assert active_run(1, "personal") == first
    assert rollback(1, "personal").run_id == second.pk


def test_roll_back_with_nowhere_to_go():
    with pytest.raises(NotPublished, match="no earlier"):
        rollback(1, "personal")
    activate(run_of())
    with pytest.raises(NotPublished, match="no earlier"):
        rollback(1, "personal")


def test_kinds_and_sites_do_not_meet():
    personal, popular = run_of(), run_of(kind="popular")
    other = run_of(site=2)
    for run in (personal, popular, other):
        activate(run)
    assert active_run(1, "personal") == personal
    assert active_run(1, "popular") == popular
    assert active_run(2, "personal") == other


def test_activation_is_announced_after_the_commit(django_capture_on_commit_callbacks):
    told: list[Any] = []

    def listen(sender: Any, run: Run, **_: Any) -> None:
        told.append(run)

    run_activated.connect(listen)
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            run = run_of()
            activate(run)
            assert told == []
        for callback in callbacks:
            callback()
    finally:
        run_activated.disconnect(listen)
    assert told == [run]


# --- prune ---------------------------------------------------------------------------------------


def test_prune_keeps_the_newest_the_live_and_the_one_before(memory, settings):
    settings.RECO_KEEP_RUNS = 2
    runs = [published(memory) for _ in range(6)]
    activate(runs[1])
    activate(runs[0])
    assert [run.pk for run in prunable(1, "personal")] == [runs[2].pk, runs[3].pk]
    assert [run.pk for run in prune(1, "personal")] == [runs[2].pk, runs[3].pk]
    assert set(memory.held) == {runs[at].pk for at in (0, 1, 4, 5)}
    assert Run.objects.filter(status=RunStatus.PRUNED).count() == 2
    assert rollback(1, "personal").run_id == runs[1].pk


def test_pruning_removes_the_artefact_and_the_lists(memory, settings, tmp_path):
    settings.RECO_KEEP_RUNS = 0
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    run = published(memory)
    run.artefact = "personal-1.npz"
    run.save()
    (tmp_path / run.artefact).write_bytes(b"x")
    RankedList.objects.create(run=run, keys=[], scores=[])
    prune(1, "personal")
    run.refresh_from_db()
    assert list(Path(tmp_path).iterdir()) == []
    assert not RankedList.objects.exists()
    assert (run.status, run.store, run.artefact) == (RunStatus.PRUNED, "", "")


def test_a_store_out_of_reach_is_tried_again(memory, settings):
    settings.RECO_KEEP_RUNS = 0
    run = published(memory)
    memory.broken = True
    prune(1, "personal")
    run.refresh_from_db()
    assert run.status == RunStatus.PRUNED
    assert run.store_state
    memory.broken = False
    prune(1, "personal")
    assert memory.held == {}


def test_what_a_killed_process_left_in_the_store_is_swept(memory):
    run = run_of(RunStatus.FAILED, store="numpy")
    memory.held[run.pk] = vectors()
    prune(1, "personal")
    assert run.pk in memory.held, "the newest run is kept for whoever asks why it failed"
    run_of(RunStatus.RUNNING)
    prune(1, "personal")
    assert memory.held == {}
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED


def test_a_pruned_run_cannot_be_activated(memory, settings):
    settings.RECO_KEEP_RUNS = 0
    run = published(memory)
    prune(1, "personal")
    with pytest.raises(NotPublished):
        activate(run)


# --- record ----------------------------------------------------------------------------


def test_a_run_whose_process_died_is_marked_by_the_next():
    dead = run_of(RunStatus.RUNNING)
    other = run_of(RunStatus.RUNNING, kind="popular")
    begin(1, "personal", "t", {})
    dead.refresh_from_db()
    other.refresh_from_db()
    assert dead.status == RunStatus.FAILED
    assert "without a word" in dead.error
    assert other.status == RunStatus.RUNNING


def test_an_error_ends_in_the_run_and_is_told():
    told: list[Run] = []

    def listen(sender: Any, run: Run, **_: Any) -> None:
        told.append(run)

    run, stages = begin(1, "personal", "t", {}), Stages()
    training_finished.connect(listen)
    try:
        with recorded(run, stages), stages.stage("fit"):
            raise ValueError("no\x00 good")
    finally:
        training_finished.disconnect(listen)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.error == "ValueError: no good"
    assert "fit" in run.timings
    assert run.finished_at is not None
    assert told == [run]


def test_an_interruption_passes_on_and_is_noted():
    run = begin(1, "personal", "t", {})
    with pytest.raises(KeyboardInterrupt), recorded(run, Stages()):
        raise KeyboardInterrupt
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert "Interrupted" in run.error


def test_handle_names_run_site_and_state():
    run = run_of(site=3, store_state={"table": "t"})
    assert publishing.handle(run) == Handle(run=run.pk, site=3, state={"table": "t"})
