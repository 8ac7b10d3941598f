"""The shop deleted a product or a user: put our house in order after its commit."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from django.db import models
from django.db.models import Q

from reco_plugin import backends, conf
from reco_plugin.capture.attempts import attempt
from reco_plugin.capture.erasure import mark_users
from reco_plugin.capture.recording import defer
from reco_plugin.models import Item, ManualLink
from reco_plugin.types import Key

_waiting = threading.local()


def product_deleted(product: models.Model) -> None:
    """Remove the product's Item, and links to and from it, once the deletion has committed; what it sold
    stays history."""
    _keys("products").append(product.pk)
    defer(_remove_items)


def user_deleted(user: models.Model) -> None:
    """Mark the user for the sweep, once the deletion has committed."""
    _keys("users").append(user.pk)
    defer(_mark_users)


def _keys(subject: str) -> list[Key]:
    """Keys deleted in this thread. A thousand deletions of one transaction end in one statement."""
    keys: list[Key] = _waiting.__dict__.setdefault(subject, [])
    return keys


def _take(subject: str, model: type[models.Model]) -> list[Any]:
    """The keys waiting, without those that a roll-back brought back."""
    keys = _waiting.__dict__.pop(subject, [])
    if not keys:
        return []
    rows = model._base_manager.using(conf.settings.DATABASE).filter(pk__in=keys)
    alive = set(rows.values_list("pk", flat=True))
    return [key for key in keys if key not in alive]


def _remove_items() -> None:
    if keys := _take("products", backends.catalog().model):
        attempt(partial(_delete, keys), size=len(keys), name="deleted products")


def _delete(keys: list[Any]) -> None:
    using = conf.settings.DATABASE
    Item.objects.using(using).filter(pk__in=keys).delete()
    gone = Q(product__in=keys) | Q(target__in=keys)
    ManualLink.objects.using(using).filter(gone).order_by().delete()


def _mark_users() -> None:
    from django.contrib.auth import get_user_model

    if keys := _take("users", get_user_model()):
        site = backends.site(None)
        attempt(partial(mark_users, keys, site), site=site, size=len(keys), name="deleted users")
