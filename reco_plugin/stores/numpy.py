"""The store for databases without pgvector: vectors packed in an ordinary table, matched in memory.

Exact always. Each process keeps the item vectors of the runs it serves; RECO_NUMPY_CACHE_MB bounds
that. Good for some 100 k products.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from django.db import DatabaseError, connections, models, transaction
from django.db.models import Max, QuerySet, Value
from django.db.models.functions import Cast

from reco_plugin import clock, conf
from reco_plugin.exceptions import StoreError
from reco_plugin.models import Interaction, VectorBlock
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import Handle, History, PastEvent, Progress, Scored, Vectors, Within
from reco_plugin.stores.memory import Cache, Space, best
from reco_plugin.stores.validation import check_items, check_query, check_vectors
from reco_plugin.types import EventKind, Floats, IdMap, Key, id_map

ITEM_ROWS = 2_048
"""Items per block."""
SHOPPERS_PER_BUCKET = 64
"""A shopper's vector is read with its bucket, so buckets are small."""
BLOCKS_PER_INSERT = 64
FRESH_SECONDS = 2.0
"""How long a process may miss what another one upserted or dropped."""

_spaces: Cache[Space] = Cache(
    fresh_seconds=FRESH_SECONDS, limit_bytes=lambda: conf.settings.NUMPY_CACHE_MB << 20
)


