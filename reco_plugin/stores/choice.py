"""Which store serves this database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from reco_plugin.stores.base import Store

logger = logging.getLogger(__name__)


def choose_store(name: str, database: str) -> Store:
    """The store called `name` ('auto', 'pgvector', 'numpy' or a dotted path) for `database`.

    'auto' is pgvector where the database can hold it, and numpy otherwise, with a logged reason. A
    dotted path names a callable that takes the database alias. Raises ImproperlyConfigured.
    """
    if name in BUILT_IN:
        return BUILT_IN[name](database)
    if "." in name:
        return _imported(name)(database)
    choices = ", ".join(repr(choice) for choice in BUILT_IN)
    raise ImproperlyConfigured(
        f"RECO_STORE = {name!r} is no store; use {choices}, or the dotted path of a Store."
    )


def _auto(database: str) -> Store:
    if connections[database].vendor != "postgresql":
        return _numpy(database)
    store = _pgvector(database)
    if reasons := store.check():
        logger.warning("Vectors go to the numpy store: %s", " ".join(reasons))
        return _numpy(database)
    return store


def _pgvector(database: str) -> Store:
    from reco_plugin.stores.pgvector import PgvectorStore

    if connections[database].vendor != "postgresql":
        raise ImproperlyConfigured(
            f"RECO_STORE = 'pgvector' needs PostgreSQL, but database {database!r} is "
            f"{connections[database].vendor}; set RECO_STORE = 'numpy' or 'auto'."
        )
    return PgvectorStore(database)


def _numpy(database: str) -> Store:
    from reco_plugin.stores.numpy import NumpyStore

    return NumpyStore(database)


def _imported(path: str) -> Callable[[str], Store]:
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"RECO_STORE = {path!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"RECO_STORE = {path!r} is not callable.")
    return cast("Callable[[str], Store]", found)


BUILT_IN: dict[str, Callable[[str], Store]] = {
    "auto": _auto,
    "pgvector": _pgvector,
    "numpy": _numpy,
}
