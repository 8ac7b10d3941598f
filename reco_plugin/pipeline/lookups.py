"""Answers what sources look up: one statement per kind of lookup, each lookup once per page.

Neighbours that were worked out ahead (see `jobs.score`) are read as lists, all of a page in one
statement; the store is asked for those of products that have none, and for more than a list holds.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.exceptions import ValidationError

from reco_plugin import clock
from reco_plugin.pipeline import lists
from reco_plugin.retrieval import Lookup, Nearest, Neighbours, Ranked
from reco_plugin.retrieval.base import Answers, Linked, Newest, Related
from reco_plugin.stores.base import Handle, History, PastEvent, Scored, Store, Within
from reco_plugin.types import Key

L = TypeVar("L", bound=Lookup)
DAY = 86_400.0
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
        self._near: dict[Key, Sequence[Scored] | None] = {}
        self._broken: dict[type[Lookup], Exception] = {}

    def history(self, shopper: uuid.UUID, limit: int) -> History:
        """The shopper's newest events, with vectors of the live personal run."""
        if self.store is None:
            return History(events=(), vector=None)
        handle = self.personal.handle if self.personal else None
        return self.store.history(handle, shopper, limit)

    def purchases(self, shopper: uuid.UUID, limit: int) -> tuple[PastEvent, ...]:
        """The shopper's newest purchases, however long ago; without vectors."""
        return lists.purchases(shopper, limit, site=self._site, using=self._using)

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

    def broke(self, kind: type[Lookup], error: Exception) -> None:
        """Lookups of this kind could not be read."""
        self._broken[kind] = error

    def answer(
        self, lookups: Iterable[Lookup], within: Within | None = None, *, ahead: bool = False
    ) -> Answers:
        """An answer per lookup, in order; lists know no `within` and are read whole.

        `ahead` asks for no more neighbours than were worked out ahead. Raises what the database or
        the store raises.
        """
        asked = tuple(lookups)
        self.read(
            asked if within is None else [one for one in asked if isinstance(one, LISTS)],
            ahead=ahead,
        )
        return {lookup: self._one(lookup, within) for lookup in asked}

    def read(self, lookups: Iterable[Lookup], *, ahead: bool = False) -> None:
        """Learn the answers to those that are not known, merged: one statement per kind of list."""
        missing = [one for one in dict.fromkeys(lookups) if one not in self._known]
        for kind, ask in self._ways(ahead).items():
            wanted = [one for one in missing if isinstance(one, kind) and self.can(one)]
            if wanted:
                self._raise_if_broken(kind)
                ask(wanted)

    def _ways(self, ahead: bool) -> dict[type[Lookup], Callable[[Any], None]]:
        return {
            Ranked: self._read_ranked,
            Related: self._read_related,
            Linked: self._read_linked,
            Newest: self._read_newest,
            Neighbours: self._read_ahead if ahead else self._read_neighbours,
            Nearest: self._read_nearest,
        }

    def _raise_if_broken(self, kind: type[Lookup]) -> None:
        if (error := self._broken.get(kind)) is not None:
            raise error

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

    def _remembered(self, lookup: Lookup) -> Sequence[Scored]:
        if lookup not in self._known and isinstance(lookup, Neighbours):
            return (self._near.get(lookup.key) or ())[: lookup.k]
        return self._known.get(lookup, ())

    # --- one kind of lookup each ---------------------------------------------------------------

    def _read_ranked(self, wanted: Sequence[Ranked]) -> None:
        kinds = {run.run: kind for kind, run in self.runs.items()}
        pairs = [(self.runs[one.of].run, one.segment) for one in wanted]
        rows = lists.ranked(pairs, using=self._using)
        self._learn(
            wanted,
            {Ranked(segment=row[1], of=kinds[row[0]]): self._scored(*row[2:]) for row in rows},
        )

    def _read_related(self, wanted: Sequence[Related]) -> None:
        run = self.runs["behaviour"].run
        rows = lists.related(run, [(one.relation, one.key) for one in wanted], using=self._using)
        self._learn(
            wanted,
            {Related(relation=row[0], key=row[1]): self._scored(*row[2:]) for row in rows},
        )

    def _read_linked(self, wanted: Sequence[Linked]) -> None:
        found: dict[Key, list[Scored]] = {}
        for key, target in lists.linked(
            [one.key for one in wanted], site=self._site, using=self._using
        ):
            entries = found.setdefault(key, [])
            entries.append(Scored(key=target, score=1.0 / (1 + len(entries))))
        self._learn(wanted, {Linked(key=key): entries for key, entries in found.items()})

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

    def _read_neighbours(self, wanted: Sequence[Neighbours]) -> None:
        assert self.personal is not None
        self._read_ahead([one for one in wanted if one.k <= self.personal.list_depth])
        for one in wanted:
            near = self._near.get(one.key) if one.k <= self.personal.list_depth else None
            if near is not None:
                self._known[one] = near[: one.k]
            elif self.store is not None:
                self._known[one] = self.store.neighbours(self.personal.handle, one.key, one.k)

    def _read_ahead(self, wanted: Sequence[Neighbours]) -> None:
        """The lists of those products whose neighbours were worked out ahead."""
        missing = {one.key for one in wanted} - self._near.keys()
        if missing and self.personal is not None and self.personal.list_depth:
            rows = lists.neighbours(self.personal.run, missing, using=self._using)
            found = {key: self._scored(keys, scores) for key, keys, scores in rows}
            self._near |= dict.fromkeys(missing) | found

    def _read_nearest(self, wanted: Sequence[Nearest]) -> None:
        assert self.personal is not None
        for one in wanted:
            if self.store is not None:
                self._known[one] = self.store.nearest(self.personal.handle, one.vector, one.k)

    def _learn(self, wanted: Sequence[L], found: Mapping[L, Sequence[Scored]]) -> None:
        self._known |= {one: found.get(one, ()) for one in wanted}

    def _scored(
        self,
        keys: Sequence[Any],
        scores: Sequence[float],
        facts: Mapping[str, Sequence[float]] | None = None,
    ) -> list[Scored]:
        found = []
        for place, (raw, score) in enumerate(zip(keys, scores, strict=False)):
            key = self._key(raw)
            if key is not None:
                own = {name: column[place] for name, column in (facts or {}).items()}
                found.append(Scored(key=key, score=float(score), facts=own))
        return found

    def _key(self, raw: Any) -> Key | None:
        try:
            return self._to_key(raw)
        except (TypeError, ValueError, ValidationError):
            return None


def _is_in(category: str, paths: Iterable[str]) -> bool:
    return any(path == category or path.startswith(f"{category} > ") for path in paths)
