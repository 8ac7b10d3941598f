"""What only the pgvector store does: indexes, locks, roles, extensions, leftovers."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import numpy as np
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from reco_plugin.exceptions import StoreError
from reco_plugin.models import Item, Run, RunStatus
from reco_plugin.stores import pgvector
from reco_plugin.stores.base import Handle, Within
from reco_plugin.stores.choice import choose_store
from reco_plugin.stores.numpy import NumpyStore
from reco_plugin.stores.pgvector import PgvectorStore, index, publishing, queries, tables
from reco_plugin.stores.pgvector.tables import KeyColumn, Tables
from reco_plugin.testing.stores import assert_same, exact_nearest, exact_neighbours, make_vectors
from reco_plugin.types import id_map

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="pgvector lives in PostgreSQL"
)

ROWS = 1_200


def keys_of(count):
    return [uuid.UUID(int=number + 1) for number in range(count)]


def publish(store, vectors):
    run = Run.objects.create(kind="personal", trainer="test", status=RunStatus.PUBLISHED)
    run.store_state = store.publish(Handle(run=run.pk), vectors)
    run.save()
    return Handle(run=run.pk, state=run.store_state)


def existing(pattern="reco_vectors_%"):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'i') AND relname LIKE %s",
            [pattern.replace("_", r"\_")],
        )
        return {name for (name,) in cursor.fetchall()}


def current(*names):
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}', true)" for name in names))
        return cursor.fetchone()


GUARDED = ("hnsw.ef_search", "hnsw.iterative_scan", "jit", "lock_timeout", "statement_timeout")


@pytest.fixture
def store(db):
    return PgvectorStore("default")


@pytest.fixture
def large(store, settings):
    settings.RECO_EXACT_ROWS = 500
    vectors = make_vectors(keys_of(ROWS), shoppers=50, dimension=16)
    return publish(store, vectors), vectors


class TestLargeRuns:
    def test_indexes_find_what_was_promised(self, store, large):
        handle, vectors = large
        for space in ("nearest", "neighbours"):
            assert handle.state[space]["index"] == "hnsw"
            assert handle.state[space]["recall"] >= 0.95
        shares = []
        for query in vectors.shopper_vectors:
            best = {one.key for one in exact_nearest(vectors, query)[:10]}
            shares.append(len(best & {one.key for one in store.nearest(handle, query, 10)}) / 10)
        assert np.mean(shares) >= 0.95

    def test_the_index_is_used(self, store, large):
        handle, vectors = large
        own, plan = Tables.of(handle.state), queries.Plan.of(handle.state, "nearest")
        folded = np.append(vectors.shopper_vectors[0], np.float32(1))
        near = queries.neighbours(own, vectors.items.key(0), 10, dimension=16, plan=plan)
        for statement in (queries.nearest(own, folded, 10, plan=plan), near):
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + statement.sql, statement.params)
                text = "\n".join(line for (line,) in cursor.fetchall())
            assert "Index Scan using reco_vectors" in text
            assert "Seq Scan" not in text

    def test_scores_are_whole_though_the_index_is_half(self, store, large):
        handle, vectors = large
        scores = {one.key: one.score for one in exact_nearest(vectors, vectors.shopper_vectors[0])}
        for one in store.nearest(handle, vectors.shopper_vectors[0], 10):
            assert one.score == pytest.approx(scores[one.key], rel=1e-5)

    def test_neighbours_leave_the_item_out(self, store, large):
        handle, vectors = large
        key = vectors.items.key(5)
        found = store.neighbours(handle, key, 10)
        best = {one.key for one in exact_neighbours(vectors, key)[:10]}
        assert len(best & {one.key for one in found}) >= 9
        assert store.neighbours(handle, uuid.uuid4(), 10) == []

    @pytest.mark.parametrize("k", [200, ROWS + 1])
    def test_as_many_as_asked_for(self, store, large, k):
        handle, vectors = large
        found = store.nearest(handle, vectors.shopper_vectors[0], k)
        assert len(found) == len({one.key for one in found}) == min(k, ROWS)

    def test_within_is_exact_beside_an_index(self, store, large):
        handle, vectors = large
        chosen = keys_of(ROWS)[::7]
        Item.objects.bulk_create([Item(pk=key) for key in chosen])
        sql, params = Item.objects.values("pk").query.sql_with_params()
        found = store.nearest(
            handle, vectors.shopper_vectors[0], 50, within=Within(sql=sql, params=params)
        )
        allowed = set(chosen)
        exact = [
            one for one in exact_nearest(vectors, vectors.shopper_vectors[0]) if one.key in allowed
        ]
        assert_same(found, exact[:50])

    def test_upserted_items_enter_the_index(self, store, large):
        handle, vectors = large
        query = vectors.shopper_vectors[0]
        born = uuid.uuid4()
        store.upsert(handle, id_map([born]), query[None] * 100, np.zeros(1, dtype=np.float32))
        assert store.nearest(handle, query, 1)[0].key == born
        assert store.neighbours(handle, born, 3)

    def test_an_index_that_finds_too_little_is_not_kept(self, store, settings, caplog):
        settings.RECO_EXACT_ROWS, settings.RECO_MIN_RECALL = 100, 1.1
        vectors = make_vectors(keys_of(300))
        handle = publish(store, vectors)
        assert handle.state["nearest"]["index"] == "exact"
        assert "RECO_MIN_RECALL" in handle.state["nearest"]["note"]
        assert "scanned exactly" in caplog.text
        query = vectors.shopper_vectors[0]
        assert_same(store.nearest(handle, query, 10), exact_nearest(vectors, query)[:10])

    def test_numbers_too_large_for_half_precision(self, store, settings):
        settings.RECO_EXACT_ROWS = 100
        vectors = make_vectors(keys_of(300))
        vectors.item_biases[0] = 1e5
        handle = publish(store, vectors)
        assert handle.state["nearest"]["held_as"] == "vector"
        assert handle.state["neighbours"]["held_as"] == "halfvec"
        found = store.nearest(handle, vectors.shopper_vectors[0], 1)
        assert found[0].key == vectors.items.key(0)

    def test_more_dimensions_than_an_index_holds(self, store, settings):
        settings.RECO_EXACT_ROWS = 5
        vectors = make_vectors(keys_of(8), dimension=4_100)
        handle = publish(store, vectors)
        assert handle.state["nearest"]["index"] == "exact"
        query = vectors.shopper_vectors[0]
        assert_same(store.nearest(handle, query, 3), exact_nearest(vectors, query)[:3])

    def test_r19_without_shared_memory_the_index_is_built_alone(self, store, large, monkeypatch):
        handle, _ = large
        tried = []
        create = index._create

        def full(cursor, built, rows, workers):
            tried.append(workers)
            if workers:
                cursor.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$"
                )
            create(cursor, built, rows, workers)

        monkeypatch.setattr(index, "_create", full)
        again = index.Index(
            table=handle.state["items"], column="folded", kind="vector", dimension=17, distance="ip"
        )
        with connection.cursor() as cursor:
            index.discard(cursor, again)
            index.build(cursor, again, ROWS, 2)
        assert tried == [2, 0]
        assert again.name in existing()


class TestSettingsDoNotLeak:
    def test_inside_the_shops_transaction(self, store, large):
        handle, vectors = large
        before = current(*GUARDED)
        with transaction.atomic():
            store.nearest(handle, vectors.shopper_vectors[0], 5)
            store.neighbours(handle, vectors.items.key(0), 5)
            assert current(*GUARDED)[2:] == before[2:]
            assert current("hnsw.ef_search")[0] in (before[0], "40")
        publish(store, make_vectors(keys_of(5)))
        assert current(*GUARDED)[2:] == before[2:]

    @pytest.mark.django_db(transaction=True)
    def test_outside_any_transaction(self, store, large, django_assert_num_queries):
        handle, vectors = large
        connection.close()
        before = current("jit")
        with django_assert_num_queries(1):
            assert len(store.nearest(handle, vectors.shopper_vectors[0], 5)) == 5
        assert current("jit") == before
        assert current("hnsw.ef_search")[0] == "40"
        assert connection.get_autocommit()
        store.drop(handle)


class TestAllOrNothing:
    def test_the_shops_timeouts_do_not_cut_a_publish_short(self, store, settings):
        settings.RECO_EXACT_ROWS = 100
        limits = ("statement_timeout", "lock_timeout")
        with connection.cursor() as cursor:
            for name in limits:
                cursor.execute(f"SET LOCAL {name} = '700ms'")
            before = current(*limits)
        assert publish(store, make_vectors(keys_of(1_500), dimension=64))
        assert current(*limits) == before

    def test_leftovers_that_cannot_be_swept_do_not_fail_a_publish(self, store, monkeypatch, caplog):
        def busy(*_):
            raise StoreError("being read all the time")

        monkeypatch.setattr(store, "sweep", busy)
        assert publish(store, make_vectors(keys_of(3))).state["rows"] == 3
        assert "leftovers stay for now" in caplog.text

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("broken", ["sign", "fill"])
    def test_a_failure_midway_leaves_nothing(self, store, monkeypatch, broken):
        before = existing()

        def fail(*_):
            assert existing() > before
            raise ProgrammingError("the disk went away")

        monkeypatch.setattr(publishing.tables, broken, fail)
        with pytest.raises(StoreError, match="Run 7 could not be published: the disk went away"):
            store.publish(Handle(run=7), make_vectors(keys_of(5)))
        assert existing() == before

    def test_keys_that_do_not_fit_are_explained(self, store):
        with pytest.raises(StoreError, match="do not fit the shop's key column of type uuid"):
            store.publish(Handle(run=7), make_vectors([1, 2, 3]))
        assert not existing("reco_vectors_7_%")

    def test_publishing_twice_keeps_both_until_the_drop(self, store):
        vectors = make_vectors(keys_of(5))
        first = publish(store, vectors)
        store.publish(first, vectors)
        assert len(store.nearest(first, vectors.shopper_vectors[0], 5)) == 5
        store.drop(first)
        assert not existing(f"reco_vectors_{first.run}_%")

    def test_a_run_is_not_mistaken_for_another(self, store):
        vectors = make_vectors(keys_of(5))
        state = store.publish(Handle(run=71), vectors)
        store.drop(Handle(run=7))
        assert store.nearest(Handle(run=71, state=state), vectors.shopper_vectors[0], 1)

    def test_orphans_are_swept_up(self, store, monkeypatch):
        vectors = make_vectors(keys_of(5))
        kept = publish(store, vectors)
        orphan = store.publish(Handle(run=999_999), vectors)
        assert not {orphan["items"]} & set(store.sweep())
        monkeypatch.setattr(pgvector, "ORPHAN_AGE", dt.timedelta(seconds=-10))
        assert {orphan["items"], orphan["shoppers"]} <= set(store.sweep())
        assert {kept.state["items"], kept.state["shoppers"]} <= existing()


@pytest.mark.django_db(transaction=True)
class TestLocks:
    def test_an_open_shop_transaction_holds_nothing_up(self, store):
        """It has read our tables and written the shop's; publish and drop go on beside it."""
        with _open_transaction(
            "SELECT * FROM reco_run", "SELECT * FROM reco_interaction", "LOCK TABLE reco_item"
        ):
            handle = publish(store, make_vectors(keys_of(20)))
            store.drop(handle)
        assert not existing(f"reco_vectors_{handle.run}_%")

    def test_a_drop_gives_up_rather_than_queue(self, store, monkeypatch):
        monkeypatch.setattr(pgvector, "DROP_ATTEMPTS", 2)
        monkeypatch.setattr(pgvector, "LOCK_TIMEOUT_MS", 50)
        vectors = make_vectors(keys_of(20))
        handle = publish(store, vectors)
        with _open_transaction(f"SELECT * FROM {handle.state['items']}"):
            with pytest.raises(StoreError, match="read all the time"):
                store.drop(handle)
            assert len(store.nearest(handle, vectors.shopper_vectors[0], 5)) == 5
        store.drop(handle)
        assert not existing(f"reco_vectors_{handle.run}_%")


