"""`recommend()`: one question in, one slate out. It never raises."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from reco_plugin import conf, outages
from reco_plugin.bounded import savepoint
from reco_plugin.breaker import Breaker, breaker
from reco_plugin.serving import served
from reco_plugin.serving.answers import answer, empty
from reco_plugin.serving.asking import Ask, Unusable, circumstances, settle
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.ladder import climb
from reco_plugin.serving.recording import record as record_shown
from reco_plugin.serving.shared import shared_of
from reco_plugin.types import Shopper, Slate

logger = logging.getLogger(__name__)


def recommend(
    kind: str = "personal",
    *,
    request: HttpRequest | None = None,
    shopper: Shopper | None = None,
    product: Any = None,
    category: Any = "",
    cart: Iterable[Any] | None = None,
    limit: int | str | None = None,
    exclude: Iterable[Any] = (),
    placement: str = "",
    query: str = "",
    record: bool = True,
) -> Slate:
    """An ordered list of live, eligible products, and where each came from.

    `kind` is a kind of recommendation ('personal', 'similar', 'bought_together' …: the names in
    `retrieval.KINDS`), or the name of a placement, which knows its kinds, its rules and its size.
    `product` is the page's own, `cart` what is in the cart (RECO_CART is asked where it is not given);
    these and `exclude` take instances or primary keys. `category` is a path 'Women > Shoes' or the
    shop's own category, `query` what was searched for. `limit` is at most 100; the default is the
    placement's, or RECO_LIMIT. `placement` names the spot on the page where that is not `kind` itself.

    Slates of one `request` share what they read, and no product is in two of them; see `plan` for a
    whole page. With a `request` of a person, the impressions are written after the response, unless
    `record` is False.

    Never raises and never breaks the caller's transaction: whatever goes wrong is logged, and said
    in `Slate.notes`. RECO_DEBUG_RAISE lets errors through, for development.
    """
    began = time.perf_counter()
    asked = partial(
        circumstances,
        request=request,
        shopper=shopper,
        product=product,
        category=category,
        cart=cart,
        exclude=exclude,
        query=query,
    )

    def settled() -> Ask:
        return settle(kind, asked(), limit=limit, placement=placement)

    slate = guarded(kind, placement, lambda: _slate(kind, placement, settled))
    if record:
        record_shown([slate], request)
    served.tell(slate, time.perf_counter() - began, request)
    return slate


arecommend = sync_to_async(recommend, thread_sensitive=True)
"""`recommend` for async views: `await arecommend("personal", request=request)`."""


def guarded(name: str, placement: str, work: Callable[[], Slate]) -> Slate:
    """What `work` gives; where it raises, that is logged and an empty slate says so."""
    try:
        return work()
    except Exception as error:
        if conf.settings.DEBUG_RAISE:
            raise
        log(name, placement, error)
        return empty(name, placement, f"error: {type(error).__name__}")


def switched_off(*names: str) -> str:
    """The setting that switches this spot off, or ''."""
    if not conf.settings.ENABLED:
        return "RECO_ENABLED is off"
    off = conf.settings.DISABLED_PLACEMENTS
    return "RECO_DISABLED_PLACEMENTS" if any(name in off for name in names if name) else ""


def _slate(kind: str, placement: str, settled: Callable[[], Ask]) -> Slate:
    """The answer; the breaker of reads learns whether the database gave it."""
    if off := switched_off(placement or kind):
        return empty(kind, placement, off)
    reads = breaker("reads", conf.settings.DATABASE)
    if not reads.allows():
        return empty(kind, placement, f"database: given up for {reads.seconds_left:.0f} s")
    filling: Filling | None = None
    try:
        with savepoint(conf.settings.DATABASE):  # the shop's own user, exclude, … may read
            ask = settled()
        if not ask.spec.is_active:
            return empty(kind, placement, "a draft")
        shared = shared_of(ask.of)
        filling = climb(ask, shared)
    except Unusable as error:
        return empty(kind, placement, str(error))
    finally:
        judge(reads, filling)
    return answer(ask, filling, shared)


def judge(reads: Breaker, *fillings: Filling | None) -> None:
    """A slate that a lower source filled was answered; a bug in a shop's hook says nothing."""
    found = [each for each in fillings if each is not None]
    if not any(each.is_out or each.was_answered for each in found):
        reads.undecided()
    elif any(each.is_out for each in found) and not any(each.items for each in found):
        reads.failed()
    else:
        reads.succeeded()


def log(kind: str, placement: str, error: Exception) -> None:
    """With the way it came, unless the database said it: that may quote a row."""
    words = outages.in_words(error)
    logger.error(
        "recommend(%r) failed: %s",
        kind,
        words,
        exc_info=None if outages.is_of_database(error) else error,
        extra={"reco": {"kind": str(kind), "placement": placement, "error": words}},
    )
