"""The values that travel between rooms: frozen, keyword-only, free of Django."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy import sparse  # half the time that a small process takes to start

Key: TypeAlias = Hashable
"""A product's primary key, of whatever type the shop gave it: int, UUID or str."""

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]


class EventKind(enum.IntEnum):
    """What a shopper did. The number is stored, `ga4` is the Google Analytics 4 name."""

    VIEW_ITEM = 1
    SELECT_ITEM = 2
    ADD_TO_CART = 3
    REMOVE_FROM_CART = 4
    ADD_TO_WISHLIST = 5
    PURCHASE = 6
    REFUND = 7
    RATE_ITEM = 8
    DISMISS_ITEM = 9
    SEARCH = 10

    @property
    def ga4(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, name: str | EventKind) -> EventKind:
        """Accept a member or a GA4 name; raise ValueError naming the choices otherwise."""
        if isinstance(name, EventKind):
            return name
        try:
            return cls[name.upper()]
        except KeyError:
            choices = ", ".join(kind.ga4 for kind in cls)
            raise ValueError(f"{name!r} is not an event kind; choose from {choices}") from None


class EventSource(enum.IntEnum):
    """How an event reached us."""

    SIGNAL = 1
    TRACK = 2
    ORDER_SYNC = 3
    BACKFILL = 4
    CLICK = 5
    API = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Shopper:
    """Who is asking or acting. `id` is the accountable identity, for users and guests alike."""

    id: uuid.UUID
    user: Key | None = None
    is_new: bool = False
    """True when the visitor id was made in this very request: there can be no history yet."""


DEVICES = ("mobile", "tablet", "desktop")
"""Classes of device that are told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopEvent:
    """One thing a shopper did, as capture writes it."""

    event_id: uuid.UUID
    kind: EventKind
    shopper: Shopper
    occurred_at: dt.datetime
    """Aware, UTC."""
    site: int = 1
    product: Key | None = None
    """None only for SEARCH."""
    quantity: int = 1
    price: Decimal | None = None
    """Price of one unit, from the server, never from a client."""
    currency: str = ""
    order: str = ""
    """The shop's own reference of the order, for PURCHASE and REFUND."""
    rating: float | None = None
    """0..1, for RATE_ITEM."""
    query: str = ""
    source: EventSource = EventSource.TRACK
    device: str = ""
    """One of DEVICES; '' where it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogItem:
    """What the shop's Catalog says of one product, in schema.org words."""

    key: Key
    title: str = ""
    description: str = ""
    categories: tuple[str, ...] = ()
    """Paths from the root, separated by ' > ', e.g. 'Women > Shoes > Boots'."""
    brand: str = ""
    price: float | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Guard attributes (gender, age_group, adult) and other facts (colour, season)."""
    group: Key | None = None
    """Key of the canonical product, for a variant; None when the product stands for itself."""
    available_since: dt.datetime | None = None
    sensitive: bool = False


# --- what trainers see ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class IdMap:
    """A frozen, two-way map between keys and dense row numbers.

    `keys` is int64 for integer keys, V16 (raw bytes) for UUIDs, or a unicode array for text; shape (n,).
    """

    keys: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, row: int) -> Key:
        return self._to_python(self.keys[row])

    def to_python(self) -> list[Key]:
        """All keys in row order, as the Python values Django uses."""
        if self.keys.dtype.kind == "V":
            raw = self.keys.tobytes()
            return [uuid.UUID(bytes=raw[at : at + 16]) for at in range(0, len(raw), 16)]
        return list(self.keys.tolist())

    def row(self, key: Key) -> int | None:
        """The row of `key`, or None when it is unknown."""
        return self._rows.get(key)

    @cached_property
    def _rows(self) -> dict[Key, int]:
        return {key: row for row, key in enumerate(self.to_python())}

    def _to_python(self, value: Any) -> Key:
        return uuid.UUID(bytes=value.tobytes()) if self.keys.dtype.kind == "V" else value.item()


def id_map(keys: Sequence[Key]) -> IdMap:
    """An IdMap from Python keys, all of one type."""
    if keys and isinstance(keys[0], uuid.UUID):
        raw = b"".join(key.bytes for key in keys)  # type: ignore[attr-defined]
        return IdMap(keys=np.frombuffer(raw, dtype="V16"))
    if keys and isinstance(keys[0], int):
        return IdMap(keys=np.asarray(keys, dtype=np.int64))
    return IdMap(keys=np.asarray([str(key) for key in keys], dtype=np.str_))


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Side features of shoppers or items: a row-normalised float32 CSR of shape (n, len(names)).

    The identity features are not in here: trainers that want them add them (LightFM always does).
    """

    matrix: sparse.csr_matrix
    names: tuple[str, ...]
    """e.g. 'category:Women > Shoes', 'brand:Acme', 'price:3', 'tag:new', 'text:leather'."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """What a trainer learns from. Rows of `interactions` are shoppers, columns are items."""

    interactions: sparse.csr_matrix
    """float32 (n_shoppers, n_items): positive weights, decayed, capped, net of refunds."""
    shoppers: IdMap
    items: IdMap
    item_features: Features | None = None
    shopper_features: Features | None = None
    holdout: sparse.csr_matrix | None = None
    """float32 0/1 of the same shape: what happened after the split, for early stopping."""


# --- what a merchandiser decides -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """One condition a product must meet. `field` is 'price', 'brand', 'category', 'tag' or an attribute."""

    field: str
    op: str
    """'is', 'is_not', 'in', 'not_in', 'at_least', 'at_most'; against the page's product: 'same',
    'differs', 'within' (price ± `value`, a share such as 0.2), 'cheaper', 'dearer'."""
    value: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KindShare:
    """A kind of recommendation, and how much of a placement is its."""

    kind: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class PlacementSpec:
    """What fills a spot on a page, and by which rules."""

    slug: str
    kinds: tuple[KindShare, ...]
    """In order; several are mixed by weight."""
    page: str = "other"
    order: int = 0
    title: str = ""
    fallback: tuple[str, ...] = ("popular",)
    """Kinds that fill up what is missing, in order."""
    min_items: int = 1
    max_items: int = 8
    filters: tuple[Filter, ...] = ()
    must_match: tuple[str, ...] = ()
    """Facts in which a product must agree with the page's product: 'gender', 'category' …"""
    must_differ: tuple[str, ...] = ()
    diversity: float = 0.0
    """0..1, the λ of maximal marginal relevance taken from relevance."""
    caps: Mapping[str, int] = field(default_factory=dict)
    """At most so many products of one 'brand', 'category' or attribute value."""
    rotate_after: int = 0
    """Times a product may be shown to one shopper without a click before it steps back; 0: ever."""
    explore: float = 0.0
    """Share of tiles given to new products, 0..1."""
    is_active: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemFacts:
    """What is known of a product as of the last sync: what filters, guards and caps look at."""

    key: Key
    brand: str = ""
    categories: tuple[str, ...] = ()
    price: float | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The circumstances of a request. '' or None: not known, and then nothing is steered by it."""

    device: str = ""
    """One of DEVICES, or what the shop's own hook says."""
    hour: int | None = None
    """0..23, local time of the shop."""
    weekday: int | None = None
    """0 is Monday."""
    locale: str = ""
    market: str = ""
    region: str = ""
    """As the shop's own hook says; never worked out from, or stored as, an IP address."""
    referrer: str = ""
    """Host only."""
    category: str = ""
    query: str = ""


