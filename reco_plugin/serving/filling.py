"""A slate being filled: tiles in order, no product and no group twice, never more than the limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reco_plugin.types import Candidate, ItemFacts, Key, SlateItem


class Room(Protocol):
    """Says whether there is room for one more product like this; see `ranking.caps.Caps`."""

    def room(self, facts: ItemFacts) -> bool: ...

    def take(self, facts: ItemFacts) -> None: ...


@dataclass(kw_only=True)
class Filling:
    limit: int
    items: list[SlateItem] = field(default_factory=list)
    groups: set[Key] = field(default_factory=set)
    """Groups that are shown already: by this slate, or by another of the same page."""
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds spent on each source that was tried."""
    is_out: bool = False
    """The database was slow, or not to be reached."""
    was_answered: bool = False
    """It answered at least one statement."""
    caps: Room | None = None
    anchor: Key | None = None
    """The product that the whole slate is about, where that is not the page's own."""

    _own: list[Key] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.limit - len(self.items)

    def note(self, text: str) -> None:
        """Remember why a better source did not answer."""
        if text not in self.notes:
            self.notes.append(text)

    def take(
        self,
        candidates: Iterable[Candidate],
        live: Mapping[Key, tuple[Any, Key]],
        runs: Mapping[str, int | None],
        *,
        is_fallback: bool = False,
        facts: Mapping[Key, ItemFacts] | None = None,
    ) -> int:
        """Add those candidates that are live, in order, until the slate is full; returns how many.

        `runs` has the number of the run behind each source.
        """
        before = len(self.items)
        for candidate in candidates:
            if self.missing <= 0:
                break
            product, group = live.get(candidate.key, (None, None))
            if product is None or group in self.groups:
                continue
            if self._has_room(candidate.key, facts or {}):
                self.groups.add(group)
                self._own.append(group)
                self.items.append(self._item(candidate, product, runs, is_fallback))
        return len(self.items) - before

    def give_back(self) -> None:
        """Show nothing after all: what was taken is free for other slates of the page."""
        self.groups.difference_update(self._own)
        self._own.clear()
        self.items.clear()

    def _has_room(self, key: Key, facts: Mapping[Key, ItemFacts]) -> bool:
        if self.caps is None:
            return True
        known = facts.get(key) or ItemFacts(key=key)
        if not self.caps.room(known):
            return False
        self.caps.take(known)
        return True

    def _item(
        self,
        candidate: Candidate,
        product: Any,
        runs: Mapping[str, int | None],
        is_fallback: bool,
    ) -> SlateItem:
        return SlateItem(
            product=product,
            key=candidate.key,
            position=len(self.items),
            score=candidate.score,
            source=candidate.source,
            rung=candidate.rung,
            reason=candidate.reason,
            is_fallback=is_fallback,
            run=runs.get(candidate.source),
            facts=candidate.facts,
            probability=candidate.probability,
        )