class NumpyStore:
    """Vectors in `reco_vector_block`; `database` is a Django alias."""

    name: ClassVar[str] = "numpy"

    def __init__(self, database: str = "default") -> None:
        self.database = database

    # --- publishing ---------------------------------------------------------------------------

    def publish(
        self, handle: Handle, vectors: Vectors, progress: Progress | None = None
    ) -> dict[str, Any]:
        """See `Store.publish`: one transaction, so a failure leaves nothing."""
        check_vectors(vectors)
        buckets = max(1, -(-len(vectors.shoppers) // SHOPPERS_PER_BUCKET))
        blocks = [
            *self._item_blocks(handle, vectors.items, vectors.folded()),
            *self._shopper_blocks(handle, vectors, buckets),
        ]
        with self._writing(f"Run {handle.run} could not be published"):
            self._blocks(handle).delete()
            self._insert(blocks, progress)
        return {
            "token": secrets.token_hex(8),
            "dimension": int(vectors.item_vectors.shape[1]),
            "rows": len(vectors.items),
            "buckets": buckets,
            "nearest": {"index": "exact", "recall": 1.0},
            "neighbours": {"index": "exact", "recall": 1.0},
        }

    def upsert(self, handle: Handle, items: IdMap, vectors: Floats, biases: Floats) -> None:
        """Add or replace items: blocks read later count. Raises StoreError."""
        check_items(items, vectors, biases)
        expected = _state(handle, "dimension")
        if vectors.shape[1] != expected:
            raise StoreError(
                f"Run {handle.run} has {expected} dimensions, the new vectors {vectors.shape[1]}."
            )
        folded = np.hstack([vectors, biases[:, None]]).astype(np.float32)
        with self._writing(f"Run {handle.run} could not take new items"):
            self._make_room(handle, set(shop_keys.to_json(items)))
            self._insert(list(self._item_blocks(handle, items, folded)), None)
        _spaces.expire(self._cache_key(handle))

    def drop(self, handle: Handle) -> None:
        """Delete the run's blocks, here and in this process's memory."""
        with self._writing(f"Run {handle.run} could not be dropped"):
            self._blocks(handle).delete()
        _spaces.forget(
            lambda key: isinstance(key, tuple) and key[:2] == (self.database, handle.run)
        )

    def forget(self, handle: Handle, shoppers: Sequence[uuid.UUID]) -> int:
        """See `Forgetting.forget`: the buckets they are in are written anew."""
        found = 0
        with self._writing(f"Run {handle.run} could not forget a shopper"):
            for shopper in shoppers:
                bucket = _bucket(shopper, _state(handle, "buckets"))
                blocks = self._blocks(handle).filter(space=bucket).select_for_update()
                found += sum(_removed(block, shopper) for block in blocks)
        return found

    # --- reading ------------------------------------------------------------------------------

    def history(self, handle: Handle | None, shopper: uuid.UUID, limit: int) -> History:
        """See `Store.history`; without a handle, events of site RECO_SITE and no vectors."""
        if handle is None:
            rows = list(_events(self.database, _site(), shopper, limit))
            return History(events=_past(rows, None), vector=None)
        space = self._space(handle)
        found = list(self._events_and_bucket(handle, shopper, limit))
        events = [row for row in found if row[1] is not None]
        bucket = next((row for row in found if row[1] is None), None)
        vector = None if bucket is None else _from_bucket(bucket[4], bucket[5], shopper)
        return History(events=_past(events, space), vector=vector)

    def nearest(
        self, handle: Handle, query: Floats, k: int, *, within: Within | None = None
    ) -> list[Scored]:
        """See `Store.nearest`. Raises StoreError for a query that does not fit the run."""
        fitting = check_query(query, _state(handle, "dimension"))
        if k <= 0:
            return []
        space = self._space(handle)
        return self._ranked(space, space.scores(fitting), k, within)

    def neighbours(
        self, handle: Handle, key: Key, k: int, *, within: Within | None = None
    ) -> list[Scored]:
        """See `Store.neighbours`. An item without a direction (a zero vector) is near nothing."""
        space = self._space(handle)
        row = space.rows.get(key)
        if k <= 0 or row is None:
            return []
        cosines = space.cosines(row)
        cosines[row] = np.nan
        return self._ranked(space, cosines, k, within)

    def item_vectors(self, handle: Handle) -> tuple[IdMap, Floats]:
        """See `Exporting.item_vectors`."""
        space = self._space(handle)
        return id_map(space.keys), space.embedding

    def vectors_of(self, handle: Handle, keys: Sequence[Key]) -> Mapping[Key, Floats]:
        """See `Lending.vectors_of`."""
        if not keys:
            return {}
        space = self._space(handle)
        rows = {key: row for key in keys if (row := space.rows.get(key)) is not None}
        return dict(zip(rows, space.embedding[list(rows.values())], strict=True))

    # --- asking -------------------------------------------------------------------------------

    def check(self) -> Sequence[str]:
        """Nothing stands in the way of ordinary tables."""
        return []

    # --- inside -------------------------------------------------------------------------------

    def _ranked(self, space: Space, scores: Floats, k: int, within: Within | None) -> list[Scored]:
        if within is not None:
            scores = self._masked(space, scores, within)
        return [Scored(key=space.keys[row], score=float(scores[row])) for row in best(scores, k)]

    def _masked(self, space: Space, scores: Floats, within: Within) -> Floats:
        with connections[self.database].cursor() as cursor:
            cursor.execute(within.sql, within.params)
            raw = [row[0] for row in cursor.fetchall()]
        to_key, rows = shop_keys.reader(self.database), space.rows
        inside = [row for value in raw if (row := rows.get(to_key(value))) is not None]
        masked = np.full_like(scores, np.nan)
        masked[inside] = scores[inside]
        return masked

    def _space(self, handle: Handle) -> Space:
        return _spaces.get(self._cache_key(handle), lambda old: self._load(handle, old))

    def _cache_key(self, handle: Handle) -> tuple[str, int, str]:
        return self.database, handle.run, str(_state(handle, "token"))

    def _load(self, handle: Handle, old: Space | None) -> Space:
        blocks = self._blocks(handle).filter(space="item")
        version = blocks.aggregate(version=Max("pk"))["version"]
        if version is None and _state(handle, "rows"):
            raise StoreError(f"Run {handle.run} is not in the store (any more).")
        if old is not None and old.version == (version or 0):
            return old
        width = _state(handle, "dimension") + 1
        return _unpacked(blocks.order_by("pk"), width, version or 0)

    def _blocks(self, handle: Handle) -> QuerySet[VectorBlock]:
        return VectorBlock.objects.using(self.database).filter(run_id=handle.run)

    def _events_and_bucket(
        self, handle: Handle, shopper: uuid.UUID, limit: int
    ) -> QuerySet[Any, tuple[Any, ...]]:
        """One statement: the shopper's events, and the block that may hold their vector."""
        newest = _events(self.database, handle.site, shopper, limit).values("pk")
        events = Interaction.objects.using(self.database).filter(pk__in=newest)
        bucket = self._blocks(handle).filter(space=_bucket(shopper, _state(handle, "buckets")))
        json, binary = VectorBlock._meta.get_field("keys"), VectorBlock._meta.get_field("vectors")
        return (
            events.order_by()
            .annotate(bucket_keys=_nothing(json), bucket_vectors=_nothing(binary))
            .values_list("product_id", "kind", "occurred_at", "pk", "bucket_keys", "bucket_vectors")
            .union(
                bucket.annotate(
                    no_product=_nothing(shop_keys.key_field()),
                    no_kind=_nothing(models.SmallIntegerField()),
                    no_moment=_nothing(models.DateTimeField()),
                    no_event=_nothing(models.BigIntegerField()),
                ).values_list("no_product", "no_kind", "no_moment", "no_event", "keys", "vectors"),
                all=True,
            )
        )

    def _item_blocks(self, handle: Handle, items: IdMap, folded: Floats) -> Iterator[VectorBlock]:
        keys = shop_keys.to_json(items)
        for start in range(0, len(keys), ITEM_ROWS):
            rows = slice(start, start + ITEM_ROWS)
            yield _packed(handle, "item", keys[rows], folded[rows])

    def _shopper_blocks(
        self, handle: Handle, vectors: Vectors, buckets: int
    ) -> Iterator[VectorBlock]:
        keys = shop_keys.to_json(vectors.shoppers)
        numbers = np.array([int(key, 16) % buckets for key in keys], dtype=np.int64)
        order = np.argsort(numbers, kind="stable")
        edges = np.searchsorted(numbers[order], np.arange(buckets + 1))
        for number in np.unique(numbers):
            rows = order[edges[number] : edges[number + 1]]
            members = [keys[row] for row in rows]
            yield _packed(handle, _name(int(number)), members, vectors.shopper_vectors[rows])

    def _make_room(self, handle: Handle, keys: set[Any]) -> None:
        """Take what is written anew out of the blocks it is in, lest they grow with every sync."""
        blocks = self._blocks(handle).filter(space="item")
        known = blocks.values_list("pk", "keys")
        worn = [pk for pk, held in known if not keys.isdisjoint(held)]
        for block in blocks.filter(pk__in=worn).select_for_update():
            _without(block, keys)

    def _insert(self, blocks: list[VectorBlock], progress: Progress | None) -> None:
        table = VectorBlock.objects.using(self.database)
        for start in range(0, len(blocks), BLOCKS_PER_INSERT):
            chunk = blocks[start : start + BLOCKS_PER_INSERT]
            table.bulk_create(chunk)
            if progress:
                progress("vectors", start + len(chunk), len(blocks))

    @contextmanager
    def _writing(self, failure: str) -> Iterator[None]:
        """A transaction whose database error becomes a StoreError."""
        try:
            with transaction.atomic(using=self.database):
                yield
        except DatabaseError as error:
            raise StoreError(f"{failure}: {error}") from error


def _state(handle: Handle, name: str) -> Any:
    try:
        return handle.state[name]
    except KeyError:
        raise StoreError(
            f"Run {handle.run} has no {name!r} in its state: it was not published by the numpy store."
        ) from None


def _events(database: str, site: int, shopper: uuid.UUID, limit: int) -> QuerySet[Interaction, Any]:
    rows = Interaction.objects.using(database).filter(
        site=site, shopper=shopper, product__isnull=False
    )
    newest = rows.order_by("-occurred_at", "-pk")[: max(0, limit)]
    return newest.values_list("product_id", "kind", "occurred_at", "pk")


def _past(rows: list[Any], space: Space | None) -> tuple[PastEvent, ...]:
    newest_first = sorted(rows, key=lambda row: (row[2], row[3]), reverse=True)
    return tuple(
        PastEvent(
            key=row[0],
            kind=EventKind(row[1]),
            occurred_at=clock.aware(row[2]) or row[2],
            vector=space.vector(row[0]) if space else None,
        )
        for row in newest_first
    )


def _packed(handle: Handle, space: str, keys: list[Any], vectors: Floats) -> VectorBlock:
    return VectorBlock(
        site=handle.site,
        run_id=handle.run,
        space=space,
        keys=keys,
        vectors=np.ascontiguousarray(vectors, dtype="<f4").tobytes(),
    )


def _unpacked(blocks: QuerySet[VectorBlock], width: int, version: int) -> Space:
    """All blocks as one space; a key that comes again replaces what came before."""
    raw: list[Any] = []
    parts: list[Floats] = []
    for keys, vectors in blocks.values_list("keys", "vectors"):
        raw.extend(keys)
        parts.append(np.frombuffer(vectors, dtype="<f4").reshape(-1, width))
    last = {key: row for row, key in enumerate(raw)}
    folded = np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.float32)
    if len(last) < len(raw):
        folded = folded[list(last.values())]
    found = np.ascontiguousarray(folded, dtype=np.float32)
    found.flags.writeable = False
    return Space(keys=shop_keys.from_json(last), folded=found, version=version)


def _from_bucket(keys: Any, vectors: Any, shopper: uuid.UUID) -> Floats | None:
    if shopper.hex not in keys:
        return None
    matrix = np.frombuffer(vectors, dtype="<f4").reshape(len(keys), -1)
    found: Floats = matrix[keys.index(shopper.hex)].astype(np.float32)
    return found


def _removed(block: VectorBlock, shopper: uuid.UUID) -> bool:
    """Take a shopper out of their bucket, if they are in it."""
    if shopper.hex not in block.keys:
        return False
    at = block.keys.index(shopper.hex)
    matrix = np.frombuffer(block.vectors, dtype="<f4").reshape(len(block.keys), -1)
    block.keys = [key for key in block.keys if key != shopper.hex]
    block.vectors = np.delete(matrix, at, axis=0).tobytes()
    block.save(update_fields=["keys", "vectors"])
    return True


def _without(block: VectorBlock, keys: set[Any]) -> None:
    """Take items out of a block; one that is left empty goes."""
    matrix = np.frombuffer(block.vectors, dtype="<f4").reshape(len(block.keys), -1)
    rows = [row for row, key in enumerate(block.keys) if key not in keys]
    block.keys, block.vectors = [block.keys[row] for row in rows], matrix[rows].tobytes()
    if rows:
        block.save(update_fields=["keys", "vectors"])
    else:
        block.delete()


def _bucket(shopper: uuid.UUID, buckets: int) -> str:
    return _name(shopper.int % buckets)


def _name(number: int) -> str:
    return f"shopper:{number:x}"


def _nothing(field: models.Field[Any, Any]) -> Cast:
    return Cast(Value(None), field)


def _site() -> int:
    value = conf.settings.SITE
    return value if isinstance(value, int) else 1
