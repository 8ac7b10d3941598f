"""Dotted paths → objects, cached, forgotten on `setting_changed`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from reco_plugin import conf
from reco_plugin.bounded import savepoint
from reco_plugin.catalog import Catalog, OrderMapping
from reco_plugin.stores.base import Store
from reco_plugin.stores.choice import choose_store


def catalog() -> Catalog:
    """The shop's catalogue."""
    return cast("Catalog", _instance("RECO_CATALOG", conf.settings.CATALOG))


def orders() -> OrderMapping | None:
    """The shop's order mapping, or None when it has none."""
    path = conf.settings.ORDERS
    return cast("OrderMapping", _instance("RECO_ORDERS", path)) if path else None


def store(name: str = "") -> Store:
    """The store called `name`, or the one RECO_STORE chooses for this database."""
    return _store(name or conf.settings.STORE, conf.settings.DATABASE)


def site(request: HttpRequest | None = None) -> int:
    """The number of the shop this request (or this process) belongs to.

    A hook that raises leaves the shop's transaction usable; what it raises is passed on.
    """
    value = conf.settings.SITE
    if isinstance(value, int):
        return value
    with savepoint(conf.settings.DATABASE):
        return int(_callable("RECO_SITE", value)(request))


def hook(setting: str, path: str) -> Callable[..., Any] | None:
    """The shop's callable at `path`, or None when the setting is empty."""
    return _callable(setting, path) if path else None


@cache
def _instance(setting: str, path: str) -> object:
    return _callable(setting, path)()


@cache
def _callable(setting: str, path: str) -> Callable[..., Any]:
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"{setting} = {path!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"{setting} = {path!r} is not callable.")
    return cast("Callable[..., Any]", found)


@cache
def _store(name: str, database: str) -> Store:
    return choose_store(name, database)


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith(conf.PREFIX):
        for cached in (_instance, _callable, _store):
            cached.cache_clear()


setting_changed.connect(_forget, dispatch_uid="reco_plugin.backends")
