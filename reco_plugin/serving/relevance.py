"""Relevance as an expression in the shop's own query, worked out when its rows are first asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from django.db import Error
from django.db.models import Expression, F, FloatField, Model, QuerySet
from django.db.models.query import ModelIterable

from reco_plugin.bounded import savepoint
from reco_plugin.outages import in_words
from reco_plugin.stores.base import Scoring

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

NOTHING = Scoring(sql="CAST(NULL AS double precision)")
"""Every product is worth the same: what comes next in the ordering decides."""


class Ranking:
    """How the products of one request are scored. Copies of a queryset share it."""

    def __init__(self, work_out: Callable[[str], Scoring]) -> None:
        self._work_out: Callable[[str], Scoring] | None = work_out
        self._scoring = NOTHING

    def scoring(self, using: str) -> Scoring:
        """Asked for once; it may read."""
        if self._work_out is not None:
            work_out, self._work_out = self._work_out, None
            self._scoring = work_out(using)
        return self._scoring

    def give_up(self) -> None:
        """From now on nothing is scored."""
        self._work_out, self._scoring = None, NOTHING

    def __deepcopy__(self, memo: Any) -> Ranking:
        return self

    def __getstate__(self) -> dict[str, Any]:
        """A queryset that is pickled takes what was worked out with it, and no request."""
        return {"_work_out": None, "_scoring": self._scoring}


class Relevance(Expression):
    """The score of the row's product, NULL for one of which nothing is known."""

    output_field = FloatField(null=True)

    def __init__(self, ranking: Ranking, key: Any = None) -> None:
        super().__init__(output_field=FloatField(null=True))
        self.ranking = ranking
        self.key: Any = F("pk") if key is None else key

    def get_source_expressions(self) -> list[Any]:
        return [self.key]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        (self.key,) = exprs

    def get_group_by_cols(self) -> list[Any]:
        """The key says it all: groups stay what they are."""
        found: list[Any] = self.key.get_group_by_cols()
        return found

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, _ = compiler.compile(self.key)
        scoring = self.ranking.scoring(connection.alias)
        return scoring.sql.replace("{key}", column), scoring.params


def rankings(queryset: QuerySet[Any]) -> Iterator[Ranking]:
    """What `queryset` is ordered by, of ours."""
    for by in queryset.query.order_by:
        relevance = getattr(by, "expression", by)
        if isinstance(relevance, Relevance):
            yield relevance.ranking


class Guarded(ModelIterable):  # type: ignore[type-arg]
    """Reads the products without our ordering where the database refuses them with it."""

    def __iter__(self) -> Iterator[Any]:
        try:
            rows = super().__iter__()
            with savepoint(self.queryset.db):
                first = next(rows, self)
        except Error as error:
            if not _given_up(self.queryset, error):
                raise
            yield from super().__iter__()
            return
        if first is not self:
            yield first
            yield from rows


def guarded(queryset: QuerySet[M]) -> QuerySet[M]:
    """`queryset`, which does not fail for being ordered."""
    kept = queryset.all()
    if kept._iterable_class is ModelIterable:
        kept._iterable_class = Guarded
    return kept


def _given_up(queryset: QuerySet[Any], error: Error) -> bool:
    """A run may be gone since it was looked up; is there something of ours to do without?"""
    found = [each for each in rankings(queryset) if each.scoring(queryset.db) is not NOTHING]
    for ranking in found:
        ranking.give_up()
    if found:
        logger.warning("Products could not be ordered by relevance: %s", in_words(error))
    return bool(found)
