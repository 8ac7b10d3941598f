"""`recommend()`: one question in, one slate out. It never raises."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from reco_plugin import capture, conf, measurement, outages
from reco_plugin.bounded import savepoint
from reco_plugin.breaker import Breaker, breaker
from reco_plugin.serving import served
from reco_plugin.serving.asking import Ask, settle
from reco_plugin.serving.filling import Filling
from reco_plugin.serving.ladder import climb
from reco_plugin.types import Rung, Shopper, Slate

logger = logging.getLogger(__name__)


def recommend(
    kind: str = "personal",
    *,
    request: HttpRequest | None = None,
    shopper: Shopper | None = None,
    product: Any = None,
    category: Any = "",
    limit: int | str | None = None,
    exclude: Iterable[Any] = (),
    placement: str = "",
    record: bool = True,
) -> Slate:
    """An ordered list of live, eligible products, and where each came from.

    `kind` is 'personal', 'similar' (to `product`) or 'popular' (in `category`, or in the shop).
    `product` and `exclude` take instances or primary keys, `category` a path 'Women > Shoes' or the
    shop's own category; it names whose popular products fill up, and narrows nothing else.
    `limit` is at most 100; the default is RECO_LIMIT. `placement` names the spot on the page.
    With a `request` of a person, the impressions are written after the response, unless `record`
    is False.

    Never raises and never breaks the caller's transaction: whatever goes wrong is logged, and said
    in `Slate.notes`. RECO_DEBUG_RAISE lets errors through, for development.
    """
    began = time.perf_counter()
    try:
        if off := _switched_off(placement or kind):
            return _empty(kind, placement, off)
        reads = breaker("reads", conf.settings.DATABASE)
        if reads.allows():
            settled = partial(
                settle,
                kind,
                request=request,
                shopper=shopper,
                product=product,
                category=category,
                limit=limit,
                exclude=exclude,
                placement=placement,
            )
            slate = _slate(settled, reads)
        else:
            slate = _empty(kind, placement, f"database: given up for {reads.seconds_left:.0f} s")
        if record and request is not None:
            _record(slate, request)
    except Exception as error:
        if conf.settings.DEBUG_RAISE:
            raise
        _log(kind, placement, error)
        slate = _empty(kind, placement, f"error: {type(error).__name__}")
    served.tell(slate, time.perf_counter() - began, request)
    return slate


arecommend = sync_to_async(recommend, thread_sensitive=True)
"""`recommend` for async views: `await arecommend("personal", request=request)`."""


def _switched_off(placement: str) -> str:
    """The setting that switches this spot off, or ''."""
    if not conf.settings.ENABLED:
        return "RECO_ENABLED is off"
    return "RECO_DISABLED_PLACEMENTS" if placement in conf.settings.DISABLED_PLACEMENTS else ""


def _slate(settled: partial[Ask], reads: Breaker) -> Slate:
    """The answer; `reads` learns whether the database gave it."""
    filling: Filling | None = None
    try:
        with savepoint(conf.settings.DATABASE):  # the shop's own user, exclude, … may read
            ask = settled()
        filling = climb(ask)
    finally:
        _judge(reads, filling)
    best = filling.items[0] if filling.items else None
    return Slate(
        id=uuid.uuid4(),
        placement=ask.placement,
        kind=ask.kind,
        items=tuple(filling.items),
        rung=best.rung if best else Rung.NOTHING,
        run=best.run if best else None,
        site=ask.site,
        shopper=ask.shopper.id if ask.shopper else None,
        notes=tuple(filling.notes),
        timings={str(rung): 1_000 * spent for rung, spent in filling.timings.items()},
    )


def _judge(reads: Breaker, filling: Filling | None) -> None:
    """A slate that a lower rung filled was answered; a bug in a shop's hook says nothing."""
    if filling is None or not (filling.is_out or filling.was_answered):
        reads.undecided()
    elif filling.is_out and not filling.items:
        reads.failed()
    else:
        reads.succeeded()


def _record(slate: Slate, request: HttpRequest) -> None:
    if slate and conf.settings.RECORD_IMPRESSIONS and capture.is_recordable(request):
        work = partial(_write_once, slate, itertools.count())
        write = partial(capture.attempt, work, site=slate.site, size=len(slate), name="impressions")
        capture.after_response(request, write)


def _write_once(slate: Slate, tries: Iterator[int]) -> None:
    """A connection that was lost may hide that the try before succeeded."""
    if next(tries) == 0 or not measurement.was_recorded(slate):
        measurement.record_impressions(slate)


def _log(kind: str, placement: str, error: Exception) -> None:
    """With the way it came, unless the database said it: that may quote a row."""
    words = outages.in_words(error)
    logger.error(
        "recommend(%r) failed: %s",
        kind,
        words,
        exc_info=None if outages.is_of_database(error) else error,
        extra={"reco": {"kind": str(kind), "placement": placement, "error": words}},
    )


def _empty(kind: str, placement: str, note: str) -> Slate:
    return Slate(
        id=uuid.uuid4(),
        placement=placement or kind,
        kind=kind,
        items=(),
        rung=Rung.NOTHING,
        notes=(note,),
    )
