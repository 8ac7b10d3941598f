"""`track()`: one line in a view of the shop."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest

from reco_plugin import backends, clock, conf
from reco_plugin.capture import background, drops
from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.clean import clean, product_key
from reco_plugin.capture.context import device_of
from reco_plugin.capture.gate import refusal, refusal_before_user
from reco_plugin.capture.identity import mint, visitor_of, whose
from reco_plugin.capture.lifecycle import after_response, state_of
from reco_plugin.capture.recording import defer, is_transactional, record, write_soon
from reco_plugin.outages import in_words, is_of_database
from reco_plugin.types import EventKind, EventSource, Key, ShopEvent

logger = logging.getLogger(__name__)


def track(
    request: HttpRequest,
    kind: str | EventKind,
    product: Any = None,
    *,
    quantity: int = 1,
    price: Any = None,
    currency: str = "",
    order: Any = "",
    rating: float | None = None,
    query: str = "",
    device: str | None = None,
    occurred_at: dt.datetime | None = None,
    event_id: uuid.UUID | None = None,
    source: EventSource = EventSource.TRACK,
) -> None:
    """Record that whoever sent `request` did `kind` ('view_item', 'add_to_cart' …) to `product`.

    `product` is an instance or its key; `price` is of one unit, from the server; `rating` is 0..1; `device` is
    'mobile', 'tablet' or 'desktop', by default what the browser says of itself.
    Only what is known already is looked at now; who it was is found out when the transaction has
    committed. Never raises, unless RECO_DEBUG_RAISE is on: then a kind or key that cannot be is a
    ValueError.
    """
    try:
        if not conf.settings.ENABLED:
            return
        event = partial(
            ShopEvent,
            event_id=event_id or uuid.uuid4(),
            kind=EventKind.parse(kind),
            product=_product(kind, product),
            occurred_at=occurred_at or clock.now(),
            quantity=quantity,
            price=price,
            currency=currency,
            order="" if order is None else str(order),
            rating=rating,
            query=query,
            device=device_of(request) if device is None else device,
            source=source,
        )
        _hand_over(request, event)
    except Exception as error:
        _tell(error)
        if conf.settings.DEBUG_RAISE:
            raise


def _tell(error: Exception) -> None:
    """A mistake of the caller's in its own words; anything else with the way it came."""
    is_mistake = isinstance(error, ValueError)
    drops.count("invalid" if is_mistake else "error")
    logger.warning(
        "An event was dropped: %s",
        error if is_mistake else in_words(error),
        exc_info=None if is_mistake or is_of_database(error) else error,
        extra={"reco": {"error": in_words(error)}},
    )


def _product(kind: str | EventKind, product: Any) -> Key | None:
    if product is None:
        if EventKind.parse(kind) is EventKind.SEARCH:
            return None
        raise ValueError(f"{EventKind.parse(kind).ga4} needs a product; it is None.")
    return product_key(product)


def _hand_over(request: HttpRequest, event: partial[ShopEvent]) -> None:
    if is_transactional() and event.keywords["kind"] in (EventKind.PURCHASE, EventKind.REFUND):
        if complete := _complete(request, event):
            record([complete])
        return
    if _must_mint_now(request) and not refusal_before_user(request) and not visitor_of(request):
        mint(request)
    defer(partial(_write, request, event), request)


def _must_mint_now(request: HttpRequest) -> bool:
    """Will it be too late for a visitor cookie when the event is written?

    Under an event loop it will; in a transaction it may (a test case's never commits), but there only
    what certainly runs no SQL may be asked.
    """
    if not conf.settings.VISITOR_COOKIE or not state_of(request).has_middleware:
        return False
    if background.in_event_loop():
        return True
    is_stranger = django_settings.SESSION_COOKIE_NAME not in request.COOKIES
    return is_stranger and not conf.settings.CONSENT


def _write(request: HttpRequest, event: partial[ShopEvent]) -> None:
    if complete := _complete(request, event):
        write_soon([complete], request)


def _complete(request: HttpRequest, event: partial[ShopEvent]) -> ShopEvent | None:
    """The event with its shopper and site, cleaned; None (and counted) where it must not be kept."""
    site = backends.site(request)
    reason = refusal(request)
    shopper = None if reason else whose(request)
    if shopper is None:
        _drop(request, reason or "nobody", site)
        return None
    complete = clean(event(shopper=shopper, site=site), clock.now())
    if complete.kind is EventKind.SEARCH and not complete.query:
        _drop(request, "empty_query", site)
        return None
    return complete


def _drop(request: HttpRequest, reason: str, site: int) -> None:
    drops.count(reason, site)
    if drops.is_due():
        after_response(request, partial(attempt, drops.write, name="drop counts"))
