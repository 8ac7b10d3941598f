"""What a source is asked, what it looks up, and what it hands back. No source runs SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

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
    bought: tuple[PastEvent, ...] = ()
    """What they bought, newest first, further back than `events`; empty where `events` tell it all."""
    now: dt.datetime | None = None
    interests: tuple[tuple[str, str], ...] = ()
    """What the shopper said they like: ('category', path) or ('brand', name)."""
    blends: int = 0
    """Of how many of their newest products a learnt blend may be asked; 0: none is live."""
    context: Context = field(default_factory=Context)


VECTORS = ("personal", "visual")
"""Kinds of run that have vectors, each in a space of its own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """The `k` items of the live run of kind `of` with the largest inner product with `vector`: the very
    same array, not one like it."""

    vector: Floats
    k: int
    of: str = "personal"
    """One of VECTORS; `vector` is of that run's space."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Nearest):
            return False
        return self.vector is other.vector and (self.k, self.of) == (other.k, other.of)

    def __hash__(self) -> int:
        return hash((id(self.vector), self.k, self.of))


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbours:
    """The `k` items of the live run of kind `of` with the largest cosine with item `key`."""

    key: Key
    k: int
    of: str = "personal"
    """One of VECTORS: 'visual' is by what the products look like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """The ranked list of the live run of kind `of` for one segment: '' is the whole shop."""

    segment: str
    of: str = "popular"
    """'popular', 'trending', 'converting', 'tail', 'sale', 'brands', 'categories'; 'blend': what
    is a candidate for everybody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Related:
    """What goes with item `key`: the list of the live run of kind `of`."""

    relation: str
    key: Key
    of: str = "behaviour"
    """'behaviour', or 'blend': everyone whom any member of the blend puts beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blended:
    """The `k` items that the live blend puts first for whoever met `keys`, newest first; never one of these.

    Answers name in `beside` the one of `keys` that speaks loudest for them, None where none does.
    """

    keys: tuple[Key, ...]
    steps: tuple[int, ...]
    """(len(keys),) how many baskets ago."""
    k: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """What a merchandiser linked to item `key`, in order."""

    key: Key


@dataclass(frozen=True, kw_only=True, slots=True)
class Newest:
    """The `k` items that became available last, within RECO_NEW_DAYS, in one category or in all.

    Scores are days of age, negated, so that the newest has the largest.
    """

    k: int
    category: str = ""


Lookup: TypeAlias = Nearest | Neighbours | Ranked | Related | Blended | Linked | Newest
Answers: TypeAlias = Mapping[Lookup, Sequence[Scored]]


class Source(Protocol):
    """One way to find candidates. Stateless: the same query states the same lookups."""

    name: ClassVar[str]
    rung: ClassVar[Rung]
    goes_by: ClassVar[frozenset[str]]
    """The fields of a Query it looks at: what nobody goes by need not be read."""

    def lookups(self, query: Query) -> tuple[Lookup, ...]:
        """What has to be read. It may be nothing where the shopper's own events tell it all: no
        lookups and no candidates mean that the query gives this source nothing to go by."""
        ...

    def candidates(self, query: Query, answers: Answers) -> list[Candidate]:
        """Candidates, best first, each key once.

        `answers` may hold those of a whole page, and may lack some of what was asked.
        """
        ...


@runtime_checkable
class ByTaste(Protocol):
    """What a source may have besides: its candidates are better offered in the shopper's own order.

    Where the shopper's vector and those of the candidates are known, see `retrieval.taste.by_taste`.
    """

    by_taste: ClassVar[bool]


@runtime_checkable
class Following(Protocol):
    """What a source may have besides: lookups that only the answers to its first ones can tell.

    They cost a page one statement more; so there are none where the first answers are enough.
    """

    def following(self, query: Query, answers: Answers) -> tuple[Lookup, ...]: ...


@runtime_checkable
class Needing(Protocol):
    """What a source may have besides: a kind of run without which it has nothing to say.

    While none is live it is passed over, and nothing is read for it.
    """

    needs: ClassVar[str]


def chain(category: str, separator: str = " > ") -> tuple[str, ...]:
    """The path and its ancestors, narrowest first: 'A > B' gives ('A > B', 'A')."""
    names = [name for name in category.split(separator) if name]
    return tuple(separator.join(names[:depth]) for depth in range(len(names), 0, -1))


def segment_of(facet: str, value: str) -> str:
    """The segment of the ranked lists for a category path or a brand: 'A > B', 'brand:Acme'."""
    return value if facet == "category" else f"{facet}:{value}"
