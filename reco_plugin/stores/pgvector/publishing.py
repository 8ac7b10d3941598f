"""One run into the database: tables, rows, indexes, and how much the indexes find."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.backends.utils import CursorWrapper

from reco_plugin import conf
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import Progress, Scored, Vectors
from reco_plugin.stores.pgvector import index, probe, queries, tables
from reco_plugin.stores.pgvector.index import Index
from reco_plugin.stores.pgvector.tables import KeyColumn, Tables
from reco_plugin.types import Floats

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Publication:
    """What the steps of one publish share."""

    cursor: CursorWrapper
    run: int
    vectors: Vectors
    tables: Tables
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.vectors.items)

    @property
    def dimension(self) -> int:
        return int(self.vectors.item_vectors.shape[1])

    def timed(self, step: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds[step] = round(time.perf_counter() - start, 3)


def publish(
    cursor: CursorWrapper, run: int, vectors: Vectors, key: KeyColumn, progress: Progress
) -> dict[str, Any]:
    """Create, fill, index and probe; returns the state. The caller holds the transaction."""
    own = Tables.fresh(run)
    work = Publication(cursor=cursor, run=run, vectors=vectors, tables=own, progress=progress)
    tables.create(cursor, own, key, work.dimension)
    work.timed("copy", lambda: tables.fill(cursor, own, key, vectors, progress))
    tables.sign(cursor, own, run, dt.datetime.now(dt.UTC))
    return {
        "items": own.items,
        "shoppers": own.shoppers,
        "dimension": work.dimension,
        "rows": work.rows,
        "nearest": _space(work, "nearest", 0),
        "neighbours": _space(work, "neighbours", 1),
        "seconds": work.seconds,
    }


def _space(work: Publication, space: str, number: int) -> dict[str, Any]:
    """Index one space where the run is large, and find the ef_search that is good enough."""
    exact = {"index": "exact", "recall": 1.0}
    if work.rows <= conf.settings.EXACT_ROWS:
        return exact
    column, values, distance = {
        "nearest": ("folded", work.vectors.folded(), "ip"),
        "neighbours": ("embedding", work.vectors.item_vectors, "cosine"),
    }[space]
    kind = index.held_as(values)
    if kind is None:
        return exact | {"note": f"{values.shape[1]} dimensions are more than an index holds"}
    built = Index(
        table=work.tables.items,
        column=column,
        kind=kind,
        dimension=values.shape[1],
        distance=distance,
    )
    work.progress("index", number, 2)
    workers = conf.settings.INDEX_WORKERS
    work.timed(f"index {space}", lambda: index.build(work.cursor, built, work.rows, workers))
    work.progress("index", number + 1, 2)
    ef, recall = work.timed(f"probe {space}", lambda: _probe(work, space, kind))
    if ef is not None:
        return {
            "index": "hnsw",
            "held_as": kind,
            "ef_search": ef,
            "recall": round(recall, 4),
        }
    index.discard(work.cursor, built)
    note = f"an index found only {recall:.3f} of the exact answer (RECO_MIN_RECALL)"
    logger.warning("Run %s is scanned exactly for %s: %s.", work.run, space, note)
    return exact | {"note": note}


def _probe(work: Publication, space: str, kind: str) -> tuple[int | None, float]:
    probes = _nearest_probes(work, kind) if space == "nearest" else _neighbour_probes(work, kind)

    def recall(ef: int) -> float:
        """The worse of the two kinds of query."""
        return min(one(ef) for one in probes)

    start, least = conf.settings.HNSW_EF_SEARCH, conf.settings.MIN_RECALL
    return probe.enough_ef(recall, start=start, least=least)


def _nearest_probes(work: Publication, kind: str) -> list[Callable[[int], float]]:
    """Trained shoppers, and shoppers who have seen one product (folded in, of the usual length)."""
    shoppers, items = work.vectors.shopper_vectors, work.vectors.item_vectors
    known = shoppers[probe.sample(len(shoppers))]
    seen = items[probe.sample(len(items))]
    usual = float(np.linalg.norm(shoppers, axis=1).mean()) if len(shoppers) else 1.0
    norms = np.linalg.norm(seen, axis=1, keepdims=True)
    guests = (seen * (usual / np.where(norms > 0, norms, 1))).astype(np.float32)
    return [_nearest_recall(work, kind, queries) for queries in (known, guests) if len(queries)]


def _nearest_recall(work: Publication, kind: str, asked: Floats) -> Callable[[int], float]:
    folded = work.vectors.folded()
    ones = np.ones((len(asked), 1), dtype=np.float32)
    asked = np.hstack([asked, ones]).astype(np.float32)

    def exact(numbers: Sequence[int]) -> Floats:
        return asked[list(numbers)] @ folded.T

    def search(number: int, ef: int) -> list[Scored]:
        plan = queries.Plan(kind=kind, ef_search=ef)
        statement = queries.nearest(work.tables, asked[number], probe.DEPTH, plan=plan)
        return _answer(work, statement, plan)

    return lambda ef: probe.recall_at_10(work.vectors.items, exact, len(asked), search, ef)


def _neighbour_probes(work: Publication, kind: str) -> list[Callable[[int], float]]:
    items, vectors = work.vectors.items, work.vectors.item_vectors
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    chosen = [row for row in probe.sample(len(items)) if norms[row, 0] > 0]

    def exact(numbers: Sequence[int]) -> Floats:
        rows = [chosen[number] for number in numbers]
        cosines = units[rows] @ units.T
        cosines[:, norms[:, 0] == 0] = -np.inf
        cosines[np.arange(len(rows)), rows] = -np.inf
        return cosines

    def search(number: int, ef: int) -> list[Scored]:
        plan = queries.Plan(kind=kind, ef_search=ef)
        key = shop_keys.to_database(work.cursor.db.alias, items.key(chosen[number]))
        statement = queries.neighbours(
            work.tables, key, probe.DEPTH, dimension=work.dimension, plan=plan
        )
        return _answer(work, statement, plan)

    return [lambda ef: probe.recall_at_10(items, exact, len(chosen), search, ef)]


def _answer(work: Publication, statement: queries.Statement, plan: queries.Plan) -> list[Scored]:
    database = work.cursor.db.alias
    to_key = shop_keys.reader(database)
    rows = queries.fetch(database, statement, plan, work.rows)
    return [Scored(key=to_key(key), score=score) for key, score in rows]