# --- what serving speaks -------------------------------------------------------------------------


class Rung(enum.StrEnum):
    """The step of the fallback ladder an answer came from, best first."""

    PERSONAL = "personal"
    CONTEXTUAL = "contextual"
    POPULAR_IN_CATEGORY = "popular_in_category"
    POPULAR = "popular"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A product a source proposes."""

    key: Key
    score: float
    source: str
    """The source's name, e.g. 'personal', 'similar', 'popular'."""
    rung: Rung
    reason: str = ""
    """Machine-readable, e.g. 'similar_to:42'."""
    group: Key | None = None
    """Canonical product key; equal groups collapse to one tile."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """Figures behind it: 'support', 'confidence', 'lift', 'days' …"""
    probability: float | None = None
    """Chance that exploration put it here; None where nothing was left to chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlateItem:
    """One tile of an answer. `product` is the live instance from the shop's own table."""

    product: Any
    key: Key
    position: int
    """0-based, like GA4's index."""
    score: float
    source: str
    rung: Rung
    reason: str = ""
    is_fallback: bool = False
    run: int | None = None
    """The run this item came from; a slate filled from two rungs has items of two runs."""
    facts: Mapping[str, float] = field(default_factory=dict)
    probability: float | None = None
    """As in Candidate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slate:
    """An answer: an ordered list of live products, and where each came from."""

    id: uuid.UUID
    placement: str
    kind: str
    items: tuple[SlateItem, ...]
    rung: Rung
    """The best rung that gave an item; NOTHING when there are none."""
    run: int | None = None
    site: int = 1
    shopper: uuid.UUID | None = None
    notes: tuple[str, ...] = ()
    """Why a better rung did not answer, e.g. 'personal: no history', 'store: statement timeout'."""
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Milliseconds spent on each rung that was tried, by name."""
    title: str = ""
    """The heading a merchandiser gave it."""
    anchor: Key | None = None
    """The product that 'because you viewed' names."""
    titles: Mapping[Key, str] = field(default_factory=dict, compare=False)
    """Of products that reasons name, as far as they are known: see `serving.reasons`."""
    is_repeated: bool = False
    """Does another row of its page have its heading? Then it says the same otherwise."""

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Any:
        return iter(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def is_fallback(self) -> bool:
        """Is nothing in it of the kinds that were asked for?"""
        return all(item.is_fallback for item in self.items)

    @property
    def products(self) -> list[Any]:
        return [item.product for item in self.items]
