"""What a source is asked, what it looks up, and what it hands back. No source runs SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeAlias

from reco_plugin.stores.base import PastEvent, Scored
from reco_plugin.types import Candidate, Context, Floats, Key, Rung


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """What is known of the question, without a request."""

    vector: Floats | None = None
    """(d,), unfolded: the shopper's taste."""
    anchors: tuple[Key, ...] = ()
    """Products to be similar to, the most telling first."""
    categories: tuple[str, ...] = ()
    """Category paths, the narrowest first."""
    k: int = 10
    """Candidates wanted of each lookup."""
    cart: tuple[Key, ...] = ()
    """What is in the cart, the newest first where that is known."""
    events: tuple[PastEvent, ...] = ()
    """What the shopper did, newest first."""
    now: dt.datetime | None = None
    interests: tuple[tuple[str, str], ...] = ()
    """What the shopper said they like: ('category', path) or ('brand', name)."""
    context: Context = field(default_factory=Context)


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """The `k` items of largest inner product with `vector`. Equal only to itself."""

    vector: Floats
    k: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbours:
    """The `k` items of largest cosine with item `key`."""

    key: Key
    k: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """The ranked list of the live run of kind `of` for one segment: '' is the whole shop."""

    segment: str
    of: str = "popular"
    """'popular', 'trending', 'converting', 'tail', 'sale', 'brands', 'categories'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Related:
    """What goes with item `key` in shoppers' behaviour: the live 'behaviour' run's list."""

    relation: str
    key: Key


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """What a merchandiser linked to item `key`, in order."""

    key: Key


@dataclass(frozen=True, kw_only=True, slots=True)
class Newest:
    """The `k` items that became available last, in one category or in all."""

    k: int
    category: str = ""


Lookup: TypeAlias = Nearest | Neighbours | Ranked | Related | Linked | Newest
Answers: TypeAlias = Mapping[Lookup, Sequence[Scored]]


class Source(Protocol):
    """One way to find candidates. Stateless."""

    name: ClassVar[str]
    rung: ClassVar[Rung]

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        """What has to be read; empty when the query gives this source nothing to go by."""
        ...

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """Candidates, best first, each key once."""
        ...


def chain(category: str, separator: str = " > ") -> tuple[str, ...]:
    """The path and its ancestors, narrowest first: 'A > B' gives ('A > B', 'A')."""
    names = [name for name in category.split(separator) if name]
    return tuple(separator.join(names[:depth]) for depth in range(len(names), 0, -1))