class _open_transaction:
    """Another session's transaction that stays open for the block."""

    def __init__(self, *statements):
        self.statements = statements
        self.ready, self.done = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(10)

    def _hold(self):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for statement in self.statements:
                    cursor.execute(statement)
                self.ready.set()
                self.done.wait(30)
        finally:
            connection.close()


class TestWhatStandsInTheWay:
    @pytest.fixture
    def as_role(self, db):
        """Act as a role that owns nothing."""
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE reco_poor NOLOGIN")
            cursor.execute("SET LOCAL ROLE reco_poor")
            yield
            cursor.execute("RESET ROLE")

    def test_a_role_that_may_not_create(self, as_role, caplog):
        reason = PgvectorStore("default").check()[-1]
        assert 'GRANT CREATE ON SCHEMA "public" TO "reco_poor"' in reason
        assert isinstance(choose_store("auto", "default"), NumpyStore)
        assert "may not create tables" in caplog.text
        with pytest.raises(StoreError, match="may not create tables"):
            PgvectorStore("default").publish(Handle(run=1), make_vectors(keys_of(3)))

    def test_an_extension_that_is_missing_is_installed_where_allowed(self, db):
        with connection.cursor() as cursor:
            cursor.execute("DROP EXTENSION IF EXISTS vector CASCADE")
        store = PgvectorStore("default")
        assert store.check() == []
        assert publish(store, make_vectors(keys_of(3))).state["rows"] == 3

    def test_an_extension_that_is_missing_and_forbidden(self, db):
        with connection.cursor() as cursor:
            cursor.execute("DROP EXTENSION IF EXISTS vector CASCADE")
            cursor.execute("CREATE ROLE reco_poor NOLOGIN")
            cursor.execute("GRANT CREATE ON SCHEMA public TO reco_poor")
            cursor.execute("SET LOCAL ROLE reco_poor")
            (reason,) = PgvectorStore("default").check()
            assert isinstance(choose_store("auto", "default"), NumpyStore)
            cursor.execute("RESET ROLE")
        assert "CREATE EXTENSION vector;" in reason

    def test_an_extension_off_the_search_path(self, db):
        with connection.cursor() as cursor:
            cursor.execute("DROP EXTENSION IF EXISTS vector CASCADE")
            cursor.execute("CREATE SCHEMA elsewhere")
            cursor.execute("CREATE EXTENSION vector SCHEMA elsewhere")
        (reason,) = PgvectorStore("default").check()
        assert 'search_path = "public", "elsewhere"' in reason

    def test_here_it_is_chosen(self, db):
        assert isinstance(choose_store("auto", "default"), PgvectorStore)


