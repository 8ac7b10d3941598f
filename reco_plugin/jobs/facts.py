"""What the shop says of its products, as numbers: the facts that others of its products lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.jobs.lesson import number_of
from reco_plugin.models import Item
from reco_plugin.types import IdMap, Ints, Key

BATCH = 5_000
CATEGORY, BRAND = "category", "brand"
FEWEST = 50
"""Products that must have a fact, for it to be looked into."""
SHARED = 2.0
"""Products that a value of a fact must belong to on average: what names a single product cannot be seen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """One fact of all products."""

    name: str
    """'category', 'brand' or the name of a Catalog attribute."""
    words: tuple[str, ...]
    """Its values."""
    values: Ints
    """(n,) number of each product's (first) value; -1 where it has none, -2 for no product of the site."""
    others: Mapping[int, frozenset[int]]
    """Of products with several values, all of them."""

    @cached_property
    def known(self) -> npt.NDArray[np.int64]:
        """Rows of the products that have it."""
        return np.flatnonzero(self.values >= 0)

    @cached_property
    def empty(self) -> npt.NDArray[np.int64]:
        """Rows of the products that have it not."""
        return np.flatnonzero(self.values == -1)

    def right(self, rows: npt.NDArray[np.int64], guessed: Ints) -> npt.NDArray[np.bool_]:
        """Which of the `guessed` values the products in `rows` have."""
        held: npt.NDArray[np.bool_] = guessed == self.values[rows]
        for at, row in enumerate(rows.tolist()):
            held[at] = held[at] or int(guessed[at]) in self.others.get(row, ())
        return held


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What is known of some products, in their order."""

    fields: tuple[Field, ...]
    """Those that some products have and others lack."""
    groups: Ints
    """(n,) number of the group of variants each is of; its own, for most."""
    numbers: Ints
    """(n,) the number by which each is drawn for a hold-out, see `lesson.number_of`."""

    @classmethod
    def read(cls, site: int, items: IdMap) -> Self:
        """Of the Item rows of `items`, as of their last sync."""
        table: dict[str, dict[int, tuple[str, ...]]] = {CATEGORY: {}, BRAND: {}}
        is_item = np.zeros(len(items), np.bool_)
        groups: dict[Key, int] = {}
        member = np.arange(len(items), dtype=np.int32) + len(items)
        numbers = np.asarray([number_of(key) for key in items.to_python()], np.int32)
        for row, group, facts in _rows(site, items):
            is_item[row] = True
            if group is not None:
                member[row] = groups.setdefault(group, len(groups))
                numbers[row] = number_of(group)
            for name, values in facts:
                table.setdefault(name, {})[row] = values
        made = (_field(name, told, is_item) for name, told in table.items())
        return cls(fields=tuple(filter(None, made)), groups=member, numbers=numbers)


def _rows(
    site: int, items: IdMap
) -> Iterator[tuple[int, Key | None, list[tuple[str, tuple[str, ...]]]]]:
    """(row, group, facts) of each product."""
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    names = ("pk", "group_id", "categories", "brand", "attributes")
    for key, group, categories, brand, attributes in rows.values_list(*names).iterator(BATCH):
        row = items.row(key)
        if row is not None:
            yield row, group, list(_told(categories, brand, attributes))


def _told(
    categories: Any, brand: str, attributes: Mapping[str, Any] | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    facts: Iterable[tuple[str, Iterable[Any]]] = (
        *((name, (value,)) for name, value in (attributes or {}).items()),
        (CATEGORY, categories or ()),
        (BRAND, (brand,)),
    )
    for name, values in facts:
        words = tuple(word for value in values if (word := str(value).strip()))
        if words:
            yield name, words


def _field(
    name: str, told: Mapping[int, tuple[str, ...]], is_item: npt.NDArray[np.bool_]
) -> Field | None:
    """None for a fact that too few have, that none lacks, or that tells every product apart."""
    words = sorted({word for values in told.values() for word in values})
    if not FEWEST <= len(told) < is_item.sum() or len(told) < SHARED * len(words):
        return None
    number = {word: at for at, word in enumerate(words)}
    values = np.where(is_item, -1, -2).astype(np.int32)
    for row, own in told.items():
        values[row] = number[own[0]]
    others = {
        row: frozenset(number[word] for word in own) for row, own in told.items() if len(own) > 1
    }
    return Field(name=name, words=tuple(words), values=values, others=others)
