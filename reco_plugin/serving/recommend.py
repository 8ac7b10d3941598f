"""`recommend()`: one question in, one slate out. It never raises."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from reco_plugin import capture, conf, measurement
from reco_plugin.serving.asking import Ask, settle
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
    try:
        if not conf.settings.ENABLED:
            return _empty(kind, placement, "RECO_ENABLED is off")
        ask = settle(
            kind,
            request=request,
            shopper=shopper,
            product=product,
            category=category,
            limit=limit,
            exclude=exclude,
            placement=placement,
        )
        slate = _slate(ask)
        if record and request is not None:
            _record(slate, request)
    except Exception as error:
        if conf.settings.DEBUG_RAISE:
            raise
        logger.exception("recommend(%r) failed", kind)
        return _empty(kind, placement, f"error: {type(error).__name__}")
    return slate


arecommend = sync_to_async(recommend, thread_sensitive=True)
"""`recommend` for async views: `await arecommend("personal", request=request)`."""


def _slate(ask: Ask) -> Slate:
    filling = climb(ask)
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
    )


def _record(slate: Slate, request: HttpRequest) -> None:
    if slate and conf.settings.RECORD_IMPRESSIONS and capture.is_recordable(request):
        capture.after_response(request, partial(_write, slate))


def _write(slate: Slate) -> None:
    """Runs after the response: whatever happens here, nobody is waiting for it."""
    try:
        measurement.record_impressions(slate)
    except Exception:
        logger.exception("%d impressions of %s were lost", len(slate), slate.placement)
        capture.drops.count("impression_failed", slate.site, len(slate))


def _empty(kind: str, placement: str, note: str) -> Slate:
    return Slate(
        id=uuid.uuid4(),
        placement=placement or kind,
        kind=kind,
        items=(),
        rung=Rung.NOTHING,
        notes=(note,),
    )
