"""After an erasure nothing of ours holds the id, whatever broke in between, and nobody else is touched."""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import sys
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs_shop import FAST, event, history, products
from testapp.models import Customer, Product

from reco_plugin import artefacts, backends, clock
from reco_plugin.capture.erasure import NOBODY, mark
from reco_plugin.capture.identity import shopper_id
from reco_plugin.capture.merge import merge
from reco_plugin.exceptions import StoreError
from reco_plugin.jobs import anonymous, deleting, forgetting, stray, traces
from reco_plugin.jobs.artefacts import load as load_artefact
from reco_plugin.jobs.erase import erase_user, erase_visitor
from reco_plugin.jobs.publish import activate, handle, publish
from reco_plugin.jobs.record import recorded
from reco_plugin.jobs.running import claims, specs
from reco_plugin.jobs.running.execute import execute
from reco_plugin.jobs.running.specs import JobSpec
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.sweep import _Sweep, sweep
from reco_plugin.models import (
    Click,
    Impression,
    Interaction,
    Item,
    Job,
    Run,
    RunStatus,
    Shard,
    VisitorLink,
)
from reco_plugin.stores.base import Vectors
from reco_plugin.types import id_map

pytestmark = pytest.mark.django_db

STORES = ["numpy", "pgvector"]


@pytest.fixture(autouse=True)
def place(settings, tmp_path) -> None:
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_STORE = "numpy"


@pytest.fixture
def product() -> Product:
    return Product.objects.create(label="Boot")


@pytest.fixture(params=STORES)
def store(request, settings):
    if request.param == "pgvector":
        if connection.vendor != "postgresql":
            pytest.skip("pgvector lives in PostgreSQL")
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    settings.RECO_STORE = request.param
    return backends.store()


def expose(product: Product, shopper: uuid.UUID) -> None:
    same = {"slate": uuid.uuid4(), "placement": "home", "product": product, "position": 0}
    Impression.objects.create(**same, source="popular", rung="popular", shopper=shopper)
    Click.objects.create(**same, shopper=shopper)


def published(product: Product, shoppers: list[uuid.UUID]) -> Run:
    run = Run.objects.create(kind="personal", trainer="t")
    vectors = Vectors(
        items=id_map([product.pk]),
        item_vectors=np.ones((1, 3), np.float32),
        item_biases=np.zeros(1, np.float32),
        shoppers=id_map(shoppers),
        shopper_vectors=np.arange(3 * len(shoppers), dtype=np.float32).reshape(-1, 3),
    )
    publish(run, vectors)
    return run


def holders(shopper: uuid.UUID) -> list[str]:
    """Every table of ours, learnt ones too, and every file that holds this id in any form."""
    needles = [shopper.hex, str(shopper)]
    found = []
    for model in apps.get_app_config("reco").get_models():
        for row in model._default_manager.values_list():
            text = " ".join(str(value) for value in row).lower()
            if any(needle in text for needle in needles) and not _is_mark(model, row):
                found.append(model.__name__)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relname LIKE 'reco\\_vectors\\_%shoppers'"
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f'SELECT count(*) FROM "{name}" WHERE key = %s', [shopper])
                found += [name] * cursor.fetchone()[0]
    return found


def _is_mark(model: Any, row: tuple[Any, ...]) -> bool:
    return model is VisitorLink and NOBODY in row


def files_with(shopper: uuid.UUID, folder: Path) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file()
        and any(each in path.read_bytes() for each in (shopper.bytes, str(shopper).encode()))
    ]


# --- errors --------------------------------------------------------------------------------------


def test_an_error_that_quotes_a_shopper_is_kept_without_them(monkeypatch):
    ann = uuid.uuid4()

    def work(work: Work) -> dict[str, Any]:
        with transaction.atomic():
            for _ in range(2):
                VisitorLink.objects.create(visitor=ann, site=1, shopper=uuid.uuid4())
        return {}

    job = JobSpec(name="read", title="Read", every=60.0, soft_limit=9.0, work=work)
    monkeypatch.setattr(specs, "_SPECS", (job,))
    found = execute("read", 1)
    assert found.error.startswith("IntegrityError")
    assert holders(ann) == []


