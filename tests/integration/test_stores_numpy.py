"""What only the numpy store does: blocks, buckets, and a memory of its own in each process."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from reco_plugin.exceptions import StoreError
from reco_plugin.models import Run, VectorBlock
from reco_plugin.stores import numpy as numpy_store
from reco_plugin.stores.base import Handle
from reco_plugin.stores.numpy import NumpyStore
from reco_plugin.testing.stores import assert_same, exact_nearest, make_vectors
from reco_plugin.types import id_map


def keys_of(count):
    return [uuid.UUID(int=number + 1) for number in range(count)]


def publish(store, vectors):
    run = Run.objects.create(kind="personal", trainer="test")
    return Handle(run=run.pk, state=store.publish(Handle(run=run.pk), vectors))


@pytest.fixture
def store(db):
    return NumpyStore("default")


def test_many_blocks_make_one_run(store, monkeypatch):
    monkeypatch.setattr(numpy_store, "ITEM_ROWS", 7)
    monkeypatch.setattr(numpy_store, "BLOCKS_PER_INSERT", 3)
    vectors, told = make_vectors(keys_of(50)), []
    run = Run.objects.create(kind="personal", trainer="test")
    state = store.publish(Handle(run=run.pk), vectors, lambda *step: told.append(step))
    handle = Handle(run=run.pk, state=state)
    query = vectors.shopper_vectors[0]
    assert_same(store.nearest(handle, query, 50), exact_nearest(vectors, query))
    assert VectorBlock.objects.filter(run=run, space="item").count() == 8
    assert told[-1] == ("vectors", 9, 9)


def test_every_shopper_is_in_a_bucket(store):
    vectors = make_vectors(keys_of(3), shoppers=300)
    handle = publish(store, vectors)
    assert handle.state["buckets"] > 1
    for row in range(0, 300, 17):
        found = store.history(handle, vectors.shoppers.key(row), 5).vector
        assert (found == vectors.shopper_vectors[row]).all()
    assert store.history(handle, uuid.uuid4(), 5).vector is None


def test_reading_again_asks_the_database_nothing(store, django_assert_num_queries):
    vectors = make_vectors(keys_of(20))
    handle = publish(store, vectors)
    store.nearest(handle, vectors.shopper_vectors[0], 3)
    with django_assert_num_queries(0):
        store.nearest(handle, vectors.shopper_vectors[1], 3)
        store.neighbours(handle, vectors.items.key(0), 3)


def test_what_another_process_upserted_is_seen_soon(store, monkeypatch):
    vectors = make_vectors(keys_of(20))
    handle, query = publish(store, vectors), vectors.shopper_vectors[0]
    store.nearest(handle, query, 3)
    born = uuid.uuid4()
    monkeypatch.setattr(numpy_store._spaces, "expire", lambda key: None)
    store.upsert(handle, id_map([born]), query[None] * 50, np.zeros(1, dtype=np.float32))
    monkeypatch.setattr(numpy_store._spaces, "fresh_seconds", -1.0)
    assert store.nearest(handle, query, 1)[0].key == born


def test_memory_is_bounded(store, settings):
    settings.RECO_NUMPY_CACHE_MB = 0
    one, two = make_vectors(keys_of(20)), make_vectors(keys_of(20), seed=1)
    first, second = publish(store, one), publish(store, two)
    for handle in (first, second, first):
        assert len(store.nearest(handle, one.shopper_vectors[0], 3)) == 3
        assert len(numpy_store._spaces._slots) == 1


def test_dropping_forgets(store):
    vectors = make_vectors(keys_of(20))
    handle = publish(store, vectors)
    store.nearest(handle, vectors.shopper_vectors[0], 3)
    store.drop(handle)
    assert not VectorBlock.objects.filter(run_id=handle.run).exists()
    with pytest.raises(StoreError, match="not in the store"):
        store.nearest(handle, vectors.shopper_vectors[0], 3)


def test_a_state_of_another_store_is_explained(store):
    handle = Handle(run=1, state={"dimension": 8})
    with pytest.raises(StoreError, match="not published by the numpy store"):
        store.nearest(handle, np.ones(8, dtype=np.float32), 3)


def test_a_failure_midway_leaves_nothing(store, monkeypatch):
    run = Run.objects.create(kind="personal", trainer="test")
    monkeypatch.setattr(numpy_store, "BLOCKS_PER_INSERT", 1)

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.publish(Handle(run=run.pk), make_vectors(keys_of(5)), stop)
    assert not VectorBlock.objects.filter(run=run).exists()


def test_items_that_are_upserted_with_every_sync_take_no_more_room(store, monkeypatch):
    monkeypatch.setattr(numpy_store, "ITEM_ROWS", 4)
    vectors = make_vectors(keys_of(10))
    handle = publish(store, vectors)
    born = [uuid.UUID(int=number) for number in range(100, 107)]
    query = vectors.shopper_vectors[0]
    for last in (5, 7, 6, 7):  # other blocks each time
        some = born[:last]
        store.upsert(
            handle, id_map(some), np.repeat(query[None] * last, last, 0), np.zeros(last, "f4")
        )
    blocks = VectorBlock.objects.filter(run=handle.run, space="item")
    assert sorted(key for block in blocks for key in block.keys) == sorted(
        key.hex for key in [*keys_of(10), *born]
    )
    found = store.nearest(handle, query, 7)
    assert {one.key for one in found} == set(born)
    assert [one.score for one in found] == pytest.approx([7 * float(query @ query)] * 7, rel=1e-5)
    store.upsert(handle, id_map(keys_of(1)), query[None], np.zeros(1, dtype=np.float32))
    assert len(store.item_vectors(handle)[0]) == 17
