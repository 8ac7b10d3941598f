"""Answers what sources look up, each lookup once per page, and all lists of a page in one statement.

Neighbours that were worked out ahead (see `jobs.score`) are such lists; the store is asked for those of
products that have none, and for more than a list holds.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.core.exceptions import ValidationError

from reco_plugin import clock, conf
from reco_plugin.pipeline import blending, lists
from reco_plugin.retrieval import Lookup, Nearest, Neighbours, Ranked
from reco_plugin.retrieval.base import VECTORS, Answers, Blended, Linked, Newest, Related
from reco_plugin.stores.base import Handle, History, PastEvent, Scored, Store, Within
from reco_plugin.types import EventKind, Key

DAY = 86_400.0
BESIDE = "with"
"""The fact of a rule that is no figure but a product."""
LISTS: tuple[type[Lookup], ...] = (Ranked, Related, Blended, Linked, Newest)
"""Lookups that are answered by rows of ours, whole; the rest is asked of the store."""


Subject: TypeAlias = tuple[type[Lookup], str]
"""A type of lookup and, of vectors, the kind of run: what can break by itself."""


def subject(lookup: Lookup) -> Subject:
    """What a lookup fails with."""
    return type(lookup), lookup.of if isinstance(lookup, Nearest | Neighbours) else ""


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
        stores: Mapping[str, Store],
        runs: Mapping[str, LiveRun],
        to_key: Callable[[Any], Key | None],
        using: str,
        site: int = 1,
    ) -> None:
        """`stores`: those of the live runs that have vectors, by kind of run."""
        self.stores = stores
        self.runs = runs
        self._to_key = to_key
        self._using = using
        self._site = site
        self._known: dict[Lookup, Sequence[Scored]] = {}
        self._rows: dict[Lookup, lists.Row] = {}
        """Lists that nobody has looked into yet."""
        self._near: dict[tuple[str, Key], lists.Row | None] = {}
        """Neighbours that were worked out ahead, by kind of run and product; None where there are none."""
        self._broken: dict[Subject, Exception] = {}

    @property
    def personal(self) -> LiveRun | None:
        return self.runs.get("personal")

    @property
    def store(self) -> Store | None:
        """That of the live personal run."""
        return self.stores.get("personal")

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

    @property
    def blend(self) -> LiveRun | None:
        """The live blend, where a page may ask it."""
        return self.runs.get(blending.KIND) if self.blends else None

    @property
    def blends(self) -> int:
        """Of how many of a shopper's newest products the live blend may be asked; 0 for none."""
        run = self.runs.get(blending.KIND)
        return blending.newest(run.run, run.config) if run is not None else 0

    def run_of(self, lookup: Lookup) -> LiveRun | None:
        """The live run that answers `lookup`; None where none does, or none is needed."""
        if isinstance(lookup, Blended):
            return self.blend
        if isinstance(lookup, Ranked | Related):
            return self.runs.get(lookup.of)
        if isinstance(lookup, Nearest | Neighbours) and lookup.of in VECTORS:
            return self.runs.get(lookup.of)
        return None

    def can(self, lookup: Lookup) -> bool:
        """Is there anything to read the answer from?"""
        return isinstance(lookup, Linked | Newest) or self.run_of(lookup) is not None

    def broke(self, subjects: Iterable[Subject], error: Exception) -> None:
        """What is read for such lookups could not be read."""
        self._broken |= dict.fromkeys(subjects, error)

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
        missing = self._missing(_laid_open(self._missing(lookups, (*LISTS, Neighbours))))
        parts = self._parts(missing)
        if parts:
            self._learn(missing, lists.fetch(parts, self._using))
        new = [one for one in missing if isinstance(one, Newest)]
        if new:
            self._read_newest(new)

    def read_store(self, lookups: Iterable[Lookup]) -> None:
        """Learn what the store says: one statement for each lookup that no list answers."""
        for one in self._missing(lookups, (Nearest, Neighbours)):
            if isinstance(one, Nearest | Neighbours) and not self._is_ahead(one):
                self._known[one] = self._asked(one)

    def _missing(
        self, lookups: Iterable[Lookup], kinds: tuple[type, ...] = (object,)
    ) -> list[Lookup]:
        """Those of `kinds` that are not known. Raises what made one of them unknowable."""
        found = [
            one
            for one in dict.fromkeys(lookups)
            if isinstance(one, kinds) and one not in self._known and one not in self._rows
        ]
        for one in found:
            if (error := self._broken.get(subject(one))) is not None:
                raise error
        return [one for one in found if self.can(one)]

    def _parts(self, missing: Sequence[Lookup]) -> list[lists.Part]:
        parts = []
        if ranked := [one for one in missing if isinstance(one, Ranked)]:
            parts.append(lists.ranked((self.runs[one.of].run, one.segment) for one in ranked))
        if related := [one for one in missing if isinstance(one, Related)]:
            wanted = [(self.runs[one.of].run, one.relation, one.key) for one in related]
            parts.append(lists.related(wanted, self._using))
        if linked := [one.key for one in missing if isinstance(one, Linked)]:
            parts.append(lists.linked(self._site, linked, self._using))
        if near := self._not_near(missing):
            parts.append(lists.near(((self.runs[of].run, key) for of, key in near), self._using))
        return parts

    def _not_near(self, missing: Sequence[Lookup]) -> list[tuple[str, Key]]:
        """Products of which it is not known yet whether their neighbours were worked out ahead, and by
        which kind of run."""
        wanted = dict.fromkeys(
            (one.of, one.key)
            for one in missing
            if isinstance(one, Neighbours) and self._depth(one.of)
        )
        return [each for each in wanted if each not in self._near]

    def _depth(self, of: str) -> int:
        """How many neighbours the live run of kind `of` has ahead."""
        run = self.runs.get(of)
        return run.list_depth if run else 0

    def _learn(self, asked: Sequence[Lookup], rows: Iterable[lists.Row]) -> None:
        """What was asked and has no row is known to be empty."""
        kinds = {run.run: kind for kind, run in self.runs.items()}
        self._near |= dict.fromkeys(self._not_near(asked))
        self._known |= {one: () for one in asked if isinstance(one, Ranked | Related | Linked)}
        for row in rows:
            if row.kind == "near":
                self._near[kinds[row.run], row.key] = row
            elif row.kind == "linked":
                self._link(Linked(key=row.key), row)
            elif row.kind == "related":
                self._keep(Related(relation=row.name, key=row.key, of=kinds[row.run]), row)
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
        assert isinstance(lookup, Nearest | Neighbours)
        return self._asked(lookup, within)

    def _asked(
        self, lookup: Nearest | Neighbours, within: Within | None = None
    ) -> Sequence[Scored]:
        """What the store of the run of that kind says, and no other run's: their spaces differ."""
        run, store = self.run_of(lookup), self.stores.get(lookup.of)
        if run is None or store is None:
            return ()
        if isinstance(lookup, Nearest):
            return store.nearest(run.handle, lookup.vector, lookup.k, within=within)
        return store.neighbours(run.handle, lookup.key, lookup.k, within=within)

    def _is_ahead(self, lookup: Nearest | Neighbours) -> bool:
        """Does a list answer it, whole?"""
        if isinstance(lookup, Nearest):
            return False
        row = self._near.get((lookup.of, lookup.key))
        return lookup.k <= self._depth(lookup.of) and row is not None

    def _remembered(self, lookup: Lookup) -> Sequence[Scored]:
        if lookup in self._known:
            return self._known[lookup]
        if isinstance(lookup, Blended):
            self._known[lookup] = self._blended(lookup)
            return self._known[lookup]
        if isinstance(lookup, Neighbours):
            row = self._near.get((lookup.of, lookup.key))
            return self._entries(row)[: lookup.k] if row is not None else ()
        row = self._rows.get(lookup)
        if row is not None:
            self._known[lookup] = self._entries(row)
        return self._known.get(lookup, ())

    def _blended(self, lookup: Blended) -> Sequence[Scored]:
        run = self.blend
        if run is None:
            return ()
        found = {one: self._rows.get(one) for one in blending.lookups(lookup)}
        rows = {
            one.key: row
            for one, row in found.items()
            if isinstance(one, Related) and row is not None
        }
        beside = found[blending.FOR_ALL]
        return blending.answered(
            lookup, run=run.run, config=run.config, rows=rows, beside=beside, to_key=self._key
        )

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


def _laid_open(lookups: Iterable[Lookup]) -> Iterator[Lookup]:
    """With the rows that a blend is made of in its place."""
    for one in lookups:
        if isinstance(one, Blended):
            yield from blending.lookups(one)
        else:
            yield one


def _is_in(category: str, paths: Iterable[str]) -> bool:
    return any(path == category or path.startswith(f"{category} > ") for path in paths)