def test_a_shard_or_a_run_that_fails_with_a_row_keeps_none_of_it():
    ann = uuid.uuid4()
    Shard.objects.create(job="score", number=0)
    claim = claims.take(1, ["score"])
    run = Run.objects.create(kind="personal", trainer="t")
    assert claim is not None
    VisitorLink.objects.create(visitor=ann, site=1, shopper=NOBODY)
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        VisitorLink.objects.create(visitor=ann, site=1, shopper=NOBODY)
    claim.fail(caught.value)
    with recorded(run, Stages()):
        raise StoreError(f"Not published: {caught.value}") from caught.value
    assert run.error.startswith("Not published: ")
    assert holders(ann) == []


# --- vectors -------------------------------------------------------------------------------------


def test_the_vector_is_gone_at_once_from_every_run_that_could_be_live(product, store):
    ann, bob = uuid.uuid4(), uuid.uuid4()
    runs = [published(product, [ann, bob]) for _ in range(2)]
    for run in runs:
        activate(run)
    receipt = erase_visitor(ann)
    assert receipt.vectors == 2
    for run in runs:
        assert store.history(handle(run), ann, 5).vector is None
        np.testing.assert_array_equal(store.history(handle(run), bob, 5).vector, [3, 4, 5])
        assert len(store.nearest(handle(run), np.ones(3, np.float32), 1)) == 1
    assert f"Run {runs[-1].pk}" in receipt.influence
    assert erase_visitor(ann).vectors == 0


def test_a_store_that_cannot_forget_is_said_and_stops_nothing(product, settings, caplog):
    ann = uuid.uuid4()
    run = published(product, [ann])

    class Old:
        name = "old"

    settings.RECO_STORE = "numpy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forgetting.backends, "store", lambda name="": Old())
        done = forgetting.forget([ann], 1)
    assert (done.vectors, done.kept) == (0, [run.pk])
    assert "keeps vectors of erased shoppers" in caplog.text


def test_who_is_erased_while_a_run_is_trained_is_not_in_it_afterwards(product, store):
    ann, bob = uuid.uuid4(), uuid.uuid4()
    erase_visitor(ann)
    late = published(product, [ann, bob])
    Run.objects.filter(pk=late.pk).update(created_at=clock.now() - dt.timedelta(minutes=5))
    assert forgetting.catch_up(1) == 1
    assert store.history(handle(late), ann, 5).vector is None
    assert store.history(handle(late), bob, 5).vector is not None


# --- half-way ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["first row", "second table", "vectors", "files"])
def test_r07_an_erasure_whose_process_died_is_finished_by_the_next_sweep(
    product, store, monkeypatch, step
):
    ann, bob = uuid.uuid4(), uuid.uuid4()
    for shopper in (ann, bob):
        Interaction.objects.bulk_create([event(product, shopper) for _ in range(3)])
        expose(product, shopper)
    activate(published(product, [ann, bob]))
    with pytest.MonkeyPatch.context() as patch:
        _die_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            erase_visitor(ann)
    sweep(1)
    assert holders(ann) == []
    assert len(holders(bob)) == 3 + 1 + 1 + 1


