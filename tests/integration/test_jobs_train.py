from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from jobs_shop import FAST, event, history, products
from testapp.models import Product

from reco_plugin import backends, conf
from reco_plugin.artefacts import load
from reco_plugin.datasets import EventLog, EventWeights, read_log
from reco_plugin.exceptions import AlreadyRunning, StoreError, TrainingFailed
from reco_plugin.jobs import artefacts
from reco_plugin.jobs import prune as pruning
from reco_plugin.jobs import train as job
from reco_plugin.jobs.evaluate import way as way_of
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.jobs.running.lease import lease
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.train import preview, train
from reco_plugin.jobs.trial import Trial, everyone
from reco_plugin.models import Interaction, Item, Run, RunStatus
from reco_plugin.pipeline import personal_vector
from reco_plugin.trainers.base import Learnt
from reco_plugin.types import Dataset

pytestmark = [pytest.mark.django_db, pytest.mark.lightfm]


@pytest.fixture(autouse=True)
def small(settings, tmp_path) -> None:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER_CONFIG = FAST
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"


@pytest.fixture
def shop() -> list[Product]:
    made = products()
    history(made)
    return made


def failed(run: Run) -> list[str]:
    return [gate["name"] for gate in run.gates if gate["passed"] is False]


def unmeasured(run: Run) -> list[str]:
    return [gate["name"] for gate in run.gates if gate["passed"] is None]


# --- the whole line ------------------------------------------------------------------------------


def test_from_the_log_to_a_live_run(shop, settings):
    run = train()
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    assert failed(run) == unmeasured(run) == []
    assert active_run(1, "personal") == run
    assert run.dataset["events"] == 840
    assert run.dataset["norm"] > 0
    assert run.finished_at is not None
    stages = ("catalogue", "dataset", "evaluate", "fit", "artefact", "gates", "publish")
    assert set(stages) <= set(run.timings)
    json.dumps(Run.objects.values().get(pk=run.pk), default=str)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="pgvector lives in PostgreSQL")
def test_the_same_with_pgvector(shop, settings):
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    settings.RECO_STORE = "pgvector"
    run = train(evaluate=False)
    assert (run.status, run.error, run.store) == (RunStatus.PUBLISHED, "", "pgvector")
    newborn = Product.objects.create(label="Boots of tomorrow", maker="Maker 1", cents=505)
    newborn.shelves.set(shop[0].shelves.all())
    assert sync_items().vectors == 1
    store = backends.store(run.store)
    assert len(store.neighbours(handle(run), newborn.pk, 10)) == 10
    assert len(store.neighbours(handle(run), shop[0].pk, 60)) == 60


def test_learning_beats_popularity_where_tastes_differ(shop):
    run = train()
    results = run.metrics["results"]
    served = results[run.metrics["served"]]
    assert set(results) == {"fold_in", "trained", "both", "popularity"}
    assert served["ndcg@10"]["low"] > results["popularity"]["ndcg@10"]["high"]
    assert served["coverage@10"] > results["popularity"]["coverage@10"]
    assert run.config["shopper_vector"] == run.metrics["served"]
    assert 1 <= run.config["epochs"] <= FAST["epochs"]


def test_the_store_holds_items_and_trained_shoppers(shop):
    run = train(evaluate=False)
    store = backends.store(run.store)
    first = Interaction.objects.first()
    assert first is not None
    past = store.history(handle(run), first.shopper, 30)
    assert past.vector is not None
    assert len(past.vector) == FAST["dimensions"]
    best = store.nearest(handle(run), past.vector, 10)
    assert len(best) == 10
    assert all(isinstance(scored.key, uuid.UUID) for scored in best)


def test_the_artefact_is_whole_and_named_relative(shop, tmp_path):
    run = train(evaluate=False)
    assert run.artefact == f"personal-{run.pk}.items.npz"
    arrays, meta = load(tmp_path / run.artefact, run.sha256)
    assert meta["run"] == run.pk
    assert arrays["item_vectors"].shape == (60, 16)
    assert len(meta["feature_names"]) == len(arrays["feature_vectors"]) > 0
    assert [path.name for path in tmp_path.iterdir()] == [run.artefact]


def test_one_thread_and_one_seed_give_one_result(shop, tmp_path):
    first, second = (train(evaluate=False, seed=3, threads=1) for _ in range(2))
    one, other = (load(tmp_path / run.artefact, run.sha256)[0] for run in (first, second))
    np.testing.assert_array_equal(one["item_vectors"], other["item_vectors"])
    third = train(evaluate=False, seed=4, threads=1)
    third_arrays = load(tmp_path / third.artefact, third.sha256)[0]
    assert not np.array_equal(one["item_vectors"], third_arrays["item_vectors"])


