"""What the doctor finds, in a shop that is well and in one that is not; it changes nothing."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.utils import timezone
from testapp.models import Product
from testapp.reco import TestOrders

from reco_plugin import conf, doctor
from reco_plugin.doctor import (
    database,
    examine,
    host,
    indexes,
    orders,
    plans,
    room,
    tables,
    training,
)
from reco_plugin.doctor import workers as working
from reco_plugin.doctor.finding import Finding
from reco_plugin.exceptions import TrainingFailed
from reco_plugin.jobs.publish import publish
from reco_plugin.models import (
    ActiveRun,
    Dropped,
    Interaction,
    Item,
    Job,
    ManualLink,
    Neighbours,
    OrderCursor,
    Picture,
    RankedList,
    Related,
    Run,
    RunStatus,
)
from reco_plugin.retrieval.kinds import KINDS
from reco_plugin.stores.base import Vectors
from reco_plugin.stores.pgvector import requirements
from reco_plugin.types import EventKind, EventSource, id_map

pytestmark = pytest.mark.django_db
postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="asks PostgreSQL's own catalogue"
)


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {found.name: found for found in findings}


def names(findings: Iterator[Finding], *levels: str) -> set[str]:
    return {found.name for found in findings if found.level in levels}


def event(n: int = 1, **values: Any) -> Interaction:
    import uuid

    return Interaction(
        **{
            "event_id": uuid.uuid4(),
            "kind": EventKind.PURCHASE,
            "shopper": uuid.uuid5(uuid.NAMESPACE_OID, str(n)),
            "source": EventSource.BACKFILL,
            "occurred_at": timezone.now(),
            **values,
        }
    )


def products(count: int) -> list[Product]:
    return [Product.objects.create(label=f"P {n}", cents=100) for n in range(count)]


# --- the whole ------------------------------------------------------------------------------------------


def test_a_sound_shop_has_no_error_and_every_hint_is_a_sentence_to_act_on():
    found = list(doctor.probes(fast=True))
    assert names(iter(found), "error") == set()
    assert {"database.reachable", "tables.migrations", "host.folder"} <= names(
        iter(found), "ok", "note"
    )
    for finding in found:
        assert finding.words
        assert finding.hint or finding.level in ("ok", "note")
        assert json.dumps(finding.as_json())


def test_nothing_is_changed(django_assert_max_num_queries):
    def counts() -> dict[str, int]:
        return {model.__name__: model._default_manager.count() for model in tables.ours()}

    before = counts()
    list(doctor.probes())
    doctor.readiness()
    assert counts() == before


@postgresql
def test_it_could_not_change_anything():
    from django.db.utils import InternalError

    from reco_plugin.doctor.looking import looking

    with pytest.raises((OperationalError, InternalError), match="read-only"), looking() as cursor:
        cursor.execute("DELETE FROM reco_item")
    Item.objects.all().delete()  # and afterwards all is as before


def test_a_probe_that_breaks_does_not_hide_the_others(monkeypatch):
    def breaks(site: int) -> Iterator[Finding]:
        raise RuntimeError("unheard of")
        yield

    monkeypatch.setattr(
        examine,
        "QUESTIONS",
        (examine.Question(ask=breaks), examine.Question(ask=host.cache)),
    )
    found = by_name(doctor.probes())
    assert "unheard of" in found["test_doctor.breaks"].words
    assert found["test_doctor.breaks"].level == "warning"
    assert "host.cache" in found


def test_without_a_database_only_the_rest_is_asked(monkeypatch):
    def away(*args: Any) -> Any:
        raise OperationalError("connection refused")

    monkeypatch.setattr(database, "looking", away)
    monkeypatch.setattr(examine, "waiting", away)
    monkeypatch.setattr("reco_plugin.doctor.setup._run", list)
    found = list(doctor.probes(fast=True))
    assert names(iter(found), "error") == {"database.reachable"}
    assert {finding.group for finding in found} == {"database", "setup", "host", "training"}
    step = doctor.next_step(findings=found)
    assert step.startswith("Database 'default'")
    assert step.endswith("Start it, or look at DATABASES['default'].")


def test_without_our_tables_migrate_is_the_next_step(monkeypatch):
    monkeypatch.setattr(tables, "are_there", lambda: False)
    monkeypatch.setattr(
        "django.db.migrations.executor.MigrationExecutor.migration_plan",
        lambda self, leaves: [(self.loader.get_migration("reco", "0001_initial"), False)],
    )
    found = list(doctor.probes(fast=True))
    assert "0001_initial" in by_name(iter(found))["tables.migrations"].words
    assert doctor.next_step(findings=found) == "python manage.py migrate"
    assert "orders.are_read" not in by_name(iter(found))


# --- probe by probe ---------------------------------------------------------------------------------------


@postgresql
@pytest.mark.parametrize(
    ("number", "level"), [(130005, "error"), (140010, "warning"), (150001, "ok"), (180000, "ok")]
)
def test_the_age_of_the_server(monkeypatch, number, level):
    monkeypatch.setattr(database, "rows", lambda sql: [(number, "x")])
    (found,) = database.server(1)
    assert found.level == level


@postgresql
@pytest.mark.parametrize(("apart", "level"), [(0, "ok"), (10, "warning"), (-7200, "error")])
def test_clocks(monkeypatch, apart, level):
    at = timezone.now().timestamp() + apart
    monkeypatch.setattr(database, "rows", lambda sql: [(at,)])
    (found,) = database.clocks(1)
    assert found.level == level


@postgresql
def test_a_pooler_is_noticed(monkeypatch, settings):
    monkeypatch.setitem(connection.settings_dict, "PORT", "6432")
    monkeypatch.setattr(database, "rows", lambda sql: [(5432,)])
    (found,) = database.pooler(1)
    assert "DISABLE_SERVER_SIDE_CURSORS" in found.hint
    monkeypatch.setitem(settings.DATABASES["default"], "DISABLE_SERVER_SIDE_CURSORS", True)
    (found,) = database.pooler(1)
    assert found.level == "ok"


@postgresql
def test_r18_the_sql_for_a_dba_is_exact(monkeypatch, settings):
    asked = requirements.Found(
        version=None,
        extension_schema=None,
        reachable=False,
        available="0.8.5",
        installable=False,
        schema="public",
        may_create=True,
        role="shop",
        database="shop",
        read_only=False,
    )
    monkeypatch.setattr(requirements, "ask", lambda using: asked)
    (found,) = database.vectors(1)
    assert found.level == "warning"
    assert "Ask a DBA to run there: CREATE EXTENSION vector;" in found.hint
    settings.RECO_STORE = "pgvector"
    (found,) = database.vectors(1)
    assert found.level == "error"


@postgresql
def test_privileges_that_lack_are_granted_by_the_hint():
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reco_doctor_test")
        cursor.execute("GRANT SELECT ON reco_item TO reco_doctor_test")
        cursor.execute("SET LOCAL ROLE reco_doctor_test")
        (found,) = tables.privileges(1)
        cursor.execute("RESET ROLE")
        assert found.level == "error"
        assert "reco_click (DELETE)" in found.words
        statement = found.hint.partition("for: ")[2]
        cursor.execute(statement)
        cursor.execute("SET LOCAL ROLE reco_doctor_test")
        (found,) = tables.privileges(1)
        cursor.execute("RESET ROLE")
    assert found.level == "ok"


@postgresql
def test_an_invalid_index_is_named_with_its_cure():
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX reco_halfbuilt ON reco_item (title)")
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'reco_halfbuilt'::regclass"
        )
    (found,) = indexes.sound(1)
    assert found.hint == 'Run: REINDEX INDEX CONCURRENTLY "reco_halfbuilt";'


def live_run(count: int) -> Run:
    keys = [product.pk for product in products(count)]
    run = Run.objects.create(kind="personal", trainer="t")
    rng = np.random.default_rng(0)
    publish(
        run,
        Vectors(
            items=id_map(keys),
            item_vectors=rng.normal(size=(count, 4)).astype(np.float32),
            item_biases=np.zeros(count, dtype=np.float32),
            shoppers=id_map([]),
            shopper_vectors=np.zeros((0, 4), dtype=np.float32),
        ),
    )
    ActiveRun.objects.create(kind="personal", run=run)
    return run


@postgresql
def test_the_index_of_the_live_run_is_used_and_measured(settings):
    settings.RECO_EXACT_ROWS = 10
    settings.RECO_STORE = "pgvector"
    run = live_run(400)
    found = by_name(plans.of_our_queries(1))
    assert found["plans.history"].level == "ok"
    told = [finding.words for finding in indexes.recall(1)]
    assert len(told) == 2
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        found = by_name(plans.of_our_queries(1))
        assert found["plans.nearest"].level == found["plans.neighbours"].level == "ok"
        assert "serves nearest" in found["plans.nearest"].words
        cursor.execute(f'DROP INDEX "{run.store_state["items"].removesuffix("_items")}_folded"')
        found = by_name(plans.of_our_queries(1))
    assert found["plans.nearest"].level == "warning"
    assert "ANALYZE" in found["plans.nearest"].hint


@postgresql
def test_a_small_run_is_meant_to_be_scanned(settings):
    settings.RECO_STORE = "pgvector"
    live_run(20)
    found = by_name(plans.of_our_queries(1))
    assert found["plans.nearest"].level == "ok"
    assert "as intended" in found["plans.nearest"].words


def test_recall_below_the_limit():
    state = {"nearest": {"index": "hnsw", "recall": 0.8}, "neighbours": {"note": "too many"}}
    run = Run.objects.create(kind="personal", trainer="t", store_state=state)
    ActiveRun.objects.create(kind="personal", run=run)
    low, noted = indexes.recall(1)
    assert low.level == noted.level == "warning"
    assert "80.0%" in low.words


@postgresql
def test_a_large_log_read_whole_is_told(monkeypatch):
    monkeypatch.setattr(plans, "_size", lambda cursor, table: 1e6)
    monkeypatch.setattr(plans, "_scanned_whole", lambda nodes: {"reco_interaction"})
    (found,) = plans.of_our_queries(1)
    assert found.level == "warning"
    assert "ANALYZE reco_interaction" in found.hint


def test_orders_that_are_late(settings):
    (found,) = orders.are_read(1)
    assert "never" in found.words
    OrderCursor.objects.create(mapping="m")
    (found,) = orders.are_read(1)
    assert found.level == "ok"
    OrderCursor.objects.update(synced_at=timezone.now() - dt.timedelta(days=3))
    (found,) = orders.are_read(1)
    assert found.level == "warning"
    assert "3 days" in found.words
    settings.RECO_ORDERS = ""
    assert list(orders.dates(1)) == []
    (found,) = orders.are_read(1)
    assert found.level == "note"


class Undated(TestOrders):
    placed_at = ""


def test_orders_without_a_date_and_those_imported_without_one(settings, monkeypatch):
    assert list(orders.dates(1)) == []
    one, now = products(1)[0], timezone.now()
    Interaction.objects.bulk_create(
        event(n, product=one, kind=EventKind.PURCHASE, source=EventSource.BACKFILL)
        for n in range(30)
    )
    Interaction.objects.update(occurred_at=now - dt.timedelta(days=9))
    assert list(orders.dates(1)) == []
    Interaction.objects.update(occurred_at=now)
    (found,) = orders.dates(1)
    assert "not the day they were placed" in found.words
    assert "--again" in found.hint
    monkeypatch.setitem(sys.modules, "undated_orders", sys.modules[__name__])
    settings.RECO_ORDERS = "undated_orders.Undated"
    (found,) = orders.dates(1)
    assert found.words.startswith("Undated.placed_at is not set")


def test_a_product_model_that_is_not_installed_is_an_error_and_no_traceback(settings):
    settings.RECO_PRODUCT_MODEL = "testapp.Prodcut"
    code, told = run_command("--fast")
    assert code == 1
    assert "names no installed model" in told.splitlines()[-1]
    assert "could not be looked at" not in told


def test_a_catalogue_that_was_read_and_is_empty():
    assert steps()["popular"].startswith("Read your catalogue")
    Job.objects.create(name="sync_items", succeeded_at=timezone.now())
    ActiveRun.objects.create(kind="popular", run=Run.objects.create(kind="popular", trainer="t"))
    assert "was read and holds no product" in steps()["popular"]
    assert not doctor.readiness()[0].ready


def test_many_events_left_out_are_told_by_reason():
    (found,) = orders.dropped(1)
    assert found.level == "ok"
    Dropped.objects.create(reason="rate", count=900)
    Dropped.objects.create(reason="bot", count=50)
    (found,) = orders.dropped(1)
    assert found.level == "warning"
    assert "900 rate, 50 bot" in found.words
    Dropped.objects.update(flushed_at=timezone.now() - dt.timedelta(days=2))
    (found,) = orders.dropped(1)
    assert found.level == "ok"


def test_jobs_that_nothing_starts_failed_and_paused():
    (found,) = working.jobs(1)
    assert found.level == "warning"
    assert "reco_tick" in found.hint
    from reco_plugin.jobs.running.specs import specs

    now = timezone.now()
    for name in specs():
        Job.objects.create(name=name, started_at=now, finished_at=now, succeeded_at=now)
    (found,) = working.jobs(1)
    assert found.level == "ok"
    Job.objects.filter(name="train").update(failures=2, error="no memory\nmore", is_paused=True)
    found = by_name(working.jobs(1))
    assert found["workers.jobs"].level == "ok"
    told = [finding.words for finding in working.jobs(1) if finding.name == "workers.train"]
    Job.objects.filter(name="popular").update(failures=1, error="no disk")
    assert "popular has failed: no disk" in [finding.words for finding in working.jobs(1)]
    assert told == ["train has failed 2 times in a row: no memory", "train is paused."]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer(server: socket.socket, text: bytes) -> threading.Thread:
    def serve() -> None:
        caller, _ = server.accept()
        with caller:
            caller.recv(64)
            caller.sendall(text)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(("scheme", "text"), [("redis", b"+PONG\r\n"), ("amqp", b"\x01\x00")])
def test_a_broker_that_answers(settings, listener, scheme, text):
    settings.CELERY_BROKER_URL = f"{scheme}://me:secret@127.0.0.1:{listener.getsockname()[1]}/0"
    thread = answer(listener, text)
    (found,) = working.broker(1)
    thread.join(2)
    assert found.level == "ok"
    assert "secret" not in found.words


def test_r03_a_silent_broker_costs_a_second(settings, listener, monkeypatch):
    monkeypatch.setattr(working, "BROKER_SECONDS", 0.2)
    settings.CELERY_BROKER_URL = f"redis://:secret@127.0.0.1:{listener.getsockname()[1]}"
    began = timezone.now()
    (found,) = working.broker(1)
    assert (timezone.now() - began).total_seconds() < 2
    assert found.level == "warning"
    assert "secret" not in found.words + found.hint


def test_a_broker_that_refuses_and_none_at_all(settings, listener, monkeypatch):
    port = listener.getsockname()[1]
    listener.close()
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{port}"
    (found,) = working.broker(1)
    assert found.level == "warning"
    settings.CELERY_BROKER_URL = "memory://"
    assert list(working.broker(1)) == []


def test_the_folder_and_its_disk(settings, tmp_path, monkeypatch):
    settings.RECO_ARTEFACT_DIR = tmp_path / "not" / "there" / "yet"
    found = by_name(host.folder(1))
    assert found["host.folder"].level == "ok"
    assert not (tmp_path / "not").exists()
    monkeypatch.setattr(host.os, "access", lambda path, mode: False)
    assert by_name(host.folder(1))["host.folder"].level == "error"
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(host.shutil, "disk_usage", lambda path: usage)
    assert by_name(host.folder(1))["host.disk"].level == "warning"


def test_training_that_dies_is_an_error_with_its_cure(monkeypatch):
    def dies(*args: Any, **options: Any) -> Any:
        raise TrainingFailed("The training process was killed by SIGILL: compiled for another CPU.")

    monkeypatch.setattr(training.process, "run", dies)
    monkeypatch.setattr(training, "find_spec", lambda name: True)
    (found,) = training.child_process(1)
    assert found.level == "error"
    assert "SIGILL" in found.words


@pytest.mark.lightfm
def test_training_that_works():
    (found,) = training.child_process(1)
    assert found.level == "ok"


def test_a_missing_lightfm_is_one_plain_line(monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    (found,) = training.installed(1)
    assert found.level == "warning"
    assert "pip install" in found.hint
    assert list(training.child_process(1)) == []


def test_r14_too_little_memory_is_told_before_the_next_training(monkeypatch):
    monkeypatch.setattr(room, "free_mib", lambda: 1_000)
    (found,) = training.memory(1)
    assert found.level == "ok"
    gates = [{"name": "memory", "passed": True, "value": 4_000.0, "words": "…"}]
    Run.objects.create(kind="personal", trainer="t", gates=gates)
    (found,) = training.memory(1)
    assert found.level == "warning"
    assert "4,000 MiB" in found.words
    assert "1,000 MiB are free" in found.words
    monkeypatch.setattr(room, "free_mib", lambda: None)
    (found,) = training.memory(1)
    assert found.level == "ok"


def test_free_memory_is_told_where_the_system_tells():
    free = room.free_mib()
    assert free is None or free > 0


# --- readiness --------------------------------------------------------------------------------------------


def steps() -> dict[str, str]:
    return {found.kind: found.next_step for found in doctor.readiness()}


def test_r12_the_way_from_nothing_to_personal(settings):
    settings.RECO_MIN_INTERACTIONS, settings.RECO_MIN_SHOPPERS = 6, 2
    assert "reco_sync_items" in steps()["popular"]
    made = products(3)
    Item.objects.bulk_create([Item(product=one, content_hash="x") for one in made])
    assert "reco_backfill" in steps()["popular"]
    Interaction.objects.bulk_create([event(n, product=made[0]) for n in range(3)])
    assert "reco_train --kind popular" in steps()["popular"]
    run = Run.objects.create(kind="popular", trainer="t")
    ActiveRun.objects.create(kind="popular", run=run)
    assert steps()["popular"] == ""
    assert "3 of 6 interactions" in steps()["personal"]
    assert doctor.next_step() == steps()["similar"]
    Interaction.objects.bulk_create([event(n, product=made[1]) for n in range(3)])
    assert "reco_train" in steps()["personal"]
    gates = [{"name": "spread", "passed": False, "words": "all alike"}]
    personal = Run.objects.create(
        kind="personal", trainer="t", status=RunStatus.REJECTED, gates=gates
    )
    assert "all alike" in steps()["personal"]
    ActiveRun.objects.create(kind="personal", run=personal)
    assert {steps()[kind] for kind in ("popular", "similar", "personal")} == {""}
    assert doctor.next_step() == ""


def test_readiness_of_one_site_only():
    made = products(1)
    Item.objects.create(product=made[0], site=2, content_hash="x")
    assert not any(found.have for found in doctor.readiness(1))
    assert doctor.readiness(2)[0].have == 1


def test_every_kind_has_a_figure_words_and_while_it_is_not_good_a_step():
    found = doctor.readiness()
    assert {one.kind for one in found} == set(KINDS)
    for one in found:
        assert (one.figure, one.level, one.ready) == (0, "fallback", False)
        assert one.words
        assert one.next_step


def test_a_dozen_statements_tell_of_all_kinds(django_assert_max_num_queries):
    products(2)
    with django_assert_max_num_queries(14):
        doctor.readiness()


def live(kind: str, **values: object) -> Run:
    run = Run.objects.create(kind=kind, trainer="t", status=RunStatus.PUBLISHED, **values)
    ActiveRun.objects.create(kind=kind, run=run)
    return run


def figures() -> dict[str, tuple[int, str]]:
    return {one.kind: (one.figure, one.level) for one in doctor.readiness()}


def test_lists_of_behaviour_are_as_good_as_they_are_full_and_unlike_one_another(settings):
    settings.RECO_LIMIT = 4
    made = products(40)
    Item.objects.bulk_create([Item(product=one, content_hash="x") for one in made])
    keys = [one.pk.hex for one in made]
    RankedList.objects.create(run=live("popular"), segment="", keys=keys, scores=[1.0] * 40)
    run = live("behaviour", dataset={"lists": {"buy_again": 3}})
    for at, one in enumerate(made):
        around = [keys[(at + step) % 40] for step in (1, 2, 3, 4)]
        alike = [keys[0], *around[:3]]
        for relation, near in (
            ("bought_together", around),
            ("viewed_viewed", alike),
            ("viewed_bought", around[: 2 if at % 2 else 4]),
        ):
            Related.objects.create(
                run=run, product=one, relation=relation, keys=near, scores=[1.0] * len(near)
            )
    found = figures()
    assert found["popular"] == (100, "good")
    assert found["bought_together"] == (100, "good")
    assert found["viewed_viewed"][1] == "fallback"
    assert found["viewed_bought"] == (75, "good")
    assert found["bought_bought"] == (0, "fallback")
    assert found["buy_again"] == (38, "fallback")


def test_lists_for_everybody_are_as_good_as_they_are_long(settings):
    settings.RECO_LIMIT = 4
    made = products(40)
    Item.objects.bulk_create([Item(product=one, content_hash="x") for one in made])
    for kind, length in (("trending", 5), ("converting", 8), ("sale", 1)):
        keys = [one.pk.hex for one in made[:length]]
        RankedList.objects.create(run=live(kind), segment="", keys=keys, scores=[1.0] * length)
    found = figures()
    assert found["trending"] == (62, "weak")
    assert found["best_converting"] == (100, "good")
    assert found["on_sale"] == (12, "fallback")
    assert found["long_tail"] == (0, "fallback")


def test_what_the_shop_s_own_rows_give(settings):
    settings.RECO_LIMIT = 4
    made = products(4)
    now = timezone.now()
    Item.objects.bulk_create(
        [Item(product=one, content_hash="x", available_since=now) for one in made[:3]]
    )
    Interaction.objects.bulk_create(
        [event(n, product=made[0], kind=EventKind.VIEW_ITEM) for n in range(60)]
    )
    ManualLink.objects.create(product=made[0], target=made[1])
    found = figures()
    assert found["new_arrivals"] == (75, "good")
    assert found["recently_viewed"] == found["continue_shopping"] == (60, "weak")
    assert found["manual"] == (25, "fallback")


# --- settings and the command -----------------------------------------------------------------------------


def test_settings_in_force(settings):
    settings.RECO_LIMIT = 5
    settings.RECO_TRAINER_CONFIG = {"api_key": "hush"}
    settings.RECO_HISTORY = "many"
    found = {one.name: (value, usual) for one, value, usual in doctor.settings_in_force()}
    assert len(found) == len(list(conf.documented()))
    assert found["RECO_LIMIT"] == (5, False)
    assert found["RECO_STORE"] == ("auto", True)
    assert found["RECO_HISTORY"] == ("many", False)
    assert "hush" not in str(found["RECO_TRAINER_CONFIG"])


def run_command(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("reco_doctor", *words, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_groups_and_ends_with_the_next_step():
    code, told = run_command("--fast")
    assert code == 0
    assert "Project\n" in told
    assert told.splitlines()[-1].startswith("Next: Read your catalogue")


def test_exit_codes(monkeypatch):
    assert run_command("--fast", "--strict")[0] == 2
    monkeypatch.setattr(host.os, "access", lambda path, mode: False)
    code, told = run_command("--fast")
    assert code == 1
    assert "FAIL RECO_ARTEFACT_DIR" in told


def test_as_json():
    code, told = run_command("--fast", "--json")
    report = json.loads(told)
    assert code == 0
    first = [kind["kind"] for kind in report["readiness"]][:3]
    assert first == ["popular", "similar", "personal"]
    assert {kind["level"] for kind in report["readiness"]} == {"fallback"}
    assert report["next_step"].startswith("Read your catalogue")
    assert {"name", "level", "words", "hint", "docs"} == set(report["findings"][0])


@pytest.mark.django_db
def test_a_late_job_is_told_where_times_have_no_zone(settings):
    settings.USE_TZ = False
    ago = Now() - dt.timedelta(days=2)
    Job.objects.create(name="sync_items", started_at=ago, finished_at=ago, succeeded_at=ago)
    (found,) = (one for one in doctor.probes(1, fast=True) if one.name == "workers.jobs")
    assert "nothing starts them: sync_items" in found.words


def test_what_is_by_sight_is_told_from_pictures_to_vectors_to_a_run(settings):
    def told(kind: str = "visually_similar") -> doctor.Readiness:
        return next(one for one in doctor.readiness() if one.kind == kind)

    made = products(4)
    Item.objects.bulk_create([Item(product=one, content_hash="x") for one in made])
    assert "image and gallery of RECO_CATALOG" in told().next_step
    for at, one in enumerate(made):
        state = "quarantined" if at == 3 else "readable"
        Picture.objects.create(product=one, name=f"{at}.jpg", state=state)
    assert "3 of 4 pictures read, 1 refused" in told().words
    assert "reco_train" in told().next_step
    assert (told().figure, told().ready) == (0, False)
    live("visual", dataset={"items": 3})
    assert (told().figure, told().level, told().ready) == (75, "good", True)
    assert told().next_step == ""
    look = told("shop_the_look")
    assert (look.figure, look.have) == (0, 3)
    assert "products cannot be seen" in look.next_step
    settings.RECO_ENCODER = ""
    ActiveRun.objects.all().delete()
    assert "RECO_ENCODER" in told().next_step


def test_lists_of_what_looks_alike_are_as_good_as_they_are_full(settings):
    settings.RECO_LIMIT = 2
    made = products(8)
    Item.objects.bulk_create([Item(product=one, content_hash="x") for one in made])
    keys = [one.pk.hex for one in made]
    RankedList.objects.create(run=live("popular"), segment="", keys=keys, scores=[1.0] * 8)
    run = live("visual", dataset={"items": 8})
    for at, one in enumerate(made[:4]):
        near = [keys[(at + step) % 8] for step in (1, 2)]
        Neighbours.objects.create(run=run, product=one, keys=near, scores=[1.0, 0.5])
    assert figures()["visually_similar"][0] <= 50
    assert figures()["similar"] == (0, "fallback")


def test_every_finding_stands_under_a_heading(db):
    from reco_plugin.doctor.examine import probes
    from reco_plugin.management.commands.reco_doctor import TITLES

    assert {finding.group for finding in probes(fast=True)} <= set(TITLES)