def _die_at(patch: pytest.MonkeyPatch, step: str) -> None:
    def die(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    if step == "first row":
        patch.setattr(traces, "remove", die)
    elif step == "second table":
        real, calls = traces.deleting.in_batches, iter([False, True])
        patch.setattr(
            traces.deleting,
            "in_batches",
            lambda *args, **more: die() if next(calls, True) else real(*args, **more),
        )
    elif step == "vectors":
        patch.setattr(forgetting, "forget", die)
    else:
        patch.setattr(anonymous, "strip_all", die)


def test_asking_for_an_erasure_asks_for_a_sweep(product):
    from reco_plugin.jobs.running.schedule import standing

    erase_visitor(uuid.uuid4())
    assert next(job for job in standing(1) if job.spec.name == "sweep").is_due


def test_a_user_is_erased_from_every_site(product):
    ann, bob = (
        Customer.objects.create(email="a@example.com"),
        Customer.objects.create(email="b@example.com"),
    )
    for user in (ann, bob):
        for site in (1, 2):
            event(product, shopper_id(site, user.pk), site=site, user_id=user.pk).save()
    assert erase_user(ann.pk, 1, dry_run=True).interactions == 2
    assert erase_user(ann.pk, 1).interactions == 2
    assert {row.user_id for row in Interaction.objects.all()} == {bob.pk}
    assert holders(shopper_id(2, ann.pk)) == []


def test_a_visitor_is_forgotten_by_the_runs_of_every_site_at_once(product, store):
    ann = uuid.uuid4()
    event(product, ann, site=2).save()
    run = published(product, [ann])
    Run.objects.update(site=2)
    assert erase_visitor(ann, 1, dry_run=True).vectors == 1
    assert erase_visitor(ann, 1).vectors == 1
    assert backends.store().history(handle(run), ann, 1).vector is None
    assert Job.objects.filter(name="sweep", site=2).exclude(requested_at=None).exists()


# --- files ---------------------------------------------------------------------------------------


def trained(tmp_path: Path, shopper: uuid.UUID, status: str) -> Run:
    run = Run.objects.create(kind="personal", trainer="t", status=status)
    run.artefact = f"personal-{run.pk}.npz"
    run.sha256 = artefacts.save(
        tmp_path / run.artefact,
        {
            "item_keys": id_map([1, 2]).keys,
            "item_vectors": np.ones((2, 3), np.float32),
            "feature_vectors": np.ones((1, 3), np.float32),
            "feature_biases": np.ones(1, np.float32),
            "shopper_keys": id_map([shopper]).keys,
            "shopper_vectors": np.ones((1, 3), np.float32),
            "shoppers_known": np.zeros(1, np.int64),
        },
        {"run": run.pk, "feature_names": ["brand:x"]},
    )
    run.save()
    return run


def test_a_published_runs_file_says_nothing_of_shoppers_and_still_serves_new_products(tmp_path):
    ann = uuid.uuid4()
    run = trained(tmp_path, ann, RunStatus.PUBLISHED)
    assert files_with(ann, tmp_path) == [run.artefact]
    assert anonymous.strip_all(1) == [run.pk]
    run.refresh_from_db()
    assert files_with(ann, tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [run.artefact]
    assert load_artefact(run).feature_names == ("brand:x",)
    assert anonymous.strip_all(1) == []


@pytest.mark.parametrize("status", [RunStatus.TRAINED, RunStatus.FAILED])
def test_a_run_that_may_still_be_published_keeps_its_file(tmp_path, status):
    ann = uuid.uuid4()
    run = trained(tmp_path, ann, status)
    assert anonymous.strip_all(1) == []
    assert files_with(ann, tmp_path) == [run.artefact]


def test_an_erasure_does_not_wait_for_a_training_that_failed(tmp_path):
    ann = uuid.uuid4()
    trained(tmp_path, ann, RunStatus.FAILED)
    erase_visitor(ann)
    assert files_with(ann, tmp_path) == []


def test_the_end_of_a_training_does_not_undo_what_a_sweep_did_meanwhile(tmp_path):
    run = trained(tmp_path, uuid.uuid4(), RunStatus.PUBLISHED)
    with recorded(run, Stages()):
        assert anonymous.strip_all(1) == [run.pk]
    run.refresh_from_db()
    assert run.finished_at is not None
    assert load_artefact(run).feature_names == ("brand:x",)


def test_a_file_that_is_being_written_anew_is_no_stray(tmp_path, monkeypatch):
    run = trained(tmp_path, uuid.uuid4(), RunStatus.PUBLISHED)
    save = artefacts.save

    def save_while_pruning(*args: Any) -> str:
        digest = save(*args)
        assert stray.remove() == []
        return digest

    monkeypatch.setattr(artefacts, "save", save_while_pruning)
    assert anonymous.strip_all(1) == [run.pk]
    run.refresh_from_db()
    assert load_artefact(run).feature_names == ("brand:x",)


def test_a_run_pruned_while_its_file_was_written_anew_names_none(tmp_path, monkeypatch):
    trained(tmp_path, uuid.uuid4(), RunStatus.PUBLISHED)
    save = artefacts.save

    def save_while_pruning(*args: Any) -> str:
        Run.objects.update(artefact="", status=RunStatus.PRUNED)
        return save(*args)

    monkeypatch.setattr(artefacts, "save", save_while_pruning)
    assert anonymous.strip_all(1) == []
    assert Run.objects.get().artefact == ""
    assert not list(tmp_path.glob("*.items.npz"))


def test_a_file_that_vanishes_while_strays_are_looked_for_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "personal-3.npz.abcd1234.part").touch()
    listed = [*tmp_path.iterdir()]
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(listed))
    listed[0].unlink()
    assert stray.remove() == []