def test_without_evaluation_the_gate_is_marked_not_measured(shop):
    run = train(evaluate=False)
    assert run.status == RunStatus.PUBLISHED
    assert unmeasured(run) == ["popularity"]
    assert run.metrics == {}


def test_without_activation_the_live_run_stays(shop):
    live = train(evaluate=False)
    run = train(evaluate=False, activate=False)
    assert run.status == RunStatus.PUBLISHED
    assert active_run(1, "personal") == live


def test_old_runs_are_pruned(shop, settings, tmp_path):
    settings.RECO_KEEP_RUNS = 1
    runs = [train(evaluate=False) for _ in range(3)]
    statuses = list(Run.objects.order_by("pk").values_list("status", flat=True))
    assert statuses == [RunStatus.PRUNED, RunStatus.PUBLISHED, RunStatus.PUBLISHED]
    assert {path.name for path in tmp_path.iterdir()} == {run.artefact for run in runs[1:]}


def test_the_window_limits_what_is_learnt(shop, settings):
    settings.RECO_WINDOW_DAYS = 20
    assert 300 < train(evaluate=False).dataset["events"] < 540


def test_progress_names_the_stages(shop):
    told: set[str] = set()
    train(progress=lambda stage, done, total: told.add(stage))
    assert {"catalogue", "read", "train"} <= told


# --- what is measured is what is served ----------------------------------------------------------


def test_the_evaluator_lists_what_pipeline_and_store_serve(shop):
    """Same shoppers, same moment: the trial's lists, and those of history + vector + nearest."""
    run = train()
    store, log = backends.store(run.store), read_log(1)
    arrays, _ = load(conf.settings.ARTEFACT_DIR + "/" + run.artefact, run.sha256)
    trial = Trial(
        learnt=_learnt(arrays, run, log),
        trained=np.ones(len(log.shoppers), bool),
        norm=run.dataset["norm"],
        learnt_at=int(run.created_at.timestamp() * 1e6),
    )
    sample = everyone(log, seed=0)
    keys = log.items.to_python()
    for way in (
        way_of("fold_in", 0.8),
        way_of("fold_in", 0.95),
        way_of("trained", 0.5),
        way_of("both", 0.8),
    ):
        _, lists = trial.answers(sample, way)
        for row in range(0, len(lists), 7):
            shopper = log.shoppers.key(int(sample.shoppers[row]))
            vector = personal_vector(
                store.history(handle(run), shopper, conf.settings.HISTORY),
                way,
                weights=EventWeights.from_settings().weights,
                norm=run.dataset["norm"],
                learnt_at=run.created_at,
            )
            seen = {keys[item] for item in sample.seen[row].indices}
            served = [s.key for s in store.nearest(handle(run), vector, 60) if s.key not in seen]
            assert served[:10] == [keys[item] for item in lists[row]]


def _learnt(arrays: dict[str, Any], run: Run, log: EventLog) -> Learnt:
    """Shoppers are in the store alone: the artefact of a published run says nothing of them."""
    names = ("item_vectors", "item_biases", "feature_vectors", "feature_biases")
    store = backends.store(run.store)
    own = [store.history(handle(run), shopper, 1).vector for shopper in log.shoppers.to_python()]
    return Learnt(**{name: arrays[name] for name in names}, shopper_vectors=np.stack(own), epochs=1)


# --- gates ---------------------------------------------------------------------------------------


def test_r14_a_catalogue_too_large_for_its_memory_is_refused_before_training(shop, settings):
    settings.RECO_TRAIN_MEMORY_MB = 1
    settings.RECO_TRAINER_CONFIG = {**FAST, "dimensions": 4_000}
    run = train()
    assert run.status == RunStatus.REJECTED
    assert failed(run) == ["memory"]
    assert "fit" not in run.timings


def test_too_little_data_is_a_rejection_in_plain_words(shop, settings):
    settings.RECO_MIN_INTERACTIONS = 100_000
    run = train()
    assert run.status == RunStatus.REJECTED
    assert failed(run) == ["interactions"]
    assert "840 interactions to learn from (needs 100,000" in run.gates[0]["words"]
    assert active_run(1, "personal") is None
    assert "fit" not in run.timings