class TestKeyTypes:
    @pytest.mark.parametrize(
        ("key", "keys"),
        [
            (KeyColumn(type="bigint"), [1, -5, 2**40]),
            (KeyColumn(type="integer"), [1, 2, 2**31 - 1]),
            (KeyColumn(type="smallint"), [7, 8, -9]),
            (KeyColumn(type="uuid"), keys_of(3)),
            (KeyColumn(type="varchar(32)", collation="C"), ["a", "bb", "größe"]),
            (KeyColumn(type="text"), ["SKU-1", "SKU-10", "é" * 200]),
        ],
        ids=lambda value: value.type if isinstance(value, KeyColumn) else "",
    )
    def test_every_type_is_copied_as_it_is(self, store, key, keys):
        vectors = make_vectors(keys)
        store._prepare()
        with transaction.atomic(), connection.cursor() as cursor:
            own = Tables.fresh(1)
            tables.create(cursor, own, key, 8)
            tables.fill(cursor, own, key, vectors, lambda *_: None)
            cursor.execute(f"SELECT key, vector_send(embedding) FROM {own.items}")
            found = {row[0]: pgvector.wire.decode(row[1]) for row in cursor.fetchall()}
        assert set(found) == set(keys)
        for row, one in enumerate(keys):
            assert (found[one] == vectors.item_vectors[row]).all()
