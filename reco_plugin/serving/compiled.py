"""A shop's eligible products as SQL that is made once, where it is the same for every request.

Django takes longer to write this statement than PostgreSQL to answer it. Only what
`Catalog.eligible_for_all` allows is kept, and for SECONDS only: a moment in it may be that old.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import copy
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.core.signals import setting_changed
from django.db import connections
from django.db.models import F, QuerySet
from django.db.models.lookups import Lookup

from reco_plugin import conf
from reco_plugin.catalog import Catalog
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Key

SECONDS = 5.0


class Among(Lookup):
    """Is the left side one of a list? The list is one parameter, however long."""

    lookup_name = "reco_among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} = ANY(%s)", (*params, self.rhs)


class Compiled:
    """One queryset, asked again and again for the rows of other keys. PostgreSQL only."""

    def __init__(self, queryset: QuerySet[Any], using: str) -> None:
        """Raises EmptyResultSet for a queryset that has no rows whatever is asked."""
        self._using = using
        self._keys = object()
        self._queryset = queryset.filter(Among(F("pk"), self._keys)).order_by()
        self._compiler = self._queryset.query.get_compiler(using=using)
        self._sql, self._params = self._compiler.as_sql()

    def rows(self, keys: Sequence[Key]) -> list[Any]:
        """The products of `keys` that are eligible, in any order; one statement."""
        listed = shop_keys.array(self._using, keys)
        params = tuple(listed if value is self._keys else value for value in self._params)
        compiler = copy(self._compiler)
        compiler.connection = connections[self._using]
        compiler.as_sql = lambda *_args, **_kwargs: (self._sql, params)
        queryset = self._queryset.all()
        queryset.query.get_compiler = lambda *_args, **_kwargs: compiler  # type: ignore[method-assign]
        return list(queryset)


class Kept:
    """What a catalogue allowed a moment ago: its queryset, and the same as SQL."""

    def __init__(self, allowed: QuerySet[Any]) -> None:
        self.allowed = allowed
        self.at = time.monotonic()
        self._compiled: dict[bool, Compiled | None] = {}

    def compiled(self, sensitive: bool, queryset: QuerySet[Any], using: str) -> Compiled | None:
        """`queryset`, which is `allowed` narrowed for `sensitive`, as SQL; None where it is empty."""
        if sensitive not in self._compiled:
            try:
                self._compiled[sensitive] = Compiled(queryset, using)
            except EmptyResultSet:
                self._compiled[sensitive] = None
        return self._compiled[sensitive]


_kept: dict[tuple[Catalog, str], Kept] = {}


def recall(catalog: Catalog, using: str) -> Kept | None:
    """What was kept, if it is fresh."""
    found = _kept.get((catalog, using))
    return found if found is not None and time.monotonic() - found.at < SECONDS else None


def keep(catalog: Catalog, using: str, allowed: QuerySet[Any]) -> Kept:
    """Remember for a moment what `catalog` allows."""
    found = _kept[catalog, using] = Kept(allowed)
    return found


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith(conf.PREFIX) or setting == "DATABASES":
        _kept.clear()


setting_changed.connect(_forget, dispatch_uid="reco_plugin.serving.compiled")
