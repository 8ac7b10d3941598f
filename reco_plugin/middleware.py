"""Sets the visitor cookie, and runs what waits for the end of the response. A thin shell over capture.

Place it after SessionMiddleware and AuthenticationMiddleware. Where a page asked who the shopper is, the
response says `Vary: Cookie`; a page that is to be cached for everyone must load its recommendations apart.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings as django_settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from reco_plugin import conf
from reco_plugin.capture import identity, lifecycle
from reco_plugin.capture.lifecycle import RequestState

logger = logging.getLogger(__name__)


class RecoMiddleware:
    """Sync and async, for plain and streaming responses. Never raises into the shop."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        state = _begin(request)
        try:
            return _finish(request, state, self.get_response(request))
        except BaseException:
            lifecycle.abandon(state)
            raise

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        state = _begin(request)
        try:
            return _finish(request, state, await self.get_response(request))
        except BaseException:
            lifecycle.abandon(state)
            raise


def _begin(request: HttpRequest) -> RequestState:
    """What waits for the end of the response is done, whatever becomes of that.

    Middleware above may put a response of its own in its place (a 304): Django closes the request
    with whichever is sent. A client that leaves early gets none (ASGI cancels), yet its order stands.
    """
    state = lifecycle.state_of(request)
    state.has_middleware = True
    request.close = _Closer(state, request.close)  # type: ignore[method-assign]
    return state


class _Closer:
    """Runs the callbacks of one request. A copy that went through a cache's pickle does nothing."""

    def __init__(
        self, state: RequestState | None = None, before: Callable[[], object] | None = None
    ) -> None:
        self.state = state
        self.before = before

    def __call__(self) -> None:
        before, self.before = self.before, None  # it holds the request that holds us
        if before is not None:
            before()
        if self.state is not None:
            lifecycle.close(self.state)

    def __reduce__(self) -> tuple[type[_Closer], tuple[()]]:
        return _Closer, ()


def _tell_timings(state: RequestState, response: HttpResponseBase) -> None:
    """What the slates of this page took, where the browser's developer tools show it."""
    told = [
        f'reco;dur={slate.milliseconds:.1f};desc="{_quotable(f"{slate.rung} {slate.placement}")}"'
        for slate in state.served
    ]
    if told:
        before = response.headers.get("Server-Timing")
        response.headers["Server-Timing"] = ", ".join([*([before] if before else []), *told])


def _quotable(text: str) -> str:
    return "".join(
        each for each in text if each.isascii() and each.isprintable() and each not in '"\\'
    )


def _finish(
    request: HttpRequest, state: RequestState, response: HttpResponseBase
) -> HttpResponseBase:
    try:
        response._resource_closers.append(_Closer(state))  # type: ignore[attr-defined]
        identity.finish(request, response)
        if django_settings.DEBUG:
            _tell_timings(state, response)
    except Exception:
        logger.exception("RecoMiddleware failed; the response is not affected.")
        if conf.settings.DEBUG_RAISE:
            raise
    return response
