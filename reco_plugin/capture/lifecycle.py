"""What we know of one request, and what to do once its response is closed."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import connections
from django.http import HttpRequest

from reco_plugin import conf
from reco_plugin.capture import background, drops
from reco_plugin.types import ShopEvent, Shopper

logger = logging.getLogger(__name__)

Callback = Callable[[], object]
_ATTRIBUTE = "_reco"


@dataclass(frozen=True, slots=True)
class Served:
    """What an instrument wants to know of one slate."""

    placement: str
    rung: str
    milliseconds: float


@dataclass(slots=True)
class RequestState:
    """Ours alone, kept on the request."""

    consent: bool | None = None
    """None until asked."""
    visitor: uuid.UUID | None = None
    is_new: bool = False
    """The visitor id was made in this request."""
    shopper: Shopper | None = None
    shopper_of: Any = None
    """Key of the user `shopper` stands for, to notice a login or logout in between."""
    was_read: bool = False
    """The identity was asked for to fill the page, so it differs from one shopper to the next."""
    has_middleware: bool = False
    is_finished: bool = False
    """The headers are out: a cookie can no longer be set."""
    is_closed: bool = False
    callbacks: list[Callback] = field(default_factory=list)
    events: list[ShopEvent] = field(default_factory=list)
    """What this request has done, to be written at its end in one statement."""
    shared: dict[Any, Any] = field(default_factory=dict)
    """What the slates of this page share, by who asks: see `serving.shared`."""
    shown: list[Any] = field(default_factory=list)
    """Slates of this page whose impressions wait to be written, all in one statement."""
    told: set[uuid.UUID] = field(default_factory=set)
    """Slates whose impressions are written, wait to be, or are not to be."""
    served: list[Served] = field(default_factory=list)
    """The slates of this page."""

    @property
    def awaits_close(self) -> bool:
        """Is there an end of the response to wait for?"""
        return self.has_middleware and not self.is_closed


def state_of(request: HttpRequest) -> RequestState:
    """The state of this request, made at first sight. Looks through Django REST framework's wrapper."""
    request = getattr(request, "_request", request)
    state: RequestState | None = getattr(request, _ATTRIBUTE, None)
    if state is None:
        state = RequestState()
        setattr(request, _ATTRIBUTE, state)
    return state


def after_response(request: HttpRequest, callback: Callback) -> None:
    """Run `callback` once the response is closed: the body is sent, the request's transaction over.

    Without RecoMiddleware (or when the response is closed already) it runs at once; under an event
    loop, in the background thread. What it raises is logged and counted, never passed on.
    """
    state = state_of(request)
    if state.awaits_close:
        state.callbacks.append(callback)
    elif background.in_event_loop():
        background.submit(callback)
    else:
        guarded(callback)


def close(state: RequestState) -> None:
    """Run what waits for the end of the response, in order; callbacks may add more.

    Some servers (and Django's async test client) close in a thread that has no connection yet: one
    that was opened here is closed here, since nobody else would.
    """
    if state.callbacks and background.in_event_loop():
        background.submit(partial(close, state))
        return
    if state.callbacks:
        connection = connections[conf.settings.DATABASE]
        had_none = connection.connection is None
        _drain(state)
        if had_none and not connection.in_atomic_block:
            connection.close()
    state.is_closed = True
    _drain(state)  # what another thread added meanwhile


def abandon(state: RequestState) -> None:
    """Nobody will close a response: do in the background what waits for that.

    A view in a thread may still be at work: what it has yet to say waits for nothing.
    """
    background.submit(partial(close, state))


def _drain(state: RequestState) -> None:
    while state.callbacks:
        guarded(state.callbacks.pop(0))


def guarded(callback: Callback) -> None:
    """Run `callback`; log and count what it raises (re-raise under RECO_DEBUG_RAISE)."""
    try:
        callback()
    except Exception:
        drops.count("error")
        logger.exception("A recommendations callback failed; the shop is not affected.")
        if conf.settings.DEBUG_RAISE:
            raise
