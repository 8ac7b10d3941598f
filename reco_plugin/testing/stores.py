"""What every store must do, as tests: subclass `StoreConformance`, name your store, run pytest.

    class TestMyStore(StoreConformance):
        def make_store(self) -> Store:
            return MyStore("default")

Needs the extra `test` (pytest, pytest-django, hypothesis).
"""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reco_plugin.exceptions import StoreError
from reco_plugin.models import Interaction, Item, Run
from reco_plugin.stores.base import (
    Exporting,
    Forgetting,
    Handle,
    Lending,
    Scored,
    Store,
    Vectors,
    Within,
)
from reco_plugin.types import EventKind, EventSource, Floats, Key, id_map

TOLERANCE = 1e-3
"""Room for stores that keep vectors at half precision."""


def make_vectors(
    keys: Sequence[Key], *, shoppers: int = 5, dimension: int = 8, seed: int = 0
) -> Vectors:
    """Random vectors whose lengths and biases differ, as a trainer's do."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(0.5, 2.0, (len(keys), 1))
    return Vectors(
        items=id_map(keys),
        item_vectors=(rng.normal(size=(len(keys), dimension)) * lengths).astype(np.float32),
        item_biases=rng.normal(size=len(keys)).astype(np.float32),
        shoppers=id_map([uuid.UUID(bytes=rng.bytes(16)) for _ in range(shoppers)]),
        shopper_vectors=rng.normal(size=(shoppers, dimension)).astype(np.float32),
    )


def exact_nearest(vectors: Vectors, query: Floats) -> list[Scored]:
    """Every item, best first, by plain NumPy."""
    return _sorted(vectors, vectors.item_vectors @ query + vectors.item_biases)


def exact_neighbours(vectors: Vectors, key: Key) -> list[Scored]:
    """Every other item, most similar first, by plain NumPy."""
    units = vectors.item_vectors / np.linalg.norm(vectors.item_vectors, axis=1, keepdims=True)
    row = vectors.items.row(key)
    assert row is not None
    return [scored for scored in _sorted(vectors, units @ units[row]) if scored.key != key]


def _sorted(vectors: Vectors, scores: Floats) -> list[Scored]:
    keys = vectors.items.to_python()
    order = np.argsort(-scores, kind="stable")
    return [Scored(key=keys[row], score=float(scores[row])) for row in order]


def assert_same(found: Sequence[Scored], expected: Sequence[Scored]) -> None:
    """The same keys in the same order with the same scores, up to TOLERANCE."""
    assert [one.key for one in found] == [one.key for one in expected]
    assert [one.score for one in found] == pytest.approx(
        [one.score for one in expected], abs=TOLERANCE, rel=TOLERANCE
    )


class StoreConformance:
    """Tests every store passes. Override `make_store`, and `make_keys` for keys that are no UUIDs."""

    SIZE: ClassVar[int] = 60

    def make_store(self) -> Store:
        raise NotImplementedError

    def make_keys(self, count: int) -> list[Key]:
        """Distinct keys of the type of the shop's products."""
        return [uuid.UUID(int=number + 1) for number in range(count)]

    def within(self, keys: Sequence[Any]) -> Within:
        """A SELECT of exactly `keys`."""
        for key in keys:
            Item.objects.get_or_create(pk=key)
        wanted = Item.objects.filter(pk__in=keys) if keys else Item.objects.filter(title="\x01")
        sql, params = wanted.values("pk").query.sql_with_params()
        return Within(sql=sql, params=tuple(params))

    @pytest.fixture
    def store(self) -> Store:
        return self.make_store()

    @pytest.fixture
    def vectors(self) -> Vectors:
        return make_vectors(self.make_keys(self.SIZE))

    @pytest.fixture
    def query(self, vectors: Vectors) -> Floats:
        found: Floats = vectors.shopper_vectors[0]
        return found

    @staticmethod
    def new_run() -> Handle:
        return Handle(run=Run.objects.create(kind="personal", trainer="conformance").pk)

    def published(self, store: Store, vectors: Vectors) -> Handle:
        handle = self.new_run()
        return Handle(run=handle.run, state=store.publish(handle, vectors))

    @pytest.fixture
    def handle(self, db: None, store: Store, vectors: Vectors) -> Handle:
        return self.published(store, vectors)

    # --- what is published is what is read ----------------------------------------------------

    def test_nothing_stands_in_the_way(self, db: None, store: Store) -> None:
        assert list(store.check()) == []

    @pytest.mark.parametrize("k", [1, 10, SIZE, SIZE + 10])
    def test_nearest_is_the_exact_answer(
        self, store: Store, handle: Handle, vectors: Vectors, query: Floats, k: int
    ) -> None:
        assert_same(store.nearest(handle, query, k), exact_nearest(vectors, query)[:k])

    @pytest.mark.parametrize("k", [1, 10, SIZE + 10])
    def test_neighbours_are_by_cosine_without_itself(
        self, store: Store, handle: Handle, vectors: Vectors, k: int
    ) -> None:
        key = vectors.items.key(3)
        assert_same(store.neighbours(handle, key, k), exact_neighbours(vectors, key)[:k])

    def test_all_items_are_handed_out(self, store: Store, handle: Handle, vectors: Vectors) -> None:
        """Those that were added later and those that replaced others, too."""
        if not isinstance(store, Exporting):
            pytest.skip("this store does not hand out its items: similar products are looked up")
        known = self.make_keys(self.SIZE + 1)
        both = id_map([known[0], known[-1]])
        store.upsert(handle, both, np.full((2, 8), 7, np.float32), np.ones(2, np.float32))
        items, found = store.item_vectors(handle)
        assert (len(items), found.shape) == (61, (61, 8))
        assert found.dtype == np.float32
        for row, key in enumerate(known):
            at = items.row(key)
            assert at is not None
            new = row in (0, self.SIZE)
            assert found[at].tolist() == ([7.0] * 8 if new else vectors.item_vectors[row].tolist())

    def test_an_empty_run_hands_out_nothing(self, db: None, store: Store) -> None:
        handle = self.published(store, make_vectors([], shoppers=0))
        if isinstance(store, Exporting):
            items, found = store.item_vectors(handle)
            assert (len(items), found.shape) == (0, (0, 8))

    def test_a_dropped_run_hands_out_nothing(self, store: Store, handle: Handle) -> None:
        store.drop(handle)
        if isinstance(store, Exporting):
            with pytest.raises(StoreError):
                store.item_vectors(handle)

    def test_vectors_of_a_few_are_lent_in_one_statement(
        self,
        store: Store,
        handle: Handle,
        vectors: Vectors,
        django_assert_max_num_queries: Callable[[int], Any],
    ) -> None:
        """Of those it has, as they were published or added; others are left out."""
        if not isinstance(store, Lending):
            pytest.skip("this store does not lend vectors: variety goes by facts alone")
        *known, born, unknown = self.make_keys(self.SIZE + 2)
        store.upsert(handle, id_map([born]), np.full((1, 8), 7, np.float32), np.ones(1, np.float32))
        asked = [known[3], born, unknown, known[7], known[3]]
        store.vectors_of(handle, asked)
        with django_assert_max_num_queries(1):
            found = store.vectors_of(handle, asked)
        assert set(found) == {known[3], known[7], born}
        for row in (3, 7):
            assert found[known[row]] == pytest.approx(vectors.item_vectors[row], abs=TOLERANCE)
        assert found[born].dtype == np.float32
        assert found[born].tolist() == [7.0] * 8

    def test_no_vectors_are_lent_for_nothing(
        self, store: Store, handle: Handle, vectors: Vectors
    ) -> None:
        if isinstance(store, Lending):
            assert dict(store.vectors_of(handle, [])) == {}
            store.drop(handle)
            with pytest.raises(StoreError):
                store.vectors_of(handle, [vectors.items.key(0)])

    def test_a_state_is_json(self, store: Store, handle: Handle) -> None:
        run = Run.objects.get(pk=handle.run)
        run.store_state = dict(handle.state)
        run.save()
        run.refresh_from_db()
        assert run.store_state == handle.state

    def test_no_answers_are_asked_for(
        self, store: Store, handle: Handle, query: Floats, vectors: Vectors
    ) -> None:
        assert store.nearest(handle, query, 0) == []
        assert store.neighbours(handle, vectors.items.key(0), 0) == []

    def test_an_unknown_key_has_no_neighbours(self, store: Store, handle: Handle) -> None:
        assert store.neighbours(handle, self.make_keys(self.SIZE + 1)[-1], 5) == []

    def test_an_item_without_direction_is_near_nothing(self, db: None, store: Store) -> None:
        vectors = make_vectors(self.make_keys(4))
        vectors.item_vectors[1] = 0
        handle = self.published(store, vectors)
        first, zero = vectors.items.key(0), vectors.items.key(1)
        assert store.neighbours(handle, zero, 5) == []
        assert zero not in {one.key for one in store.neighbours(handle, first, 5)}
        assert len(store.nearest(handle, vectors.shopper_vectors[0], 5)) == 4

    def test_an_empty_run_answers_nothing(self, db: None, store: Store) -> None:
        vectors = make_vectors([], shoppers=0)
        handle = self.published(store, vectors)
        assert store.nearest(handle, np.ones(8, dtype=np.float32), 5) == []
        assert store.neighbours(handle, self.make_keys(1)[0], 5) == []
        assert store.history(handle, uuid.uuid4(), 5).vector is None

    # --- forgetting ---------------------------------------------------------------------------

    @pytest.mark.django_db
    def test_a_shopper_is_forgotten_and_nobody_else(self, store: Store, vectors: Vectors) -> None:
        if not isinstance(store, Forgetting):
            pytest.skip("this store does not forget single shoppers")
        handle = self.published(store, vectors)
        gone, *others = vectors.shoppers.to_python()
        assert isinstance(gone, uuid.UUID)
        assert store.forget(handle, [gone, uuid.uuid4()]) == 1
        assert store.forget(handle, [gone]) == 0
        assert store.history(handle, gone, 5).vector is None
        for row, other in enumerate(others, 1):
            assert isinstance(other, uuid.UUID)
            found = store.history(handle, other, 5).vector
            assert found == pytest.approx(vectors.shopper_vectors[row], abs=TOLERANCE)
        assert len(store.nearest(handle, vectors.shopper_vectors[0], 3)) == 3
        store.drop(handle)
        assert store.forget(handle, [gone]) == 0

    # --- within -------------------------------------------------------------------------------

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(chosen=st.sets(st.integers(0, SIZE + 4)), k=st.integers(1, SIZE + 10))
    def test_within_gives_exactly_what_matches(
        self, store: Store, handle: Handle, vectors: Vectors, chosen: set[int], k: int
    ) -> None:
        query = vectors.shopper_vectors[0]
        keys = self.make_keys(self.SIZE + 5)
        allowed = {keys[number] for number in chosen}
        within = self.within(sorted(allowed, key=str))
        expected = [one for one in exact_nearest(vectors, query) if one.key in allowed]
        assert_same(store.nearest(handle, query, k, within=within), expected[:k])
        like = [one for one in exact_neighbours(vectors, keys[0]) if one.key in allowed]
        assert_same(store.neighbours(handle, keys[0], k, within=within), like[:k])

    # --- history ------------------------------------------------------------------------------

    def test_history_is_newest_first_with_vectors(
        self, store: Store, handle: Handle, vectors: Vectors
    ) -> None:
        shopper = vectors.shoppers.key(2)
        assert isinstance(shopper, uuid.UUID)
        keys = [vectors.items.key(0), self.make_keys(self.SIZE + 1)[-1], vectors.items.key(7)]
        for number, key in enumerate([*keys, None]):
            _event(shopper, key, hours=number)
        _event(uuid.uuid4(), keys[0], hours=9)
        found = store.history(handle, shopper, 10)
        assert [event.key for event in found.events] == keys[::-1]
        assert found.vector == pytest.approx(vectors.shopper_vectors[2], abs=TOLERANCE)
        newest, unknown, oldest = (event.vector for event in found.events)
        assert newest == pytest.approx(vectors.item_vectors[7], abs=TOLERANCE)
        assert oldest == pytest.approx(vectors.item_vectors[0], abs=TOLERANCE)
        assert unknown is None
        assert all(event.occurred_at.tzinfo for event in found.events)
        assert {event.kind for event in found.events} == {EventKind.VIEW_ITEM}

    def test_history_is_one_statement(
        self,
        store: Store,
        handle: Handle,
        vectors: Vectors,
        django_assert_num_queries: Callable[[int], Any],
    ) -> None:
        shopper = vectors.shoppers.key(0)
        assert isinstance(shopper, uuid.UUID)
        store.history(handle, shopper, 10)
        with django_assert_num_queries(1):
            store.history(handle, shopper, 10)

    def test_history_is_as_long_as_asked(
        self, store: Store, handle: Handle, vectors: Vectors
    ) -> None:
        shopper = uuid.uuid4()
        for number in range(5):
            _event(shopper, vectors.items.key(number), hours=number)
        found = store.history(handle, shopper, 2)
        assert [event.key for event in found.events] == [vectors.items.key(4), vectors.items.key(3)]
        assert found.vector is None
        assert store.history(handle, shopper, 0).events == ()

    def test_history_without_a_run_has_no_vectors(
        self, db: None, store: Store, vectors: Vectors
    ) -> None:
        shopper = uuid.uuid4()
        _event(shopper, vectors.items.key(0), hours=0)
        found = store.history(None, shopper, 5)
        assert [(event.key, event.vector) for event in found.events] == [
            (vectors.items.key(0), None)
        ]
        assert found.vector is None

    # --- what is refused ----------------------------------------------------------------------

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("where", ["item_vectors", "item_biases", "shopper_vectors"])
    def test_numbers_that_are_none_are_refused(
        self, db: None, store: Store, vectors: Vectors, bad: float, where: str
    ) -> None:
        getattr(vectors, where)[1] = bad
        with pytest.raises(StoreError, match="NaN or infinite"):
            self.published(store, vectors)

    def test_a_key_that_occurs_twice_is_refused(self, db: None, store: Store) -> None:
        keys = self.make_keys(3)
        with pytest.raises(StoreError, match="twice"):
            self.published(store, make_vectors([*keys, keys[0]]))

    def test_a_query_that_does_not_fit_is_refused(self, store: Store, handle: Handle) -> None:
        with pytest.raises(StoreError, match="dimensions"):
            store.nearest(handle, np.ones(3, dtype=np.float32), 5)
        with pytest.raises(StoreError, match="NaN"):
            store.nearest(handle, np.full(8, np.nan, dtype=np.float32), 5)

    # --- runs side by side --------------------------------------------------------------------

    def test_two_runs_do_not_mix(
        self, store: Store, handle: Handle, vectors: Vectors, query: Floats
    ) -> None:
        other = make_vectors(self.make_keys(self.SIZE), seed=1)
        beside = self.published(store, other)
        assert_same(store.nearest(handle, query, 10), exact_nearest(vectors, query)[:10])
        assert_same(store.nearest(beside, query, 10), exact_nearest(other, query)[:10])

    def test_dropping_a_run_leaves_the_others(
        self, store: Store, handle: Handle, vectors: Vectors, query: Floats
    ) -> None:
        beside = self.published(store, make_vectors(self.make_keys(5), seed=1))
        store.drop(beside)
        store.drop(beside)
        assert_same(store.nearest(handle, query, 10), exact_nearest(vectors, query)[:10])

    @pytest.mark.django_db(transaction=True)
    def test_a_dropped_run_is_said_to_be_gone(
        self, store: Store, handle: Handle, query: Floats
    ) -> None:
        store.drop(handle)
        with pytest.raises(StoreError, match="not in the store"):
            store.nearest(handle, query, 5)

    def test_upserted_items_are_found(
        self, store: Store, handle: Handle, vectors: Vectors, query: Floats
    ) -> None:
        store.nearest(handle, query, 1)
        born, old = self.make_keys(self.SIZE + 1)[-1], vectors.items.key(0)
        length = float(np.linalg.norm(query))
        new = np.stack([query * 50 / length, -query]).astype(np.float32)
        store.upsert(handle, id_map([born, old]), new, np.array([1, -90], dtype=np.float32))
        found = store.nearest(handle, query, self.SIZE + 5)
        assert len(found) == self.SIZE + 1
        assert (found[0].key, found[-1].key) == (born, old)
        assert found[0].score == pytest.approx(50 * length + 1, rel=TOLERANCE)
        assert store.neighbours(handle, born, 1) != []

    def test_upserting_nonsense_changes_nothing(
        self, store: Store, handle: Handle, vectors: Vectors, query: Floats
    ) -> None:
        born = id_map(self.make_keys(self.SIZE + 1)[-1:])
        for new in (np.full((1, 8), np.nan), np.ones((1, 5))):
            with pytest.raises(StoreError):
                store.upsert(handle, born, new.astype(np.float32), np.ones(1, dtype=np.float32))
        assert_same(store.nearest(handle, query, 10), exact_nearest(vectors, query)[:10])

    # --- beside readers -----------------------------------------------------------------------

    @pytest.mark.django_db(transaction=True)
    def test_readers_see_whole_runs_only(
        self, store: Store, handle: Handle, vectors: Vectors, query: Floats
    ) -> None:
        """One thread reads the live run while others are published, activated and dropped."""
        live = [(handle, exact_nearest(vectors, query)[:10])]
        with _reading(lambda: _check_live(store, live, query)) as wrong:
            for seed in range(1, 4):
                other = make_vectors(self.make_keys(self.SIZE), seed=seed)
                beside = self.published(store, other)
                live.append((beside, exact_nearest(other, query)[:10]))
            store.drop(self.published(store, vectors))
        for run, _ in live:
            store.drop(run)
        assert wrong == []


def _check_live(store: Store, live: Sequence[tuple[Handle, list[Scored]]], query: Floats) -> None:
    handle, expected = live[-1]
    assert_same(store.nearest(handle, query, 10), expected)


class _reading:  # noqa: N801
    """Runs `check` in another thread, on connections of its own, until the block ends."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check
        self.wrong: list[BaseException] = []
        self.stop = threading.Event()
        self.began = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> list[BaseException]:
        self.thread.start()
        assert self.began.wait(30)
        return self.wrong

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(30)

    def _loop(self) -> None:
        try:
            while not self.stop.is_set():
                self.check()
                self.began.set()
        except BaseException as error:  # noqa: BLE001
            self.wrong.append(error)
            self.began.set()
        finally:
            connections.close_all()


def _event(shopper: uuid.UUID, key: Any, *, hours: int) -> None:
    Interaction.objects.create(
        event_id=uuid.uuid4(),
        kind=EventKind.SEARCH if key is None else EventKind.VIEW_ITEM,
        shopper=shopper,
        product_id=key,
        source=EventSource.TRACK,
        occurred_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours),
    )
