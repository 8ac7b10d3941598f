"""Answers what sources look up, each lookup once per page, and all lists of a page in one statement.

Neighbours that were worked out ahead (see `jobs.score`) are such lists; the store is asked for those of
products that have none, and for more than a list holds.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from reco_plugin import clock, conf
from reco_plugin.pipeline import lists
from reco_plugin.retrieval import Lookup, Nearest, Neighbours, Ranked
from reco_plugin.retrieval.base import Answers, Linked, Newest, Related
from reco_plugin.stores.base import Handle, History, PastEvent, Scored, Store, Within
from reco_plugin.types import EventKind, Key

DAY = 86_400.0
BESIDE = "with"
"""The fact of a rule that is no figure but a product."""
LISTS: tuple[type[Lookup], ...] = (Ranked, Related, Linked, Newest)
"""Lookups that are answered by rows of ours, whole; the rest is asked of the store."""


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
    """Reads the live runs of one site. Make one per page; it remembers what it has read.

    A kind of lookup that could not be read is not read again: whoever needs it is told the same.
    """

    def __init__(
        self,
        *,
        store: Store | None,
        runs: Mapping[str, LiveRun],
        to_key: Callable[[Any], Key | None],
        using: str,
        site: int = 1,
    ) -> None:
        self.store = store
        self.runs = runs
        self.personal = runs.get("personal")
        self._to_key = to_key
        self._using = using
        self._site = site
        self._known: dict[Lookup, Sequence[Scored]] = {}
        self._rows: dict[Lookup, lists.Row] = {}
        """Lists that nobody has looked into yet."""
        self._near: dict[Key, lists.Row | None] = {}
        """Neighbours that were worked out ahead; None where there are none."""
        self._broken: dict[type[Lookup], Exception] = {}

    def history(self, shopper: uuid.UUID, limit: int) -> History:
        """The shopper's newest events, with vectors of the live personal run where there is one."""
        if self.store is None or self.personal is None:
            return self.events(shopper, limit)
        return self.store.history(self.personal.handle, shopper, limit)

    def events(self, shopper: uuid.UUID, limit: int) -> History:
        """The same without vectors."""
        events = lists.events(shopper, limit, site=self._site, using=self._using)
        return History(events=events, vector=None)

    def purchases(self, shopper: uuid.UUID, limit: int) -> tuple[PastEvent, ...]:
        """The shopper's newest purchases, however long ago; without vectors."""
        return lists.purchases(shopper, limit, site=self._site, using=self._using)

    def left_out(
        self, shopper: uuid.UUID, since: dt.datetime | None, limit: int
    ) -> list[tuple[Key, EventKind]]:
        """What the shopper bought after `since` or dismissed, however long ago."""
        return lists.left_out(shopper, since, limit, site=self._site, using=self._using)

    def run_of(self, lookup: Lookup) -> LiveRun | None:
        """The live run that answers `lookup`; None where none does, or none is needed."""
        if isinstance(lookup, Ranked):
            return self.runs.get(lookup.of)
        if isinstance(lookup, Related):
            return self.runs.get("behaviour")
        return self.personal if isinstance(lookup, Nearest | Neighbours) else None

    def can(self, lookup: Lookup) -> bool:
        """Is there anything to read the answer from?"""
        return isinstance(lookup, Linked | Newest) or self.run_of(lookup) is not None

    def broke(self, kinds: Iterable[type[Lookup]], error: Exception) -> None:
        """Lookups of these kinds could not be read."""
        self._broken |= dict.fromkeys(kinds, error)

    def answer(
        self, lookups: Iterable[Lookup], within: Within | None = None, *, ahead: bool = False
    ) -> Answers:
        """An answer per lookup, in order; lists know no `within` and are read whole.

        `ahead` asks for no more neighbours than were worked out ahead. Raises what the database or
        the store raises.
        """
        asked = tuple(lookups)
        wanted = asked if within is None else [one for one in asked if isinstance(one, LISTS)]
        self.read_lists(wanted)
        self.read_store([one for one in wanted if not (ahead and isinstance(one, Neighbours))])
        return {lookup: self._one(lookup, within) for lookup in asked}

    def read_lists(self, lookups: Iterable[Lookup]) -> None:
        """Learn what lists say, all in one statement, and what is new in another."""
        missing = self._missing(lookups, (*LISTS, Neighbours))
        parts = self._parts(missing)
        if parts:
            self._learn(missing, lists.fetch(parts, self._using))
        new = [one for one in missing if isinstance(one, Newest)]
        if new:
            self._read_newest(new)

    def read_store(self, lookups: Iterable[Lookup]) -> None:
        """Learn what the store says: one statement for each lookup that no list answers."""
        if self.store is None or self.personal is None:
            return
        handle = self.personal.handle
        for one in self._missing(lookups, (Nearest, Neighbours)):
            if isinstance(one, Nearest):
                self._known[one] = self.store.nearest(handle, one.vector, one.k)
            elif isinstance(one, Neighbours) and not self._is_ahead(one):
                self._known[one] = self.store.neighbours(handle, one.key, one.k)

    def _missing(self, lookups: Iterable[Lookup], kinds: tuple[type[Lookup], ...]) -> list[Lookup]:
        """Those of `kinds` that are not known. Raises what made one of them unknowable."""
        found = [
            one
            for one in dict.fromkeys(lookups)
            if isinstance(one, kinds) and one not in self._known and one not in self._rows
        ]
        for one in found:
            if (error := self._broken.get(type(one))) is not None:
                raise error
        return [one for one in found if self.can(one)]

    def _parts(self, missing: Sequence[Lookup]) -> list[lists.Part]:
        parts = []
        if ranked := [one for one in missing if isinstance(one, Ranked)]:
            parts.append(lists.ranked((self.runs[one.of].run, one.segment) for one in ranked))
        if related := [one for one in missing if isinstance(one, Related)]:
            wanted = [(one.relation, one.key) for one in related]
            parts.append(lists.related(self.runs["behaviour"].run, wanted, self._using))
        if linked := [one.key for one in missing if isinstance(one, Linked)]:
            parts.append(lists.linked(self._site, linked, self._using))
        if near := self._not_near(missing):
            assert self.personal is not None
            parts.append(lists.near(self.personal.run, near, self._using))
        return parts

    def _not_near(self, missing: Sequence[Lookup]) -> list[Key]:
        """Products of which it is not known yet whether their neighbours were worked out ahead."""
        if self.personal is None or not self.personal.list_depth:
            return []
        keys = dict.fromkeys(one.key for one in missing if isinstance(one, Neighbours))
        return [key for key in keys if key not in self._near]

    def _learn(self, asked: Sequence[Lookup], rows: Iterable[lists.Row]) -> None:
        """What was asked and has no row is known to be empty."""
        kinds = {run.run: kind for kind, run in self.runs.items()}
        self._near |= dict.fromkeys(self._not_near(asked))
        self._known |= {one: () for one in asked if isinstance(one, Ranked | Related | Linked)}
        for row in rows:
            if row.kind == "near":
                self._near[row.key] = row
            elif row.kind == "linked":
                self._link(Linked(key=row.key), row)
            elif row.kind == "related":
                self._keep(Related(relation=row.name, key=row.key), row)
            else:
                self._keep(Ranked(segment=row.name, of=kinds[row.run]), row)

    def _keep(self, lookup: Lookup, row: lists.Row) -> None:
        self._known.pop(lookup, None)
        self._rows[lookup] = row

    def _link(self, lookup: Linked, row: lists.Row) -> None:
        before = self._known.get(lookup, ())
        if row.target is not None:
            entry = Scored(key=row.target, score=1.0 / (1 + len(before)))
            self._known[lookup] = (*before, entry)

    def _read_newest(self, wanted: Sequence[Newest]) -> None:
        rows = lists.newest(
            max(one.k for one in wanted),
            by_category=any(one.category for one in wanted),
            site=self._site,
            using=self._using,
        )
        now = clock.now()
        for one in wanted:
            inside = [row for row in rows if not one.category or _is_in(one.category, row[2])]
            self._known[one] = [
                Scored(key=key, score=-(now - at).total_seconds() / DAY)
                for key, at, _ in inside[: one.k]
            ]

    # --- what is remembered --------------------------------------------------------------------

    def _one(self, lookup: Lookup, within: Within | None) -> Sequence[Scored]:
        if isinstance(lookup, LISTS) or within is None:
            return self._remembered(lookup)
        if self.store is None or self.personal is None:
            return ()
        handle = self.personal.handle
        if isinstance(lookup, Nearest):
            return self.store.nearest(handle, lookup.vector, lookup.k, within=within)
        assert isinstance(lookup, Neighbours)
        return self.store.neighbours(handle, lookup.key, lookup.k, within=within)

    def _is_ahead(self, lookup: Neighbours) -> bool:
        """Does a list answer it, whole?"""
        depth = self.personal.list_depth if self.personal else 0
        return lookup.k <= depth and self._near.get(lookup.key) is not None

    def _remembered(self, lookup: Lookup) -> Sequence[Scored]:
        if lookup in self._known:
            return self._known[lookup]
        if isinstance(lookup, Neighbours):
            row = self._near.get(lookup.key)
            return self._entries(row)[: lookup.k] if row is not None else ()
        row = self._rows.pop(lookup, None)
        if row is not None:
            self._known[lookup] = self._entries(row)
        return self._known.get(lookup, ())

    def _entries(self, row: lists.Row) -> list[Scored]:
        """Without pairs of fewer shoppers than RECO_MIN_PAIR_SHOPPERS, which may have been raised since."""
        keys, scores, facts = row.entries()
        others = facts.get(BESIDE, ())
        figures = [(name, column) for name, column in facts.items() if name != BESIDE]
        fewest = conf.settings.MIN_PAIR_SHOPPERS
        found = []
        for place, (raw, score) in enumerate(zip(keys, scores, strict=False)):
            key = self._key(raw)
            own = {name: column[place] for name, column in figures if place < len(column)}
            if key is not None and own.get("shoppers", fewest) >= fewest:
                other = others[place] if place < len(others) else None
                found.append(Scored(key=key, score=float(score), facts=own, beside=other))
        return found

    def _key(self, raw: Any) -> Key | None:
        try:
            return self._to_key(raw)
        except (TypeError, ValueError, ValidationError):
            return None


def _is_in(category: str, paths: Iterable[str]) -> bool:
    return any(path == category or path.startswith(f"{category} > ") for path in paths)
