"""When to write: after the shop's transaction, never inside it, and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from django.db import connections, transaction
from django.http import HttpRequest

from reco_plugin import conf
from reco_plugin.capture import background, drops
from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.lifecycle import RequestState, after_response, guarded, state_of
from reco_plugin.capture.writing import is_purchase, write
from reco_plugin.outages import in_words, is_of_database, is_passing
from reco_plugin.types import ShopEvent

logger = logging.getLogger(__name__)


def record(events: Iterable[ShopEvent], request: HttpRequest | None = None) -> None:
    """Write `events` once the current transaction has committed; at once where there is none.

    Runs no SQL in the shop's transaction and never raises; a rolled-back transaction leaves no event.
    Where `request` is given and RecoMiddleware is on, the write waits for the end of the response;
    else it is bounded by RECO_WRITE_TIMEOUT_MS, or under an event loop done by the background thread.
    With RECO_PURCHASE_DURABILITY = 'transactional', purchases and refunds are written inside the
    transaction, under a savepoint.
    """
    batch = tuple(events)
    if not batch or not conf.settings.ENABLED:
        return
    if is_transactional() and (purchases := [event for event in batch if is_purchase(event)]):
        write_inside(partial(write_what_can_be, purchases), request, len(purchases))
        batch = tuple(event for event in batch if not is_purchase(event))
    if batch:
        defer(partial(write_soon, batch, request), request)


def defer(work: Callable[[], object], request: HttpRequest | None = None) -> None:
    """Run `work` when the current transaction has committed, away from any event loop.

    Where the shop manages its transactions by hand nobody says when one is committed: it is done
    after the response. Never connects: outside a transaction there is nothing to wait for.
    """
    try:
        if background.in_event_loop():
            _defer_to_close(work, request)
            return
        using = conf.settings.DATABASE
        connection = connections[using]
        if connection.in_atomic_block:
            transaction.on_commit(partial(guarded, work), using=using, robust=True)
        elif connection.connection is not None and not connection.autocommit:
            _defer_to_close(partial(background.submit, work), request)
        else:
            guarded(work)
    except Exception:
        drops.count("not_deferred")
        logger.exception("Events were lost: their writing could not be put off.")
        if conf.settings.DEBUG_RAISE:
            raise


def _defer_to_close(work: Callable[[], object], request: HttpRequest | None) -> None:
    if request is not None and state_of(request).has_middleware:
        after_response(request, work)
    else:
        background.submit(work)


def write_soon(events: Sequence[ShopEvent], request: HttpRequest | None) -> None:
    """Write `events` when the response is out; at once, but bounded, where nobody says when it is.

    All events of one request are written in one statement.
    """
    if request is None or not state_of(request).awaits_close:
        _attempt(events)
        return
    state = state_of(request)
    if not state.events:
        after_response(request, partial(_write_gathered, state))
    state.events += events


def write_inside(work: Callable[[], object], request: HttpRequest | None, size: int = 1) -> None:
    """Run `work` in the shop's transaction, bounded; what fails there is tried again after the commit."""
    if not attempt(work, size=size, puts_off=False):
        defer(partial(attempt, work, size=size), request)


def is_transactional() -> bool:
    """Must purchases be written inside the shop's transaction, and is there a usable one?"""
    if conf.settings.PURCHASE_DURABILITY != "transactional" or background.in_event_loop():
        return False
    connection = connections[conf.settings.DATABASE]
    return connection.in_atomic_block and not connection.needs_rollback


def write_what_can_be(events: Sequence[ShopEvent]) -> int:
    """Write `events`; when the batch fails, one by one, counting those that cannot be written.

    Raises django.db.Error when the database is out: then nothing is wrong with the events.
    """
    try:
        return write(events)
    except Exception as error:
        if is_passing(error):
            raise
        if len(events) > 1:  # a poison event must not take the others with it
            return sum(write_what_can_be([event]) for event in events)
        _count_lost(events[0], error)
        return 0


def _attempt(events: Sequence[ShopEvent]) -> None:
    attempt(partial(write_what_can_be, events), site=events[0].site, size=len(events))


def _write_gathered(state: RequestState) -> None:
    events, state.events = state.events, []
    if events:
        _attempt(events)


def _count_lost(event: ShopEvent, error: Exception) -> None:
    drops.count("write_failed", event.site)
    words = in_words(error)
    logger.warning(
        "An event could not be written: %s",
        words,
        exc_info=None if is_of_database(error) else error,
        extra={"reco": {"kind": event.kind.ga4, "site": event.site, "error": words}},
    )
