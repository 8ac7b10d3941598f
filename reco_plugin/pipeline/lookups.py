"""Answers what sources look up: one statement per kind of lookup, each lookup once per page.

Neighbours that were worked out ahead (see `jobs.score`) are read as lists, all of a page in one
statement; the store is asked for those of products that have none, and for more than a list holds.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from reco_plugin.models import Item, RankedList
from reco_plugin.models import Neighbours as NeighbourList
from reco_plugin.retrieval import Lookup, Nearest, Neighbours, Ranked
from reco_plugin.retrieval.base import Answers
from reco_plugin.stores.base import Handle, History, Scored, Store, Within
from reco_plugin.types import Key


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveRun:
    """What reading needs to know of a run that is live."""

    run: int
    handle: Handle
    store: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    norm: float = 0.0
    """Mean norm of the trained shopper vectors; 0 leaves folded-in vectors as they are."""
    learnt_at: dt.datetime | None = None
    """Events after this moment are news to the run."""

    @property
    def list_depth(self) -> int:
        """How many neighbours of each product were worked out ahead; 0 for none."""
        return int(self.config.get("neighbours", {}).get("depth", 0))


class Reader:
    """Reads the live runs of one site. Make one per page; it remembers what it has read."""

    def __init__(
        self,
        *,
        store: Store | None,
        personal: LiveRun | None,
        popular: LiveRun | None,
        to_key: Callable[[Any], Key],
        using: str,
    ) -> None:
        self.store = store
        self.personal = personal
        self.popular = popular
        self._to_key = to_key
        self._using = using
        self._ranked: dict[Ranked, Sequence[Scored]] = {}
        self._near: dict[Key, Sequence[Scored] | None] = {}

    def history(self, shopper: uuid.UUID, limit: int) -> History:
        """The shopper's newest events, with vectors of the live personal run."""
        if self.store is None:
            return History(events=(), vector=None)
        handle = self.personal.handle if self.personal else None
        return self.store.history(handle, shopper, limit)

    def categories(self, key: Key) -> tuple[str, ...]:
        """The category paths of a product as of the last sync."""
        items: QuerySet[Any] = Item.objects.using(self._using).filter(pk__in=[key])
        found = list(items.values_list("categories", flat=True)[:1])
        return tuple(found[0] or ()) if found else ()

    def answer(self, lookups: Iterable[Lookup], within: Within | None = None) -> Answers:
        """An answer per lookup, in order; ranked lists know no `within` and are read whole."""
        asked = tuple(lookups)
        self._read_lists([lookup for lookup in asked if isinstance(lookup, Ranked)])
        if within is None:
            self._read_neighbours([one for one in asked if isinstance(one, Neighbours)])
        return {lookup: self._one(lookup, within) for lookup in asked}

    def _one(self, lookup: Lookup, within: Within | None) -> Sequence[Scored]:
        if isinstance(lookup, Ranked):
            return self._ranked.get(lookup, ())
        if self.store is None or self.personal is None:
            return ()
        handle = self.personal.handle
        if isinstance(lookup, Nearest):
            return self.store.nearest(handle, lookup.vector, lookup.k, within=within)
        if not isinstance(lookup, Neighbours):
            return ()
        if within is None and lookup.k <= self.personal.list_depth:
            near = self._near.get(lookup.key)
            if near is not None:
                return near[: lookup.k]
        return self.store.neighbours(handle, lookup.key, lookup.k, within=within)

    def _read_lists(self, lookups: Sequence[Ranked]) -> None:
        missing = [lookup.segment for lookup in lookups if lookup not in self._ranked]
        if not missing or self.popular is None:
            return
        rows = RankedList.objects.using(self._using).filter(
            run_id=self.popular.run, segment__in=missing
        )
        self._ranked |= {Ranked(segment=segment): () for segment in missing}
        for segment, keys, scores in rows.values_list("segment", "keys", "scores"):
            self._ranked[Ranked(segment=segment)] = self._scored(keys, scores)

    def _read_neighbours(self, lookups: Sequence[Neighbours]) -> None:
        depth = self.personal.list_depth if self.personal else 0
        missing: set[Any] = {one.key for one in lookups if one.k <= depth} - self._near.keys()
        if not missing or self.personal is None:
            return
        rows: QuerySet[Any] = NeighbourList.objects.using(self._using).filter(
            run_id=self.personal.run, product_id__in=missing
        )
        self._near |= dict.fromkeys(missing)
        for key, keys, scores in rows.values_list("product_id", "keys", "scores"):
            self._near[key] = self._scored(keys, scores)

    def _scored(self, keys: Sequence[Any], scores: Sequence[float]) -> Sequence[Scored]:
        found = []
        for key, score in zip(keys, scores, strict=False):
            try:
                found.append(Scored(key=self._to_key(key), score=float(score)))
            except (TypeError, ValueError, ValidationError):
                continue
        return found
