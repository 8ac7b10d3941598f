"""`recommend_facets()`: brands or categories for a shopper, none of them empty. It never raises."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error
from django.http import HttpRequest

from reco_plugin import backends, conf, outages
from reco_plugin.bounded import savepoint
from reco_plugin.breaker import Breaker, breaker
from reco_plugin.exceptions import StoreError
from reco_plugin.models import Item
from reco_plugin.pipeline import Reader
from reco_plugin.retrieval import Ranked
from reco_plugin.retrieval.base import segment_of
from reco_plugin.retrieval.facets import FACETS, RUNS, Facet, offered
from reco_plugin.serving.asking import Circumstances, circumstances
from reco_plugin.serving.eligibility import knows_sensitive
from reco_plugin.serving.reads import Allowance, Unavailable, bounded
from reco_plugin.serving.reasons import is_sensitive
from reco_plugin.serving.shared import Shared, shared_of
from reco_plugin.stores.base import Scored
from reco_plugin.types import Key, Shopper

logger = logging.getLogger(__name__)

MOST = 50
OVERFETCH = 3
"""Names looked into for each one wanted: some have nothing that may be shown."""
EACH = 30
"""Products of a name that are looked at, the most wanted first."""


def recommend_facets(
    facet: str,
    *,
    request: HttpRequest | None = None,
    shopper: Shopper | None = None,
    limit: int | None = None,
) -> list[Facet]:
    """Up to `limit` brands ('brand') or categories ('category') that suit, best first.

    What the shopper said they like comes first, then what they bought and looked at, then what is
    wanted most now. Each has a reason (see `reasons.of_facet`), and in `products` the keys of some
    of its products, all of which may be shown right now. Raises ValueError for another facet
    or a negative limit while RECO_DEBUG_RAISE is on, and nothing otherwise.
    """
    return plan_facets({facet: limit}, request=request, shopper=shopper).get(facet, [])


def plan_facets(
    limits: Mapping[str, int | None],
    *,
    request: HttpRequest | None = None,
    shopper: Shopper | None = None,
) -> dict[str, list[Facet]]:
    """`recommend_facets` for several facets of a page at once: up to so many of each, read together."""
    try:
        wanted = {facet: _count(facet, limit) for facet, limit in limits.items()}
        reads = breaker("reads", conf.settings.DATABASE)
        if not conf.settings.ENABLED or not any(wanted.values()) or not reads.allows():
            return {facet: [] for facet in limits}
        with savepoint(conf.settings.DATABASE):  # the shop's own user, site … may read
            found = circumstances(request=request, shopper=shopper, cart=())
        return _judged(wanted, found, reads)
    except Exception as error:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.error(
            "recommend_facets(%s) failed: %s",
            ", ".join(map(repr, limits)),
            outages.in_words(error),
            exc_info=None if outages.is_of_database(error) else error,
        )
        return {facet: [] for facet in limits}


arecommend_facets = sync_to_async(recommend_facets, thread_sensitive=True)
"""`recommend_facets` for async views."""


def _count(facet: str, limit: int | None) -> int:
    if facet not in FACETS:
        raise ValueError(f"{facet!r} is no facet; choose from {', '.join(FACETS)}.")
    wanted = conf.settings.LIMIT if limit is None else int(limit)
    if wanted < 0:
        raise ValueError(f"A limit is 0 or more, not {wanted}.")
    return min(MOST, wanted)


def _judged(
    wanted: Mapping[str, int], found: Circumstances, reads: Breaker
) -> dict[str, list[Facet]]:
    """The answer; `reads` learns whether the database gave it."""
    allowance = Allowance(conf.settings.STATEMENT_TIMEOUT_MS)
    try:
        answer = _facets(wanted, found, allowance)
    except (Error, StoreError, Unavailable) as error:
        if outages.is_outage(error) or getattr(error, "is_outage", False):
            reads.failed()
        else:
            reads.undecided()
        raise
    except BaseException:
        reads.undecided()
        raise
    reads.succeeded() if allowance.answered else reads.undecided()
    return answer


def _facets(
    wanted: Mapping[str, int], found: Circumstances, allowance: Allowance
) -> dict[str, list[Facet]]:
    allowed, page = _allowed(found), shared_of(found)
    with bounded(found.using, allowance):
        several = _with_products(_offered(wanted, page), page)
        keys = {key for one in several for key in one.products}
        live = set(allowed.filter(pk__in=keys).values_list("pk", flat=True)) if keys else set()
    shown = [one for one in (_showable(one, live) for one in several) if one.products]
    return {
        facet: [one for one in shown if one.facet == facet][:count]
        for facet, count in wanted.items()
    }


def _allowed(found: Circumstances) -> Any:
    """Every product this request may be shown; the shop's own code runs outside our bounded reads."""
    products = found.catalog.products().using(found.using).prefetch_related(None)
    with savepoint(found.using):
        return found.catalog.eligible(products, found.request).order_by()


def _offered(wanted: Mapping[str, int], page: Shared) -> list[Facet]:
    """The first of each facet, as many as may be needed for some to have something to show."""
    past = page.read_past()
    events = past.history.events if past else ()
    keys = list(dict.fromkeys(event.key for event in events))
    private = _sensitive(keys, page.using)
    facts = {key: known for key, known in page.facts(keys).items() if key not in private}
    popular = _popular(wanted, page)
    found: list[Facet] = []
    for facet, count in wanted.items():
        several = offered(
            facet,
            interests=page.interests(),
            events=events,
            facts=facts,
            wanted=popular.get(facet, ()),
        )
        named = [one for one in several if facet != "category" or not is_sensitive(one.name)]
        found += named[: OVERFETCH * count]
    return found


def _popular(facets: Iterable[str], page: Shared) -> dict[str, Sequence[Scored]]:
    """The live lists of names, in one statement: their keys are no product's."""
    names = Reader(stores={}, runs=page.reader().runs, to_key=str, using=page.using, site=page.site)
    asked = {facet: Ranked(segment="", of=RUNS[facet]) for facet in facets}
    answers = names.answer([one for one in asked.values() if names.can(one)])
    return {facet: answers.get(one, ()) for facet, one in asked.items()}


def _with_products(facets: Sequence[Facet], page: Shared) -> list[Facet]:
    """Each with the most wanted of its products behind those that the shopper knows, in one statement."""
    of = {one: Ranked(segment=segment_of(one.facet, one.name)) for one in facets}
    answers = page.reader().answer(tuple(of.values()))
    found = []
    for one in facets:
        wanted = (scored.key for scored in answers.get(of[one], ()))
        keys = tuple(dict.fromkeys((*wanted, *one.products)))
        found.append(replace(one, products=keys[:EACH]))
    private = _sensitive({key for one in found for key in one.products}, page.using)
    return [
        replace(one, products=tuple(key for key in one.products if key not in private))
        for one in found
    ]


def _showable(one: Facet, live: Collection[Key]) -> Facet:
    return replace(one, products=tuple(key for key in one.products if key in live))


def _sensitive(keys: Collection[Key], using: str) -> frozenset[Key]:
    """Those of `keys` that would give a taste away; no statement where this shop has none."""
    if not keys or not knows_sensitive(backends.catalog()):
        return frozenset()
    marked = Item.objects.using(using).filter(pk__in=list(keys), sensitive=True)
    return frozenset(marked.values_list("pk", flat=True))
