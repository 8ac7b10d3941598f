"""What an index of a published run finds today, beside an exact scan, and a new one in its place."""

from __future__ import annotations

import logging
import random
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from reco_plugin import conf
from reco_plugin.stores.base import Handle
from reco_plugin.stores.pgvector import index, probe, queries, wire
from reco_plugin.stores.pgvector.index import Index
from reco_plugin.stores.pgvector.tables import Tables
from reco_plugin.types import Floats

logger = logging.getLogger(__name__)

SAMPLE = 25
"""Questions of each kind."""
SPACES: dict[str, tuple[str, str, int]] = {
    "nearest": ("folded", "ip", 1),
    "neighbours": ("embedding", "cosine", 0),
}
"""Column, distance, and how many dimensions more than the run has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """What is asked, and how far down the exact answer goes."""

    statement: Callable[[queries.Plan], queries.Statement]
    bar: float
    """The tenth of the exact answer, as something to be as small as possible."""
    depth: int


class Recheck:
    """One indexed space of a run."""

    def __init__(self, database: str, handle: Handle, space: str) -> None:
        self.database, self.handle, self.space = database, handle, space
        self.tables, self.state = Tables.of(handle.state), dict(handle.state[space])
        self.dimension = int(handle.state["dimension"])
        self.plan = queries.Plan.of(handle.state, space)
        self._sign = -1.0 if space == "nearest" else 1.0
        self._questions = list(self._asked())

    def recall(self, ef: int) -> float:
        """Mean share of the exact ten best that the index finds with this ef_search."""
        plan = replace(self.plan, ef_search=ef)
        shares = [self._share(question, plan) for question in self._questions]
        return float(np.mean(shares)) if shares else 1.0

    def verdict(self, rebuild: Callable[[Index], None]) -> dict[str, Any]:
        """See `Rechecking.recheck`. `rebuild` puts a new index in the place of the old."""
        least, ef = conf.settings.MIN_RECALL, self.plan.ef_search
        before = self.recall(ef)
        words = f"{self.space}: recall@10 {before:.3f}"
        told = {"recall": round(before, 4), "words": words}
        if before >= least:
            return told
        told["words"] = words = f"{words} is less than {least:g} (RECO_MIN_RECALL)"
        wider, recall = probe.enough_ef(self.recall, start=2 * ef, least=least)
        if wider is not None:
            return self._put_right(told, wider, recall, f"ef_search was raised to {wider}")
        rebuild(self.index)
        start = conf.settings.HNSW_EF_SEARCH
        wider, recall = probe.enough_ef(self.recall, start=start, least=least)
        if wider is not None:
            return self._put_right(told, wider, recall, "the index was built anew")
        words = (
            f"{told['words']}; neither more effort nor a new index helped: it is scanned exactly"
        )
        state = {"index": "exact", "recall": 1.0, "note": words}
        return {**told, "words": words, "state": state}

    def _put_right(self, told: dict[str, Any], ef: int, recall: float, how: str) -> dict[str, Any]:
        state = {**self.state, "ef_search": ef, "recall": round(recall, 4)}
        return {**told, "words": f"{told['words']}; {how}, now {recall:.3f}", "state": state}

    @property
    def index(self) -> Index:
        column, distance, more = SPACES[self.space]
        return Index(
            table=self.tables.items,
            column=column,
            kind=str(self.plan.kind),
            dimension=self.dimension + more,
            distance=distance,
        )

    # --- questions ---------------------------------------------------------------------------

    def _asked(self) -> Iterator[Question]:
        makers = self._shoppers() if self.space == "nearest" else self._items()
        for statement in makers:
            answer = self._answer(statement(queries.EXACT), queries.EXACT)
            if answer:
                yield Question(statement=statement, bar=max(answer), depth=len(answer))

    def _shoppers(self) -> Iterator[Callable[[queries.Plan], queries.Statement]]:
        """Trained shoppers, and shoppers who have seen one product, of the usual length."""
        trained = self._read(
            "SELECT vector_send(vector) FROM {} WHERE key >= %s ORDER BY key LIMIT %s",
            self.tables.shoppers,
            [uuid.UUID(int=random.getrandbits(127)), SAMPLE],
        )
        seen = [wire.decode(raw) for (raw,) in self._sampled("vector_send(embedding)")]
        known = [wire.decode(raw) for (raw,) in trained]
        usual = float(np.mean([np.linalg.norm(one) for one in known])) if known else 1.0
        guests = [one * (usual / length) for one in seen if (length := np.linalg.norm(one)) > 0]
        for vector in [*known, *guests]:
            yield self._nearest(np.append(vector, np.float32(1)).astype(np.float32))

    def _nearest(self, folded: Floats) -> Callable[[queries.Plan], queries.Statement]:
        return lambda plan: queries.nearest(self.tables, folded, probe.DEPTH, plan=plan)

    def _items(self) -> Iterator[Callable[[queries.Plan], queries.Statement]]:
        for (key,) in self._sampled("key"):
            yield self._neighbours(key)

    def _neighbours(self, key: Any) -> Callable[[queries.Plan], queries.Statement]:
        return lambda plan: queries.neighbours(
            self.tables, key, probe.DEPTH, dimension=self.dimension, plan=plan
        )

    def _sampled(self, what: str) -> list[tuple[Any, ...]]:
        share = min(100.0, 400.0 * SAMPLE / max(1, self.handle.state["rows"]))
        statement = f"SELECT {what} FROM {{}} TABLESAMPLE BERNOULLI (%s) LIMIT %s"  # noqa: S608
        return self._read(statement, self.tables.items, [share, SAMPLE])

    def _read(self, statement: str, table: str, params: list[Any]) -> list[tuple[Any, ...]]:
        with connections[self.database].cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(table)), params)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    # --- answers -----------------------------------------------------------------------------

    def _share(self, question: Question, plan: queries.Plan) -> float:
        near = question.bar + 1e-5 * abs(question.bar)
        found = self._answer(question.statement(plan), plan)
        return sum(one <= near for one in found) / question.depth

    def _answer(self, statement: queries.Statement, plan: queries.Plan) -> list[float]:
        """Up to ten figures, the smaller the better; vectors without a direction have none."""
        rows = queries.fetch(self.database, statement, plan, self.handle.state["rows"])
        figures = [self._sign * float(score) for _, score in rows if score is not None]
        return [figure for figure in figures if not np.isnan(figure)]


def replace_index(cursor: CursorWrapper, built: Index, rows: int) -> str:
    """Build `built` anew beside the index of that name, which gets another; returns that name.

    Neither step keeps a reader waiting; new items wait until it is built.
    """
    old = f"{built.name}_{secrets.token_hex(3)}"
    rename = sql.SQL("ALTER INDEX IF EXISTS {} RENAME TO {}")
    cursor.execute(rename.format(sql.Identifier(built.name), sql.Identifier(old)))
    index.build(cursor, built, rows, conf.settings.INDEX_WORKERS)
    return old


def drop_index(cursor: CursorWrapper, name: str) -> None:
    """Readers of the table are waited for, within the lock_timeout in force."""
    cursor.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)))
