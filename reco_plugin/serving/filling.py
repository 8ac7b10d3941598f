"""A slate being filled: tiles in order, no product and no group twice, never more than the limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reco_plugin.types import Candidate, Key, Rung, SlateItem


@dataclass(kw_only=True)
class Filling:
    limit: int
    first: Rung
    """The rung that was wanted; items of any other are fallbacks."""
    items: list[SlateItem] = field(default_factory=list)
    groups: set[Key] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    timings: dict[Rung, float] = field(default_factory=dict)
    """Seconds spent on each rung that was tried."""
    is_out: bool = False
    """The database was slow, or not to be reached."""
    was_answered: bool = False
    """It answered at least one statement."""

    @property
    def missing(self) -> int:
        return self.limit - len(self.items)

    def note(self, text: str) -> None:
        """Remember why a better rung did not answer."""
        if text not in self.notes:
            self.notes.append(text)

    def take(
        self,
        candidates: Iterable[Candidate],
        live: Mapping[Key, tuple[Any, Key]],
        run: int | None,
    ) -> int:
        """Add those candidates that are live, in order, until the slate is full; returns how many."""
        before = len(self.items)
        for candidate in candidates:
            if self.missing <= 0:
                break
            product, group = live.get(candidate.key, (None, None))
            if product is not None and group not in self.groups:
                self.groups.add(group)
                self.items.append(self._item(candidate, product, run))
        return len(self.items) - before

    def _item(self, candidate: Candidate, product: Any, run: int | None) -> SlateItem:
        return SlateItem(
            product=product,
            key=candidate.key,
            position=len(self.items),
            score=candidate.score,
            source=candidate.source,
            rung=candidate.rung,
            reason=candidate.reason,
            is_fallback=candidate.rung is not self.first,
            run=run,
        )