@pytest.mark.parametrize(
    ("setting", "value", "gate"),
    [("RECO_MIN_COVERAGE", 1.1, "coverage"), ("RECO_MAX_TOP_SHARE", -0.2, "top_share")],
)
def test_a_run_that_fails_a_gate_is_kept_and_not_activated(shop, settings, setting, value, gate):
    live = train(evaluate=False)
    setattr(settings, setting, value)
    run = train(evaluate=False)
    assert run.status == RunStatus.REJECTED
    assert failed(run) == [gate]
    assert active_run(1, "personal") == live
    assert artefacts.artefact_path(run).exists()
    assert run.store == ""


def test_r12_numbers_that_are_not_finite_are_rejected(shop, monkeypatch):
    real = job.process.run

    def poisoned(*args: Any, **kwargs: Any) -> Any:
        learnt = real(*args, **kwargs)
        learnt.item_vectors[0, 0] = np.nan
        return learnt

    monkeypatch.setattr(job.process, "run", poisoned)
    run = train(evaluate=False)
    assert run.status == RunStatus.REJECTED
    assert failed(run) == ["finite"]


def test_r12_worse_than_popularity_is_rejected(shop, monkeypatch):
    """Bestsellers that half the shop bought before the split and the other half after it."""
    for number in range(60):
        days_ago = 20 if number % 2 else 1
        at = timezone.now() - dt.timedelta(days=days_ago)
        for bestseller in (shop[0], shop[20], shop[30], shop[-1]):
            event(bestseller, uuid.UUID(int=number + 1), occurred_at=at).save()
    real = job.process.run

    def unpopular_first(trainer: str, config: Any, dataset: Dataset, **options: Any) -> Learnt:
        learnt = real(trainer, config, dataset, **options)
        learnt.item_biases[:] = -100.0 * dataset.interactions.getnnz(axis=0)
        return learnt

    monkeypatch.setattr(job.process, "run", unpopular_first)
    run = train()
    assert run.status == RunStatus.REJECTED
    assert "popularity" in failed(run)


# --- what can break ------------------------------------------------------------------------------


def test_a_training_process_that_dies_leaves_the_live_run(shop, monkeypatch):
    live = train(evaluate=False)

    def dies(*_: Any, **__: Any) -> None:
        raise TrainingFailed("The training process was killed (SIGKILL).")

    monkeypatch.setattr(job.process, "run", dies)
    run = train()
    assert run.status == RunStatus.FAILED
    assert run.error == "The training process was killed (SIGKILL)."
    assert active_run(1, "personal") == live


def test_a_store_that_cannot_publish_leaves_the_live_run(shop, monkeypatch):
    live = train(evaluate=False)
    store = backends.store()

    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr(type(store), "publish", full)
    run = train(evaluate=False)
    assert run.status == RunStatus.FAILED
    assert "disk full" in run.error
    assert active_run(1, "personal") == live


def test_pruning_that_fails_does_not_fail_the_run(shop, monkeypatch):
    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("lock timeout")

    monkeypatch.setattr(pruning, "prune", broken)
    run = train(evaluate=False)
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    assert active_run(1, "personal") == run


def test_a_time_limit_is_a_plain_message(shop, settings):
    settings.RECO_TRAINER_CONFIG = {"dimensions": 64, "epochs": 100_000, "patience": 0}
    settings.RECO_TRAIN_TIMEOUT = 2
    run = train(evaluate=False)
    assert run.status == RunStatus.FAILED
    assert "RECO_TRAIN_TIMEOUT" in run.error


def test_the_second_training_at_once_refuses(shop):
    with lease(1, "train"), pytest.raises(AlreadyRunning):
        train()
    assert not Run.objects.exists()


# --- bad input -----------------------------------------------------------------------------------


def test_r12_an_empty_history_is_rejected_with_words():
    products(1)
    run = train()
    assert run.status == RunStatus.REJECTED
    assert failed(run) == ["interactions", "shoppers"]
    assert "0 interactions" in run.gates[0]["words"]


def test_r12_an_empty_history_that_every_gate_lets_in_is_a_plain_failure(settings):
    settings.RECO_MIN_INTERACTIONS = settings.RECO_MIN_SHOPPERS = 0
    products(1)
    run = train()
    assert run.status == RunStatus.FAILED
    assert "no positive interaction" in run.error


def lenient(settings: Any) -> None:
    settings.RECO_MIN_INTERACTIONS = settings.RECO_MIN_SHOPPERS = 1


