"""The lists of similar products: which items a run has, what is near each, and the rows that say so."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from django.db import connections, transaction
from psycopg import sql
from scipy import sparse

from reco_plugin import backends, conf
from reco_plugin.jobs.publish import handle
from reco_plugin.models import Neighbours, Run
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import Exporting
from reco_plugin.trainers.topn import top_n
from reco_plugin.types import Floats, IdMap, Ints, Key, id_map

DIGITS = 5
"""Decimals kept of a cosine."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """Items of a run that have a direction, in the order of their keys: the same in every worker."""

    items: IdMap
    units: Floats
    """(n, d), each of length 1."""

    @classmethod
    def of(cls, run: Run) -> Self | None:
        """Read from the store, wherever this process runs; None when the store hands nothing out.

        Raises StoreError.
        """
        store = backends.store(run.store)
        if not isinstance(store, Exporting):
            return None
        items, vectors = store.item_vectors(handle(run))
        norms = np.linalg.norm(vectors, axis=1)
        rows = np.argsort(_comparable(items.keys), kind="stable")
        rows = rows[norms[rows] > 0]
        units = (vectors[rows] / norms[rows, None]).astype(np.float32)
        return cls(items=IdMap(keys=items.keys[rows]), units=units)

    def __len__(self) -> int:
        return len(self.units)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when any item or vector does."""
        digest = hashlib.blake2b(self.items.keys.tobytes(), digest_size=16)
        digest.update(np.ascontiguousarray(self.units).data)
        return digest.hexdigest()

    @cached_property
    def json_keys(self) -> list[str]:
        """Every key as JSON text, made once for all lists."""
        return [json.dumps(key) for key in shop_keys.to_json(self.items)]

    def ranges(self, size: int) -> Iterator[dict[str, Any]]:
        """`after` < key <= `upto` of about `size` items each, None where there is no end to it."""
        edges = [str(self.items.key(row)) for row in range(size - 1, len(self) - 1, size)]
        for after, upto in pairwise([None, *edges, None]):
            rows = self.between(after, upto)
            yield {"after": after, "upto": upto, "rows": rows.stop - rows.start}

    def between(self, after: str | None, upto: str | None) -> slice:
        """The rows of such a range."""
        return slice(
            0 if after is None else self._row_after(after),
            len(self) if upto is None else self._row_after(upto),
        )

    def nearest(self, rows: slice, depth: int) -> tuple[Ints, Floats]:
        """Rows (m, depth) and cosines of the items nearest to each of `rows`, itself left out.

        Exact; -1 and -inf where there are not as many.
        """
        chosen = np.arange(rows.start, rows.stop)
        itself = sparse.csr_matrix(
            (np.ones(len(chosen), np.float32), chosen, np.arange(len(chosen) + 1)),
            shape=(len(chosen), len(self)),
        )
        biases = np.zeros(len(self), dtype=np.float32)
        return top_n(self.units[rows], self.units, biases, depth, exclude=itself)

    def _row_after(self, key: str) -> int:
        """How many items have at most this key."""
        wanted = id_map([self._parsed(key)]).keys
        keys = _comparable(self.items.keys)
        return int(np.searchsorted(keys, _comparable(wanted), side="right")[0])

    def _parsed(self, key: str) -> Key:
        kind = self.items.keys.dtype.kind
        return uuid.UUID(key) if kind == "V" else int(key) if kind == "i" else key


def _comparable(keys: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """NumPy orders integers and texts; raw bytes only when they are called a text."""
    return keys.view("S16") if keys.dtype.kind == "V" else keys


# --- rows ----------------------------------------------------------------------------------------


def write(run: Run, space: Directions, rows: slice, near: Ints, cosines: Floats) -> None:
    """Put down the lists of `rows`, or put them in the place of what was there."""
    using = conf.settings.DATABASE
    keys: list[Any] = IdMap(keys=space.items.keys[rows]).to_python()
    texts = _texts(space, near, cosines)
    before = Neighbours.objects.using(using).filter(run=run, product_id__in=keys)
    with transaction.atomic(using=using):
        before.delete()
        if connections[using].vendor == "postgresql":
            _copy(run, keys, texts)
        else:
            _insert(run, keys, texts)


def _texts(space: Directions, near: Ints, cosines: Floats) -> Iterator[tuple[str, str]]:
    """Keys and scores of each list, as JSON."""
    names = space.json_keys
    rounded = np.round(cosines.astype(np.float64), DIGITS)
    lengths = (near >= 0).sum(axis=1)
    for row, scores, length in zip(near.tolist(), rounded.tolist(), lengths.tolist(), strict=True):
        keys = ",".join([names[at] for at in row[:length]])
        yield f"[{keys}]", json.dumps(scores[:length])


def _copy(run: Run, keys: list[Any], texts: Iterator[tuple[str, str]]) -> None:
    statement = sql.SQL("COPY {} (site, run_id, product_id, keys, scores) FROM STDIN").format(
        sql.Identifier(Neighbours._meta.db_table)
    )
    with (
        connections[conf.settings.DATABASE].cursor() as cursor,
        cursor.copy(statement) as stream,
    ):
        for key, (names, scores) in zip(keys, texts, strict=True):
            stream.write_row((run.site, run.pk, key, names, scores))


def _insert(run: Run, keys: list[Any], texts: Iterator[tuple[str, str]]) -> None:
    made = (
        Neighbours(
            site=run.site,
            run=run,
            product_id=key,
            keys=json.loads(names),
            scores=json.loads(scores),
        )
        for key, (names, scores) in zip(keys, texts, strict=True)
    )
    Neighbours.objects.using(conf.settings.DATABASE).bulk_create(made, batch_size=1_000)
