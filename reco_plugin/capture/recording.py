"""When to write: after the shop's transaction, never inside it, and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from django.db import connections, transaction
from django.http import HttpRequest

from reco_plugin import conf
from reco_plugin.capture import background, drops
from reco_plugin.capture.lifecycle import after_response, guarded, state_of
from reco_plugin.capture.writing import is_purchase, write
from reco_plugin.types import ShopEvent

logger = logging.getLogger(__name__)


def record(events: Iterable[ShopEvent], request: HttpRequest | None = None) -> None:
    """Write `events` once the current transaction has committed; at once where there is none.

    Runs no SQL in the shop's transaction and never raises; a rolled-back transaction leaves no event.
    Under an event loop the write waits for the end of the response, where `request` is given and
    RecoMiddleware is on, else for the background thread. With RECO_PURCHASE_DURABILITY =
    'transactional', purchases and refunds are written inside the transaction, under a savepoint.
    """
    batch = tuple(events)
    if not batch or not conf.settings.ENABLED:
        return
    if is_transactional() and (purchases := [event for event in batch if is_purchase(event)]):
        guarded(partial(write_what_can_be, purchases))
        batch = tuple(event for event in batch if not is_purchase(event))
    if batch:
        defer(partial(write_what_can_be, batch), request)


def defer(work: Callable[[], object], request: HttpRequest | None = None) -> None:
    """Run `work` when the current transaction has committed, away from any event loop."""
    try:
        if not background.in_event_loop():
            using = conf.settings.DATABASE
            transaction.on_commit(partial(guarded, work), using=using, robust=True)
        elif request is not None and state_of(request).has_middleware:
            after_response(request, work)
        else:
            background.submit(work)
    except Exception:
        drops.count("not_deferred")
        logger.exception("Events were lost: their writing could not be put off.")
        if conf.settings.DEBUG_RAISE:
            raise


def is_transactional() -> bool:
    """Must purchases be written inside the shop's transaction, and is there a usable one?"""
    if conf.settings.PURCHASE_DURABILITY != "transactional" or background.in_event_loop():
        return False
    connection = connections[conf.settings.DATABASE]
    return connection.in_atomic_block and not connection.needs_rollback


def write_what_can_be(events: Sequence[ShopEvent]) -> int:
    """Write `events`; when the batch fails, one by one, counting those that cannot be written."""
    try:
        return write(events)
    except Exception as error:  # noqa: BLE001 - a poison event must not take the others with it
        if len(events) > 1 and connections[conf.settings.DATABASE].is_usable():
            return sum(write_what_can_be([event]) for event in events)
        drops.count("write_failed", events[0].site, len(events))
        logger.warning("%d event(s) could not be written: %s", len(events), error)
        return 0