def test_a_file_that_is_not_here_is_left_to_the_machine_that_has_it(tmp_path):
    run = trained(tmp_path, uuid.uuid4(), RunStatus.PUBLISHED)
    (tmp_path / run.artefact).unlink()
    assert anonymous.strip_all(1) == []
    assert Run.objects.get().artefact == run.artefact


@pytest.mark.lightfm
def test_after_a_real_training_and_an_erasure_no_file_holds_the_id(settings, tmp_path):
    from reco_plugin.jobs.train import train

    settings.RECO_TRAINER_CONFIG, settings.RECO_TRAIN_THREADS = FAST, 1
    settings.RECO_MIN_INTERACTIONS, settings.RECO_MIN_SHOPPERS = 100, 5
    people = history(products())
    run = train(evaluate=False)
    assert run.status == RunStatus.PUBLISHED, run.error
    assert holders(people[0])
    erase_visitor(people[0])
    assert holders(people[0]) == []
    assert files_with(people[0], tmp_path) == []
    assert holders(people[1])


# --- everything ----------------------------------------------------------------------------------


@given(
    doings=st.lists(
        st.tuples(
            st.sampled_from(["event", "expose", "login", "publish", "sweep", "late"]),
            st.integers(0, 3),
        ),
        max_size=10,
    ),
    who=st.integers(0, 3),
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_after_erase_nothing_of_ours_holds_the_id(product, doings, who):
    """Whatever happened before, and whatever of it comes late."""
    from django.db import transaction

    with transaction.atomic():
        users = [Customer.objects.create_user(f"{uuid.uuid4()}@example.com") for _ in range(2)]
        visitors = [uuid.uuid4() for _ in range(2)]
        people = [*(shopper_id(1, user.pk) for user in users), *visitors]
        for what, number in doings:
            _do(what, product, people, users, number)
        late = event(product, people[who])
        if who < 2:
            erase_user(users[who].pk)
        else:
            erase_visitor(people[who])
        Interaction.objects.bulk_create([late])
        Interaction.objects.filter(pk=late.pk).update(received_at=late.occurred_at)
        sweep(1)
        assert holders(people[who]) == []
        transaction.set_rollback(True)


def _do(
    what: str, product: Product, people: list[uuid.UUID], users: list[Customer], number: int
) -> None:
    who = people[number]
    if what == "event":
        Interaction.objects.bulk_create([event(product, who)])
    elif what == "expose":
        expose(product, who)
    elif what == "login" and number >= 2:
        merge(who, 1, random.Random(number).choice(users).pk)
    elif what == "publish":
        activate(published(product, people))
    elif what == "sweep":
        sweep(1)


def test_the_receipt_by_command(product):
    ann = uuid.uuid4()
    Interaction.objects.bulk_create([event(product, ann)])
    activate(published(product, [ann]))
    out = StringIO()
    call_command("reco_erase", "--visitor", str(ann), "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["interactions"], told["vectors"]) == (1, 1)
    assert "next training" in told["influence"]


# --- the sweep is cheap --------------------------------------------------------------------------


def test_a_sweep_looks_at_new_events_and_goes_further_through_the_old_ones(product, monkeypatch):
    monkeypatch.setattr("reco_plugin.jobs.sweep.WINDOW", 2)
    monkeypatch.setattr("reco_plugin.jobs.sweep.MOST_OLD", 2)
    monkeypatch.setattr("reco_plugin.jobs.sweep.OVERLAP", 0)
    Interaction.objects.bulk_create([event(product, uuid.uuid4()) for _ in range(10)])
    first = Interaction.objects.order_by("pk").first().pk
    base = {"last": first + 9, "old": first - 1}
    one = sweep(1, since=base)
    assert one.position["old"] == first + 3
    gone = event(Product(label="never saved"), uuid.uuid4())
    Interaction.objects.bulk_create([gone])
    two = sweep(1, since=one.position)
    assert two.products == 1
    assert two.position["last"] == gone.pk
    three = sweep(1, since=two.position)
    assert three.position["old"] == first + 9 + 1 or three.position["old"] > two.position["old"]


def test_no_statement_of_a_sweep_reads_the_whole_of_a_large_table(
    product, django_assert_max_num_queries
):
    if connection.vendor != "postgresql":
        pytest.skip("plans are PostgreSQL's")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reco_interaction (site, event_id, kind, shopper, product_id, quantity, "
            'currency, "order", query, source, occurred_at, received_at) '
            "SELECT 1, gen_random_uuid(), 1, gen_random_uuid(), %s, 1, '', '', '', 2, now(), now() "
            "FROM generate_series(1, 120000) n",  # of which one batch is a small part
            [product.pk],
        )
        cursor.execute("ANALYZE reco_interaction")
    last = Interaction.objects.order_by("-pk").first().pk
    mark([uuid.uuid4() for _ in range(3)], 1)
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as seen:
        sweep(1, since={"last": last, "old": last - 100})
    for query in seen.captured_queries:
        sql = query["sql"]
        if '"reco_interaction"' not in sql or not sql.startswith(("SELECT", "UPDATE", "DELETE")):
            continue
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on reco_interaction" not in plan, f"{sql}\n{plan}"


def test_the_events_of_a_product_that_is_gone_go_a_little_at_a_time(product):
    Item.objects.create(product=product)
    Interaction.objects.bulk_create(event(product, uuid.uuid4()) for _ in range(deleting.BATCH + 1))
    Product.objects.all().delete()
    sweeping = _Sweep(1, {}, None)
    with CaptureQueriesContext(connection) as asked:
        sweeping.items()
    deletions = [each for each in asked if 'DELETE FROM "reco_interaction"' in each["sql"]]
    assert len(deletions) == 2
    assert (sweeping.report.products, sweeping.report.items) == (deleting.BATCH + 1, 1)


USERS_ELSEWHERE = """
import sys, uuid
from django.conf import settings
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{sys.argv[1]}/{name}"}
    for name in ("default", "shop")
}
settings.configure(
    SECRET_KEY="x", USE_TZ=True, RECO_PRODUCT_MODEL="integer.Product", RECO_DATABASE="shop",
    RECO_STORE="numpy", RECO_ARTEFACT_DIR=f"{sys.argv[1]}/reco", DATABASES=DATABASES,
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "keyshops.integer", "reco_plugin",
    ],
)
import django
django.setup()
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from reco_plugin import clock
from reco_plugin.capture.identity import shopper_id
from reco_plugin.jobs.sweep import _Sweep, sweep
from reco_plugin.models import Interaction
for name in DATABASES:
    call_command("migrate", database=name, run_syncdb=True, verbosity=0)
product = apps.get_model("integer.Product").objects.using("shop").create(name="x", category="A")
alive, gone = User.objects.create(username="a"), User.objects.create(username="b")
events = Interaction.objects.using("shop")
for user in (alive, gone):
    events.create(
        event_id=uuid.uuid4(), shopper=shopper_id(1, user.pk), user_id=user.pk,
        product_id=product.pk, kind=1, source=1, occurred_at=clock.now(),
    )
User.objects.filter(pk=gone.pk)._raw_delete("default")
print(sweep(1).users, [event.user_id == alive.pk for event in events.all()])
"""


def test_users_that_live_in_another_database_are_not_taken_for_gone(tmp_path):
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", USERS_ELSEWHERE, str(tmp_path)],
        check=False,
        cwd=tests,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1 [True]\n", done.stderr
