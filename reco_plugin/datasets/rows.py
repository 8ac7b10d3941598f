"""Rows through the ORM: for databases without COPY. The same answers, slowly."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.db import models

from reco_plugin import clock
from reco_plugin.datasets.blocks import (
    HAS_RATING,
    KIND_SHIFT,
    MOST_UNITS,
    QUANTITY_SHIFT,
    Array,
    Block,
)
from reco_plugin.datasets.keys import Bytes, Keys
from reco_plugin.models import Interaction, Item, VisitorLink

ROWS = 20_000
SHOPPERS = 500
"""Ids to a statement."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class RowReader:
    """Any database Django knows."""

    def __init__(self, database: str, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    def events(
        self,
        site: int,
        since: dt.datetime | None,
        until: dt.datetime | None,
        shoppers: Sequence[uuid.UUID] | None = None,
    ) -> Iterator[tuple[Block, float]]:
        if shoppers is None:
            yield from self._events(self._rows(Interaction, site), since, until)
            return
        for at in range(0, len(shoppers), SHOPPERS):
            rows = self._rows(Interaction, site).filter(shopper__in=shoppers[at : at + SHOPPERS])
            yield from self._events(rows, since, until)

    def _events(
        self, rows: models.QuerySet[Any], since: dt.datetime | None, until: dt.datetime | None
    ) -> Iterator[tuple[Block, float]]:
        rows = rows.filter(product__isnull=False)
        rows = rows.filter(occurred_at__gte=since) if since else rows
        rows = rows.filter(occurred_at__lt=until) if until else rows
        total, done = rows.count(), 0
        names = ("shopper", "product_id", "occurred_at", "kind", "quantity", "rating")
        found = rows.order_by().values_list(*names).iterator(chunk_size=ROWS)
        while some := list(itertools.islice(found, ROWS)):
            done += len(some)
            yield self._block(some), min(1.0, done / max(total, 1))

    def items(self, site: int) -> tuple[Sequence[Bytes], Array]:
        found = list(self._rows(Item, site).values_list("product_id", "sensitive"))
        return self._keys.pack([key for key, _ in found]), np.asarray(
            [sensitive for _, sensitive in found], bool
        )

    def links(self, site: int) -> tuple[Bytes, Bytes]:
        found = list(self._rows(VisitorLink, site).values_list("visitor", "shopper"))
        return _uuids([visitor for visitor, _ in found]), _uuids([one for _, one in found])

    def _rows(self, model: type[models.Model], site: int) -> models.QuerySet[Any]:
        return model._default_manager.using(self._database).filter(site=site)

    def _block(self, rows: list[Any]) -> Block:
        shoppers, products, moments, kinds, quantities, ratings = zip(*rows, strict=True)
        units = np.clip(np.asarray(quantities, np.int64), -MOST_UNITS, MOST_UNITS)
        rated = np.asarray([rating is not None for rating in ratings])
        kind = np.asarray(kinds, np.int64) & 0x7F
        detail = (units << QUANTITY_SHIFT) | (kind << KIND_SHIFT) | (rated * HAS_RATING)
        return Block(
            shoppers=_uuids(shoppers),
            products=self._keys.pack(products),
            at=np.asarray([_microseconds(moment) for moment in moments], np.int64),
            detail=detail.astype(np.int32),
            ratings=np.asarray([one for one in ratings if one is not None], np.float64),
        )


def _microseconds(moment: dt.datetime) -> int:
    return ((clock.aware(moment) or moment) - _EPOCH) // _MICROSECOND


def _uuids(values: Sequence[uuid.UUID]) -> bytes:
    return b"".join(value.bytes for value in values)
