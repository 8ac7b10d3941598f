"""Tells events from the names of URLs. Place it below RecoMiddleware."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from reco_plugin import backends, conf
from reco_plugin.bounded import bounded_writes
from reco_plugin.breaker import breaker
from reco_plugin.capture import drops, is_recordable, track
from reco_plugin.contrib.polling.pages import Page, pages, value_of
from reco_plugin.types import EventKind, Key

logger = logging.getLogger(__name__)


class PageEvents:
    """Sync and async. Raises ImproperlyConfigured at start-up for a wrong RECO_PAGE_EVENTS; never later."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.pages = pages(conf.settings.PAGE_EVENTS)
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        response: HttpResponseBase = self.get_response(request)
        if page := self._page(request, response):
            _tell(request, page)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        if page := self._page(request, response):
            if page.field == "pk":
                _tell(request, page)
            else:  # a database is asked
                await sync_to_async(_tell, thread_sensitive=True)(request, page)
        return response

    def _page(self, request: HttpRequest, response: HttpResponseBase) -> Page | None:
        """What this request means, where it was answered well: a page shown, a form accepted."""
        match = request.resolver_match
        page = self.pages.get(match.view_name) if match is not None else None
        if page is None or request.method not in page.methods or not conf.settings.ENABLED:
            return None
        is_good = (
            response.status_code == 200 if request.method == "GET" else response.status_code < 400
        )
        return page if is_good else None


def _tell(request: HttpRequest, page: Page) -> None:
    try:
        if page.kind is EventKind.SEARCH:
            track(request, page.kind, query=str(value_of(request, page.query) or ""))
        elif (key := _product(request, page)) is not None:
            track(request, page.kind, key, quantity=_quantity(request, page))
    except Exception as error:
        drops.count("page_failed")
        logger.warning(
            "%s could not be told from its page: %s", page.kind.ga4, type(error).__name__
        )
        if conf.settings.DEBUG_RAISE:
            raise


def _product(request: HttpRequest, page: Page) -> Key | None:
    """The product's key, or None. A field other than 'pk' costs a statement of the shop's product."""
    value = value_of(request, page.product)
    if page.field == "pk" or value is None:
        return value  # type: ignore[no-any-return]
    if not is_recordable(request):
        return None
    using = conf.settings.DATABASE
    rows = backends.catalog().model._base_manager.using(using).filter(**{page.field: value})
    with breaker("reads", using).guard(), bounded_writes(using, conf.settings.STATEMENT_TIMEOUT_MS):
        return rows.values_list("pk", flat=True).first()


def _quantity(request: HttpRequest, page: Page) -> int:
    value = str(value_of(request, page.quantity) or "")
    return int(value) if value.isdecimal() else 1
