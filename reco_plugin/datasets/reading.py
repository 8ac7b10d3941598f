"""Read the shop's history into a log: keys become rows, guests become shoppers, junk is counted."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connections

from reco_plugin import clock, conf
from reco_plugin.datasets.blocks import Block, Progress, Reader
from reco_plugin.datasets.copy import CopyReader
from reco_plugin.datasets.interning import Interner, Rows
from reco_plugin.datasets.keys import Keys, UuidKeys, in_order, keys_of
from reco_plugin.datasets.log import EventLog
from reco_plugin.datasets.repeats import repeated
from reco_plugin.datasets.rows import RowReader
from reco_plugin.models import Interaction
from reco_plugin.types import IdMap

SKEW = dt.timedelta(minutes=5)
"""How far ahead of us a clock may be."""
EARLIEST = int(dt.datetime(1995, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
"""Before there were web shops."""


def read_log(
    site: int,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    using: str | None = None,
    progress: Progress | None = None,
    now: dt.datetime | None = None,
    include_sensitive: bool = False,
    shoppers: Sequence[uuid.UUID] | None = None,
) -> EventLog:
    """Read the events of `site` in [since, until) that are about a known product.

    Left out and counted in `dropped`: events of products without an Item ('orphan'), of sensitive
    items ('sensitive'), from the future ('future') or before 1995 ('ancient'), and repetitions of an
    event in all its parts ('duplicate'). Guests who turned out to be a shopper are that shopper. With
    `shoppers`, only events under these ids are read, by their index.
    Resident memory is about 25 bytes an event, and twice that for a moment.
    """
    alias = using or conf.settings.DATABASE
    keys = keys_of(Interaction._meta.get_field("product"))
    reader = _reader(alias, keys)
    gathering = _Gathering(reader, keys, site, now or clock.now(), include_sensitive)
    for block, share in reader.events(site, since, until, shoppers):
        gathering.add(block)
        if progress is not None:
            progress("read", int(share * 100), 100)
    if progress is not None:  # the last pages of the table may hold no event of this site
        progress("read", 100, 100)
    return gathering.finish()


def _reader(alias: str, keys: Keys) -> Reader:
    connection = connections[alias]
    if connection.vendor == "postgresql":
        return CopyReader(connection, keys)
    return RowReader(alias, keys)


class _Gathering:
    """Blocks in, one log out."""

    def __init__(
        self, reader: Reader, keys: Keys, site: int, now: dt.datetime, include_sensitive: bool
    ) -> None:
        self._keys = keys
        self._links = reader.links(site)
        self._latest = int((now + SKEW).timestamp() * 1_000_000)
        self._load_items(*reader.items(site), include_sensitive)
        self._people = Interner(2)
        self._parts: dict[str, list[npt.NDArray[Any]]] = {
            name: [] for name in ("shopper", "item", "kind", "at", "quantity", "rating")
        }
        self._read = 0
        self._dropped = dict.fromkeys(("orphan", "sensitive", "future", "ancient"), 0)

    def _load_items(self, packed: Any, sensitive: Any, include_sensitive: bool) -> None:
        """Known items in order of their keys; the learnable ones get the rows 0.."""
        width = self._keys.width(packed)
        words = self._keys.unpack(packed, width)
        order = in_order(words, signed=True)
        hidden = sensitive[order] & (not include_sensitive)
        order = np.concatenate([order[~hidden], order[hidden]])
        self._known = Interner(width, expected=max(1, len(order)))
        self._known.put(words[order])
        self._learnable = int(np.count_nonzero(~hidden))

    def add(self, block: Block) -> None:
        width = self._known.keys.shape[1]
        item = self._known.find(self._keys.unpack(block.products, width))
        kept = self._keep(item, block.at)
        words = UuidKeys().unpack([block.shoppers], 2)
        some = slice(None) if kept.all() else kept
        found = {
            "shopper": self._people.add(words[some]),
            "item": item[some],
            "kind": block.kind[some],
            "at": block.at[some],
            "quantity": block.quantity[some],
            "rating": block.rating[some],
        }
        for name, values in found.items():
            self._parts[name].append(values)

    def _keep(self, item: Rows, at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which events are kept; every other one is counted under the first reason that holds."""
        kept = np.ones(len(item), bool)
        reasons = {
            "orphan": item < 0,
            "sensitive": item >= self._learnable,
            "future": at > self._latest,
            "ancient": at < EARLIEST,
        }
        self._read += len(item)
        for name, wrong in reasons.items():
            if wrong.any():
                self._dropped[name] += int(np.count_nonzero(kept & wrong))
                kept &= ~wrong
        return kept

    def finish(self) -> EventLog:
        shopper, shoppers = self._merged(self._joined("shopper", np.int32))
        log = EventLog(
            shopper=shopper,
            item=self._joined("item", np.int32),
            kind=self._joined("kind", np.uint8),
            at=self._joined("at", np.int64),
            quantity=self._joined("quantity", np.int32),
            rating=self._joined("rating", np.float32),
            shoppers=shoppers,
            items=self._keys.id_map(self._known.keys[: self._learnable]),
            read=self._read,
        )
        again = repeated(log)
        dropped = {**self._dropped, "duplicate": int(np.count_nonzero(again))}
        return log.select(~again, dropped=dropped) if again.any() else replace(log, dropped=dropped)

    def _joined(self, name: str, kind: type[Any]) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, kind), *self._parts.pop(name)])

    def _merged(self, rows: Rows) -> tuple[Rows, IdMap]:
        """Visitors become the shopper they turned out to be; shoppers are sorted by id."""
        target = self._targets()
        used = np.zeros(len(target), bool)
        used[target[rows]] = True
        kept = np.flatnonzero(used)
        kept = kept[in_order(self._people.keys[kept])]
        place = np.full(len(target), -1, np.int32)
        place[kept] = np.arange(len(kept), dtype=np.int32)
        return place[target][rows], UuidKeys().id_map(self._people.keys[kept])

    def _targets(self) -> Rows:
        """The row each row of `_people` stands for, following links to their end."""
        visitors, shoppers = (UuidKeys().unpack([side], 2) for side in self._links)
        met = self._people.find(visitors) >= 0
        while True:  # a link may lead to a visitor who was linked in turn
            self._people.add(shoppers[met])
            more = self._people.find(visitors) >= 0
            if (more == met).all():
                break
            met = more
        target = np.arange(len(self._people), dtype=np.int32)
        target[self._people.find(visitors[met])] = self._people.find(shoppers[met])
        for _ in range(32):  # enough for any chain; a circle of links ends anywhere in it
            target = target[target]
        return target
