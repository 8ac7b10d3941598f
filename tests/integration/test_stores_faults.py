"""A store under bad luck: no disk, no shared memory, worn or filtered indexes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs_shop import event, products
from testapp.models import StockRecord

from reco_plugin.exceptions import StoreError
from reco_plugin.jobs import publish as publishing_jobs
from reco_plugin.jobs.publish import activate, active_run, handle
from reco_plugin.jobs.record import recorded
from reco_plugin.jobs.running.stages import Stages
from reco_plugin.models import Interaction, Item, Run, RunStatus
from reco_plugin.serving import recommend
from reco_plugin.stores.base import Handle, Vectors, Within
from reco_plugin.stores.pgvector import PgvectorStore, index, publishing, tables
from reco_plugin.testing.stores import make_vectors
from reco_plugin.types import Shopper

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="pgvector lives in PostgreSQL"),
]

ROWS = 300
FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"


@pytest.fixture(autouse=True)
def place(settings, tmp_path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_STORE, settings.RECO_EXACT_ROWS = "pgvector", 100


@pytest.fixture
def vectors() -> Vectors:
    return make_vectors([uuid.UUID(int=n + 1) for n in range(ROWS)], shoppers=30)


def new_run() -> Run:
    return Run.objects.create(kind="personal", trainer="t")


def learnt_tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname LIKE 'reco\\_vectors\\_%'")
        return {name for (name,) in cursor.fetchall()}


# --- disk full -----------------------------------------------------------------------------------


def full_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let the disk be full once `step` has been done."""

    def filling(owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def then_full(cursor: Any, *args: Any, **more: Any) -> Any:
            real(cursor, *args, **more)
            cursor.execute(FULL)

        monkeypatch.setattr(owner, name, then_full)

    if step == "half the rows":
        encode = tables.wire.encode

        def torn(*args: Any) -> Iterator[tuple[int, bytes]]:
            for rows, piece in encode(*args):
                yield rows, piece[: len(piece) // 2]
                raise connection.Database.errors.DiskFull("No space left on device")

        monkeypatch.setattr(tables.wire, "encode", torn)
        return
    owner, name = {
        "tables made": (tables, "create"),
        "rows written": (tables, "fill"),
        "statistics": (tables, "sign"),
        "index built": (index, "_create"),
    }[step]
    filling(owner, name)


@pytest.mark.parametrize(
    "step", ["tables made", "half the rows", "rows written", "statistics", "index built"]
)
def test_disk_full_while_publishing_leaves_the_live_run_and_nothing_behind(
    vectors, monkeypatch, step
):
    live = new_run()
    publishing_jobs.publish(live, vectors)
    activate(live)
    before = learnt_tables()
    run = new_run()
    with monkeypatch.context() as patch:
        full_at(patch, step)
        with recorded(run, Stages()):
            publishing_jobs.publish(run, vectors)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert f"Run {run.pk} could not be published" in run.error
    said = "DiskFull" if step == "half the rows" else "No space left on device"
    assert said in run.error  # what no server said may quote anything, and is not kept
    assert "the disk (or /dev/shm of a container) is full" in run.error
    assert learnt_tables() == before
    assert active_run(1, "personal") == live
    store = PgvectorStore("default")
    assert len(store.nearest(handle(live), vectors.shopper_vectors[0], 10)) == 10
    publishing_jobs.publish(run, vectors)  # with room again
    assert run.status == RunStatus.PUBLISHED


def test_disk_full_while_publishing_is_not_felt_by_a_shopper(monkeypatch):
    made = products()
    Item.objects.bulk_create([Item(product=one, content_hash="1") for one in made])
    StockRecord.objects.bulk_create([StockRecord(product=one, count=5) for one in made])
    vectors = make_vectors([one.pk for one in made], shoppers=1)
    live = new_run()
    live.dataset = {"norm": 1.0}
    live.save()
    publishing_jobs.publish(live, vectors)
    activate(live)
    shopper = uuid.uuid4()
    Interaction.objects.bulk_create([event(made[0], shopper)])
    slate = recommend("personal", shopper=Shopper(id=shopper), limit=4)
    with monkeypatch.context() as patch:
        full_at(patch, "rows written")
        with pytest.raises(StoreError, match="full"):
            publishing_jobs.publish(new_run(), vectors)
    again = recommend("personal", shopper=Shopper(id=shopper), limit=4)
    assert [tile.key for tile in again] == [tile.key for tile in slate]
    assert len(again) == 4


# --- the memory of a build -----------------------------------------------------------------------


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """maintenance_work_mem and workers in force while each index is built."""
    seen = []
    statement = index._statement

    def spy(built: index.Index) -> Any:
        with connection.cursor() as cursor:
            seen.append(_settings(cursor))
        return statement(built)

    monkeypatch.setattr(index, "_statement", spy)
    return seen


def test_r19_memory_of_a_build_follows_rows_and_dimension():
    built = index.Index(table="t", column="c", kind="halfvec", dimension=65, distance="ip")
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting::bigint FROM pg_settings WHERE name='maintenance_work_mem'")
        configured = cursor.fetchone()[0]
        asked = [index.build_memory_kb(cursor, built, rows) for rows in (10, 10**6, 10**9)]
    assert asked[0] == configured  # never less than the server has set
    assert asked[1] > 10**6 * (1_000 + 2 * 65) / 1_024  # the whole graph, with room
    assert asked[2] == index.MAX_BUILD_MEMORY_KB  # and never without end


def test_r19_the_memory_is_in_force_for_the_build_and_for_nothing_else(
    vectors, memory, monkeypatch
):
    with connection.cursor() as cursor:
        before = _settings(cursor)
    monkeypatch.setattr(index, "GRAPH_BYTES", 1_000_000)
    run = new_run()
    publishing_jobs.publish(run, vectors)
    assert run.store_state["nearest"]["index"] == "hnsw"
    needed = [ROWS * (1_000_000 + 2 * dimension) * 5 // 4 // 1024 for dimension in (9, 8)]
    assert memory == [(f"{each}kB", "0") for each in needed]
    with connection.cursor() as cursor:
        assert _settings(cursor) == before


def _settings(cursor: Any) -> Any:
    cursor.execute(
        "SELECT current_setting('maintenance_work_mem'), "
        "current_setting('max_parallel_maintenance_workers')"
    )
    return cursor.fetchone()


# --- filters -------------------------------------------------------------------------------------


@given(
    share=st.floats(0, 1),
    k=st.integers(1, 60),
    seed=st.integers(0, 2**16),
)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_r20_any_filter_gives_as_many_as_asked_for_or_as_there_are(
    indexed, vectors, share, k, seed
):
    random = np.random.default_rng(seed)
    keys = vectors.items.to_python()
    matching = [key for key in keys if random.random() < share]
    within = Within(sql="SELECT unnest(%s::uuid[])", params=(matching,))
    store = PgvectorStore("default")
    found = store.nearest(indexed, vectors.shopper_vectors[0], k, within=within)
    assert len(found) == min(k, len(matching))
    assert {one.key for one in found} <= set(matching)
    assert len(store.nearest(indexed, vectors.shopper_vectors[0], k)) == min(k, ROWS)


@pytest.fixture
def indexed(vectors) -> Handle:
    run = new_run()
    publishing_jobs.publish(run, vectors)
    assert run.store_state["nearest"]["index"] == "hnsw"
    assert publishing.conf.settings.EXACT_ROWS < ROWS
    return handle(run)