def test_r12_one_shopper(settings):
    lenient(settings)
    history(products(2), shoppers=1, events=8)
    run = train()
    assert run.status in {RunStatus.PUBLISHED, RunStatus.REJECTED}
    assert run.error == ""


def test_r12_one_item(settings):
    lenient(settings)
    product = Product.objects.create(label="Only")
    Interaction.objects.bulk_create(event(product, uuid.UUID(int=at + 1)) for at in range(20))
    Interaction.objects.bulk_create(event(product, uuid.UUID(int=at + 1)) for at in range(20))
    run = train()
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    assert {"spread", "coverage", "top_share"} <= set(unmeasured(run))


def test_r12_all_zero_features():
    made = [Product.objects.create(label="", maker="", cents=None) for _ in range(60)]
    history(made)
    run = train()
    assert run.error == ""
    assert run.dataset["features"] == 0
    assert run.status == RunStatus.PUBLISHED


def test_r12_features_of_1e4(shop, monkeypatch):
    """A trainer is given normalised rows, however large a shop's numbers are."""
    sync_items()
    Item.objects.update(price=1e4, attributes={"weight": "10000"})
    run = train(sync=False)
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")


def test_r12_nan_prices(shop):
    sync_items()
    Item.objects.update(price=float("nan"))
    run = train(sync=False)
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")


def test_products_without_category(shop):
    for product in shop[::2]:
        product.shelves.clear()
    assert train().status == RunStatus.PUBLISHED


def test_a_million_events_by_one_visitor(shop):
    """Scaled down to 20,000, of 1,000 days: what the others learnt is still there."""
    robot = uuid.UUID(int=10**6)
    Interaction.objects.bulk_create(event(shop[turn % 3], robot) for turn in range(20_000))
    run = train()
    assert run.error == ""
    assert any("One shopper made" in line for line in run.dataset["quality"]["lines"])
    assert "top_share" not in failed(run)


def test_an_unknown_product_in_an_event(shop):
    Interaction.objects.bulk_create(
        event(Product(label="gone"), uuid.UUID(int=at + 1)) for at in range(30)
    )
    run = train(evaluate=False)
    assert run.status == RunStatus.PUBLISHED
    assert run.dataset["events"] == 840
    assert run.dataset["quality"]["dropped"]["orphan"] == 30


def test_an_unreachable_database(shop, monkeypatch):
    live = train(evaluate=False)

    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr(job, "gather", unreachable)
    run = train()
    assert run.status == RunStatus.FAILED
    assert "could not connect" in run.error
    assert active_run(1, "personal") == live
    assert connection.is_usable()


# --- products born later, and looking before training ---------------------------------------------


def test_a_product_born_later_gets_a_vector_from_its_features(shop):
    run = train(evaluate=False)
    newborn = Product.objects.create(label="Boots of tomorrow", maker="Maker 1", cents=505)
    newborn.shelves.set(shop[0].shelves.all())
    report = sync_items()
    assert (report.added, report.vectors) == (1, 1)
    store = backends.store(run.store)
    near = [scored.key for scored in store.neighbours(handle(run), newborn.pk, 10)]
    boots = {product.pk for product in shop[:12]}
    assert len(boots & set(near)) >= 8
    assert sync_items().vectors == 0
    Product.objects.filter(pk=newborn.pk).update(maker="Maker 2")
    assert sync_items().vectors == 1


def test_a_product_of_which_nothing_is_known_gets_none(shop):
    train(evaluate=False)
    Product.objects.create(label="?", maker="", cents=None)
    assert sync_items().vectors == 0


def test_a_lost_artefact_does_not_break_the_sync(shop):
    run = train(evaluate=False)
    artefacts.artefact_path(run).unlink()
    Product.objects.create(label="Boots", maker="Maker 1")
    assert sync_items().vectors == 0


def test_a_store_that_cannot_take_newborns_does_not_break_the_sync(shop, monkeypatch):
    run = train(evaluate=False)

    def locked(*_: Any, **__: Any) -> None:
        raise StoreError("the table is locked")

    monkeypatch.setattr(type(backends.store(run.store)), "upsert", locked)
    Product.objects.create(label="Boots", maker="Maker 1")
    report = sync_items()
    assert (report.added, report.vectors) == (1, 0)
    assert "the table is locked" in report.notes[0]


def test_a_preview_writes_nothing(shop):
    sync_items()
    found = preview()
    assert found.enough
    assert found.dataset["events"] == 840
    assert any("840" in line for line in found.lines)
    assert not Run.objects.exists()
