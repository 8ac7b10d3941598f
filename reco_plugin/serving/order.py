"""A queryset of the shop's own, in the order this shopper would want it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import Error
from django.db.models import Model, OrderBy, QuerySet
from django.http import HttpRequest

from reco_plugin import backends, clock, conf, outages
from reco_plugin.bounded import savepoint
from reco_plugin.breaker import State, breaker
from reco_plugin.exceptions import StoreError
from reco_plugin.outages import in_words
from reco_plugin.pipeline import LiveRun
from reco_plugin.retrieval import Ranked
from reco_plugin.retrieval.base import chain
from reco_plugin.serving.asking import circumstances
from reco_plugin.serving.past import Past
from reco_plugin.serving.reads import Allowance, Unavailable, bounded
from reco_plugin.serving.relevance import NOTHING, Ranking, Relevance, guarded
from reco_plugin.serving.shared import Shared, shared_of
from reco_plugin.stores import keys as shop_keys
from reco_plugin.stores.base import History, Ordering, Scoring, Store, Within
from reco_plugin.types import Floats, Key, Shopper

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

DEPTH = 300
"""Products that are ranked by name, where the database cannot rank them all."""
FURTHER = 3
"""How many times RECO_HISTORY is looked back for what was known at an earlier moment."""


def order_by_relevance(
    queryset: QuerySet[M],
    request: HttpRequest | None,
    *,
    category: Any = "",
    as_of: Any = None,
    shopper: Shopper | None = None,
    site: int | None = None,
) -> QuerySet[M]:
    """The same rows, those that suit this shopper best first; the queryset's own order decides ties.

    For a category page with filters and pages of its own: filter first, slice afterwards. Nothing is
    read before rows are asked for (`count()` reads nothing), and then in one statement more. A shopper
    of whom nothing is known gets what is popular, in `category` first (a path 'Women > Shoes' or the
    shop's own category). `as_of` (a time, or seconds since 1970, as in a link) leaves out what the
    shopper did later: carried from page to page it keeps the order as it was on the first.

    A queryset that cannot be ordered so (sliced, a union, `distinct("brand")`, grouped values, another
    model) is given back as it came. Never raises; RECO_DEBUG_RAISE lets errors through.
    """
    try:
        if not conf.settings.ENABLED or not _can_be_ordered(queryset):
            return queryset
        asked = _Asked(
            queryset=queryset,
            request=request,
            shopper=shopper,
            category=category,
            as_of=_moment(as_of),
            site=site,
        )
        return guarded(_ordered(queryset, Ranking(asked.scoring)))
    except Exception:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("order_by_relevance() failed; the order stays what it was.")
        return queryset


def _can_be_ordered(queryset: QuerySet[Any]) -> bool:
    query = queryset.query
    return (
        issubclass(queryset.model, backends.catalog().model)
        and not (query.is_sliced or query.combinator or query.is_empty())
        and not (query.distinct_fields or query.extra_order_by)
        and not (query.values_select or isinstance(query.group_by, tuple))
    )


def _ordered(queryset: QuerySet[Any], ranking: Ranking) -> QuerySet[Any]:
    """Relevance first, then the own order, then the key: no two rows are equal, so that pages are stable."""
    query = queryset.query
    default = query.get_meta().ordering or () if query.default_ordering else ()
    own = query.order_by or default
    if query.standard_ordering:
        first, last = OrderBy(Relevance(ranking), descending=True, nulls_last=True), "pk"
    else:  # `reverse()` turns it all round
        first, last = OrderBy(Relevance(ranking), nulls_first=True), "-pk"
    return queryset.order_by(first, *own, last)


def _moment(value: Any) -> dt.datetime | None:
    """Whatever a link holds may be nonsense: then it says nothing."""
    if isinstance(value, dt.date):
        return clock.aware(value)
    try:
        return dt.datetime.fromtimestamp(float(value), dt.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """One question: whose order, of what."""

    queryset: QuerySet[Any]
    request: HttpRequest | None
    shopper: Shopper | None
    category: Any
    as_of: dt.datetime | None
    site: int | None

    def scoring(self, using: str) -> Scoring:
        """Of the products in the database `using`. Never raises: what cannot be worked out orders nothing."""
        reads = breaker("reads", conf.settings.DATABASE)
        if not reads.allows():
            return NOTHING
        try:
            found = self._read(using)
        except (Error, StoreError, Unavailable) as error:
            (reads.failed if _is_outage(error) else reads.undecided)()
            logger.warning("Products are not ordered by relevance: %s", in_words(error))
        except Exception:
            reads.undecided()
            if conf.settings.DEBUG_RAISE:
                raise
            logger.exception("Products are not ordered by relevance.")
        else:
            reads.succeeded()
            return found or NOTHING
        return NOTHING

    def _read(self, using: str) -> Scoring | None:
        """The shop's own code (user, site, category) runs outside our bounded reads, which are undone."""
        with savepoint(conf.settings.DATABASE):
            found = circumstances(
                request=self.request, shopper=self.shopper, category=self.category, cart=()
            )
        found = found if self.site is None else replace(found, site=self.site)
        page = shared_of(found)
        with bounded(found.using, Allowance(conf.settings.STATEMENT_TIMEOUT_MS)):
            return self._personal(page, using) or _popular(page, found.category, using)

    def _personal(self, page: Shared, using: str) -> Scoring | None:
        """What the shopper did is read once for the whole page."""
        reader = page.reader()
        if breaker("vectors", page.using).state is State.OPEN or not page.is_known:
            return None
        vector = page.vector() if self.as_of is None else self._vector_then(page)
        if vector is None or reader.personal is None or reader.store is None:
            return None
        if isinstance(reader.store, Ordering) and using == page.using:
            return reader.store.ordering(reader.personal.handle, vector)
        return self._nearest(reader.store, reader.personal, vector, using)

    def _vector_then(self, page: Shared) -> Floats | None:
        """As it was at `as_of`, from as many events as were known then."""
        past, run = page.read_taste(), page.personal
        if past is None or run is None or self.as_of is None or page.shopper is None:
            return None
        limit = conf.settings.HISTORY
        then = _until(self.as_of, past.history)
        if then is not past.history and not past.whole:
            further = page.reader().history(page.shopper.id, FURTHER * limit)
            then = _until(self.as_of, further)
        then = replace(then, events=then.events[:limit])
        return Past(history=then, whole=past.whole).vector(run, self.as_of)

    def _nearest(self, store: Store, run: LiveRun, vector: Floats, using: str) -> Scoring | None:
        """Of a store that is no part of the shop's query: the best of the queryset, by name."""
        query = self.queryset.order_by().values("pk").query
        try:
            sql, params = query.get_compiler(using=conf.settings.DATABASE).as_sql()
        except EmptyResultSet:
            return None
        within = Within(sql=sql, params=tuple(params))
        found = store.nearest(run.handle, vector, DEPTH, within=within)
        return _by_name([scored.key for scored in found], using)


def _until(moment: dt.datetime, history: History) -> History:
    """`history` itself where it holds nothing newer."""
    events = tuple(event for event in history.events if event.occurred_at <= moment)
    return history if len(events) == len(history.events) else replace(history, events=events)


def _popular(page: Shared, category: str, using: str) -> Scoring | None:
    """The narrowest category first, then its ancestors, then the whole shop."""
    asked = [Ranked(segment=path) for path in (*chain(category), "")]
    answers = page.reader().answer(asked)
    keys = (scored.key for lookup in asked for scored in answers.get(lookup, ()))
    return _by_name(list(dict.fromkeys(keys))[:DEPTH], using)


def _by_name(keys: Sequence[Key], using: str) -> Scoring | None:
    values = [shop_keys.to_database(using, key) for key in keys]
    known = [value for value in values if value is not None]
    if not known:
        return None
    cases = "".join(f" WHEN %s THEN {len(known) - place}" for place in range(len(known)))
    return Scoring(sql=f"CASE {{key}}{cases} END", params=tuple(known))


def _is_outage(error: Exception) -> bool:
    return error.is_outage if isinstance(error, Unavailable) else outages.is_outage(error)
