"""What the shop says of its products, as numbers for a network to learn: the most telling first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reco_plugin import conf
from reco_plugin.models import Item
from reco_plugin.types import Ints, Key

CATEGORY, DEPARTMENT, BRAND = "category", "department", "brand"
FEW = 5
"""Products that must share a value for it to be learnt; fewer, and it says nothing of how such things look."""
MOST_CLASSES = 500
"""Values of one attribute; what has more (a serial number, say) is no attribute of looks."""
MOST = 8
"""Attributes, beside category and brand: those that most products have."""
SEPARATOR = " > "
BATCH = 5_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Codes of products by attribute, and what they stand for."""

    codes: Mapping[str, Ints]
    """int32 (n,) by name, -1 unknown or too rare."""
    classes: Mapping[str, tuple[str, ...]]

    def rows(self, at: Ints) -> dict[str, Ints]:
        """The codes of some rows, e.g. for each picture those of its product."""
        return {name: codes[at] for name, codes in self.codes.items()}


def labels(site: int, keys: Sequence[Key]) -> Labels:
    """Of products, in the order of `keys`: category, department (its parent), brand, and Catalog attributes.

    Attributes that tell nothing apart are left out.
    """
    at = {key: row for row, key in enumerate(keys)}
    table: dict[str, dict[int, str]] = {CATEGORY: {}, DEPARTMENT: {}, BRAND: {}}
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    names = ("pk", "categories", "brand", "attributes")
    for key, categories, brand, attributes in rows.values_list(*names).iterator(BATCH):
        row = at.get(key)
        if row is not None:
            for name, value in _told(categories, brand, attributes):
                table.setdefault(name, {})[row] = value
    kept = [(name, told) for name in _ordered(table) if (told := _frequent(table[name]))]
    found = {name: _coded(told, len(keys)) for name, told in kept}
    return Labels(
        codes={name: codes for name, (codes, _) in found.items()},
        classes={name: values for name, (_, values) in found.items()},
    )


def _told(
    categories: Iterable[Any] | None, brand: str, attributes: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    for path in list(categories or ())[:1]:
        yield CATEGORY, str(path)
        parent = str(path).rpartition(SEPARATOR)[0]
        if parent:
            yield DEPARTMENT, parent
    if brand:
        yield BRAND, brand
    for name, value in (attributes or {}).items():
        if name not in (CATEGORY, DEPARTMENT, BRAND) and str(value).strip():
            yield str(name), str(value).strip()


def _ordered(table: Mapping[str, Mapping[int, str]]) -> list[str]:
    """What things are comes first, then what most products have a word for."""
    first = [CATEGORY, DEPARTMENT, BRAND]
    others = sorted((name for name in table if name not in first), key=lambda n: -len(table[n]))
    return [CATEGORY, DEPARTMENT, *others[:MOST], BRAND]


def _frequent(told: Mapping[int, str]) -> dict[int, str]:
    """Values that FEW share; nothing where that is one value, or too many to be of looks."""
    counts = Counter(told.values())
    kept = {row: value for row, value in told.items() if counts[value] >= FEW}
    return kept if 2 <= len(set(kept.values())) <= MOST_CLASSES else {}


def _coded(told: Mapping[int, str], n: int) -> tuple[Ints, tuple[str, ...]]:
    values = tuple(sorted(set(told.values())))
    numbers = {value: number for number, value in enumerate(values)}
    codes = np.full(n, -1, np.int32)
    for row, value in told.items():
        codes[row] = numbers[value]
    return codes, values
