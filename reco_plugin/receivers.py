"""Receives the shop's signals. Each receiver hands over to a room, and never raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_delete, post_migrate
from django.dispatch import Signal

from reco_plugin import conf, placements, signals
from reco_plugin.capture import drops, merge, orders, orphans
from reco_plugin.capture.tracking import track
from reco_plugin.types import EventKind, EventSource

logger = logging.getLogger(__name__)

Receiver = Callable[..., None]
_track = partial(track, source=EventSource.SIGNAL)


def receives(signal: Signal, **kwargs: Any) -> Callable[[Receiver], Receiver]:
    """Connect a receiver that does nothing for fixtures or when switched off, and never raises."""

    def connect(receiver: Receiver) -> Receiver:
        @wraps(receiver)
        def safe(sender: Any, **named: Any) -> None:
            if named.get("raw"):
                return
            try:
                if conf.settings.ENABLED:
                    receiver(**named)
            except Exception:
                drops.count("receiver_failed")
                logger.exception("%s failed; the shop is not affected.", receiver.__name__)
                if conf.settings.DEBUG_RAISE:
                    raise

        uid = f"reco_plugin.{receiver.__name__}"
        signal.connect(safe, dispatch_uid=uid, weak=False, **kwargs)
        return safe

    return connect


@receives(signals.product_viewed)
def on_product_viewed(request: Any, product: Any, **_: Any) -> None:
    _track(request, EventKind.VIEW_ITEM, product)


@receives(signals.basket_item_added)
def on_basket_item_added(
    request: Any, product: Any, quantity: int = 1, price: Any = None, **_: Any
) -> None:
    _track(request, EventKind.ADD_TO_CART, product, quantity=quantity, price=price)


@receives(signals.basket_item_removed)
def on_basket_item_removed(request: Any, product: Any, quantity: int = 1, **_: Any) -> None:
    _track(request, EventKind.REMOVE_FROM_CART, product, quantity=quantity)


@receives(signals.product_wishlisted)
def on_product_wishlisted(request: Any, product: Any, **_: Any) -> None:
    _track(request, EventKind.ADD_TO_WISHLIST, product)


@receives(signals.search_performed)
def on_search_performed(request: Any, query: str, **_: Any) -> None:
    _track(request, EventKind.SEARCH, query=query)


@receives(signals.product_rated)
def on_product_rated(request: Any, product: Any, rating: float, best: float = 5, **_: Any) -> None:
    _track(request, EventKind.RATE_ITEM, product, rating=float(rating) / float(best))


@receives(signals.recommendation_dismissed)
def on_recommendation_dismissed(request: Any, product: Any, **_: Any) -> None:
    _track(request, EventKind.DISMISS_ITEM, product)


@receives(signals.order_completed)
def on_order_completed(order: Any, request: Any = None, **_: Any) -> None:
    orders.completed(order, request)


@receives(signals.order_refunded)
def on_order_refunded(order: Any, lines: Any = None, request: Any = None, **_: Any) -> None:
    orders.refunded(order, lines, request)


@receives(user_logged_in)
def on_user_logged_in(request: Any, user: Any, **_: Any) -> None:
    if request is not None:
        merge.logged_in(request, user)


@receives(user_logged_out)
def on_user_logged_out(request: Any, **_: Any) -> None:
    if request is not None:
        merge.logged_out(request)


@receives(post_delete, sender=conf.product_model())
def on_product_deleted(instance: Any, **_: Any) -> None:
    orphans.product_deleted(instance)


@receives(post_delete, sender=get_user_model())
def on_user_deleted(instance: Any, **_: Any) -> None:
    orphans.user_deleted(instance)


def on_migrated(using: str, apps: Any = apps, **_: Any) -> None:
    """Also when switched off: rows that are there are edited before the switch is turned."""
    placements.after_migrate(using, apps)


post_migrate.connect(
    on_migrated, sender=apps.get_app_config("reco"), dispatch_uid="reco_plugin.on_migrated"
)
