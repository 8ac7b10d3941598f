from __future__ import annotations

import json
import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from jobs_shop import FAST, event, history, products
from testapp.models import Product
from testapp.reco import TestCatalog

from reco_plugin import backends
from reco_plugin.capture import shopper_id
from reco_plugin.jobs.publish import active_run
from reco_plugin.jobs.running.lease import lease
from reco_plugin.models import RUN_KINDS, Interaction, Item, RankedList, Run, RunStatus

pytestmark = pytest.mark.django_db


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


def call(*args: Any) -> tuple[int, str]:
    """Exit code and standard output."""
    out = StringIO()
    try:
        call_command(*(str(arg) for arg in args), stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


# --- reco_train ----------------------------------------------------------------------------------


@pytest.mark.lightfm
def test_train_prints_a_table_gates_and_timings(shop):
    code, out = call("reco_train")
    assert code == 0
    for part in (
        "recall@10",
        "NDCG@10",
        "coverage",
        "popularity",
        "✓ finite",
        "evaluate",
        "publish",
    ):
        assert part in out
    assert "✗" not in out
    assert active_run(1, "personal") is not None
    assert active_run(1, "popular") is not None


@pytest.mark.lightfm
def test_train_json_is_one_object_per_run(shop):
    code, out = call("reco_train", "--json", "--no-evaluate")
    assert code == 0
    told = [json.loads(line) for line in out.splitlines()]
    popular, personal = told[0], told[-1]
    seen = ("encoder", "visual", "blend")  # this shop has no pictures; a blend has to be asked for
    assert sorted([*(run["kind"] for run in told), *seen]) == sorted(RUN_KINDS)
    assert (popular["kind"], personal["kind"]) == ("popular", "personal")
    assert personal["status"] == "published"
    assert personal["timings"]["fit"] > 0


def test_the_catalogue_is_synced_before_anything_is_counted(shop):
    call("reco_train", "--kind", "popular")
    assert Item.objects.count() == 60
    assert len(RankedList.objects.get(segment="").keys) > 30


def test_what_a_deleted_user_left_is_erased_before_training(shop):
    gone = "nobody-any-more"
    Interaction.objects.bulk_create([event(shop[0], shopper_id(1, gone), user_id=gone)])
    call("reco_train", "--kind", "popular")
    assert not Interaction.objects.filter(user_id=gone).exists()


def test_a_sweep_that_fails_does_not_stop_the_training(shop, monkeypatch):
    def refuse(site):
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr("reco_plugin.management.commands.reco_train.sweep", refuse)
    code, out = call("reco_train", "--kind", "popular")
    assert code == 0
    assert "were not swept up: canceling" in out


def test_train_without_sync_takes_the_catalogue_as_it_was(shop):
    call("reco_train", "--kind", "popular", "--no-sync")
    assert not Item.objects.exists()


@pytest.mark.lightfm
@pytest.mark.parametrize("kind", ["personal", "popular"])
def test_train_one_kind(shop, kind):
    code, _ = call("reco_train", "--kind", kind, "--no-evaluate")
    assert code == 0
    assert set(Run.objects.values_list("kind", flat=True)) == {kind}


def test_train_without_activating(shop):
    call("reco_train", "--no-evaluate", "--no-activate")
    assert active_run(1, "personal") is None
    assert active_run(1, "popular") is None


def test_train_takes_seed_and_threads(shop):
    call("reco_train", "--kind", "personal", "--no-evaluate", "--seed", 9, "--threads", 1)
    config = Run.objects.get().config
    assert (config["seed"], config["threads"]) == (9, 1)


def test_too_little_data_exits_3_and_publishes_what_is_popular(settings):
    made = products(1)
    Interaction.objects.bulk_create([event(made[0], uuid.UUID(int=1))])
    code, out = call("reco_train")
    assert code == 3
    assert "✗ interactions: 1 interactions to learn from (needs 100" in out
    assert "what was live stays live" in out
    assert active_run(1, "popular") is not None


@pytest.mark.lightfm
def test_a_failure_exits_1_and_says_why(shop, settings):
    settings.RECO_TRAINER_CONFIG = {"epochs": 100_000, "patience": 0}
    settings.RECO_TRAIN_TIMEOUT = 1
    code, out = call("reco_train", "--no-evaluate")
    assert code == 1
    assert "RECO_TRAIN_TIMEOUT" in out


def test_a_training_under_way_exits_4(shop):
    with lease(1, "popular"):
        code, out = call("reco_train")
    assert code == 4
    assert "Another process" in out


def test_an_unreachable_database_is_one_line(monkeypatch):
    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr("reco_plugin.jobs.popular.begin", unreachable)
    with pytest.raises(CommandError, match="could not connect"):
        call("reco_train")


def test_a_dry_run_reports_and_writes_nothing(shop):
    call("reco_sync_items")
    code, out = call("reco_train", "--dry-run")
    assert code == 0
    assert "840 of 840 events" in out
    assert "✓ interactions" in out
    assert not Run.objects.exists()
    code, out = call("reco_train", "--dry-run", "--json")
    assert json.loads(out)["dataset"]["events"] == 840


def test_help_documents_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        call_command("reco_train", "--help")
    assert "4 another process is training" in " ".join(capsys.readouterr().out.split())


# --- reco_sync_items -----------------------------------------------------------------------------


def test_sync_says_what_it_did():
    products(1)
    code, out = call("reco_sync_items")
    assert code == 0
    assert "5 products: 5 new, 0 changed" in out
    assert json.loads(call("reco_sync_items", "--json")[1])["unchanged"] == 5


def test_sync_dry_run_writes_nothing():
    products(1)
    code, out = call("reco_sync_items", "--dry-run")
    assert code == 0
    assert out.startswith("Would be: 5 products: 5 new")
    assert not Item.objects.exists()


def test_sync_exits_3_when_products_were_skipped(monkeypatch):
    made = products(1)

    class Broken(TestCatalog):
        def get_price(self, product: Any) -> float | None:
            raise ValueError(f"no price for {product.pk}")

    monkeypatch.setattr(backends, "catalog", Broken)
    code, out = call("reco_sync_items")
    assert code == 3
    assert f"no price for {made[0].pk}" in out


def test_sync_that_cannot_read_is_one_line(monkeypatch):
    class Down(TestCatalog):
        def products(self) -> Any:
            raise OperationalError("could not connect to server")

    monkeypatch.setattr(backends, "catalog", Down)
    with pytest.raises(CommandError, match="could not connect"):
        call("reco_sync_items")


# --- reco_runs -----------------------------------------------------------------------------------


def runs(count: int, kind: str = "popular") -> list[Run]:
    return [
        Run.objects.create(kind=kind, trainer="t", status=RunStatus.PUBLISHED) for _ in range(count)
    ]


def test_runs_without_any():
    assert "No run yet" in call("reco_runs")[1]


def test_runs_lists_the_newest_first_and_marks_the_live_one():
    first, second = runs(2)
    call("reco_runs", "activate", first.pk)
    lines = call("reco_runs")[1].splitlines()
    assert lines[1].startswith(f"{second.pk} ")
    assert lines[2].startswith(f"{first.pk}* ")
    told = [json.loads(line) for line in call("reco_runs", "--json")[1].splitlines()]
    assert [run["live"] for run in told] == [False, True]


def test_runs_tells_why_a_run_is_not_live():
    gates = [{"name": "g", "passed": False, "words": "too few"}]
    Run.objects.create(kind="personal", trainer="t", status=RunStatus.REJECTED, gates=gates)
    Run.objects.create(kind="personal", trainer="t", status=RunStatus.FAILED, error="it broke")
    out = call("reco_runs")[1]
    assert "too few" in out
    assert "it broke" in out


def test_runs_activate_and_rollback():
    first, second = runs(2)
    for run in (first, second):
        assert call("reco_runs", "activate", run.pk)[0] == 0
    out = call("reco_runs", "rollback", "popular", "--dry-run")[1]
    assert f"Would make run {first.pk} live" in out
    assert active_run(1, "popular") == second
    assert f"Run {first.pk}" in call("reco_runs", "rollback", "popular")[1]
    assert active_run(1, "popular") == first


def test_runs_activate_dry_run_changes_nothing():
    (run,) = runs(1)
    assert "Would make" in call("reco_runs", "activate", run.pk, "--dry-run")[1]
    assert active_run(1, "popular") is None


def test_runs_says_what_is_not_possible():
    run = Run.objects.create(kind="popular", trainer="t", status=RunStatus.FAILED)
    with pytest.raises(CommandError, match="failed"):
        call("reco_runs", "activate", run.pk)
    with pytest.raises(CommandError, match="no run 999"):
        call("reco_runs", "activate", 999)
    with pytest.raises(CommandError, match="no earlier"):
        call("reco_runs", "rollback", "popular")


def test_runs_prune():
    made = runs(5)
    out = call("reco_runs", "prune", "--kind", "popular", "--keep", 1, "--dry-run")[1]
    numbers = ", ".join(str(run.pk) for run in made[:4])
    assert f"popular: Would let go of {numbers}." in out
    assert not Run.objects.filter(status=RunStatus.PRUNED).exists()
    assert f"Let go of {numbers}." in call("reco_runs", "prune", "--keep", 1)[1]
    assert Run.objects.filter(status=RunStatus.PRUNED).count() == 4


def test_kinds_made_of_pictures_say_why_there_is_nothing_to_see(shop, settings):
    settings.RECO_ENCODER = "fakeencoder.Colours"
    code, out = call("reco_train", "--kind", "encoder", "--no-sync")
    assert (code, "0 products have a picture" in out) == (0, True)
    code, out = call("reco_train", "--kind", "visual", "--no-sync")
    assert (code, "No encoder is live" in out) == (0, True)
    assert not Run.objects.exists()


def test_an_encoder_and_a_visual_run_are_made_by_hand(db, settings, tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    import seenshop

    from reco_plugin.jobs import fine_tune, labelling

    monkeypatch.setattr(fine_tune, "FEWEST", 10)
    monkeypatch.setattr(labelling, "FEW", 4)
    seenshop.opened(tmp_path, settings, monkeypatch).stock(each=4)
    code, out = call("reco_train", "--kind", "encoder", "--no-sync", "--json")
    assert (code, json.loads(out)["status"]) == (0, "published")
    code, out = call("reco_train", "--kind", "visual", "--no-sync")
    assert code == 0
    assert "visual: published" in out
