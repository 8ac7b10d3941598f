"""A fashion catalogue: what a shop says of its products."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from benchmarks.fashion import CannotRead, located
from reco_plugin.types import CatalogItem, Ints

ATTRIBUTES = ("articleType", "baseColour", "gender", "usage", "season", "brand")
PATH = ("masterCategory", "subCategory", "articleType")
FEWEST = 5
"""Products that must share a first word, for it to be taken for a brand."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """Products in the order of the file."""

    rows: Sequence[Mapping[str, str]]
    """By the names of the columns; 'brand' is the first word of the name, where others have it too."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def codes(self) -> dict[str, Ints]:
        """Of each of ATTRIBUTES int32 (n,), -1 where it is not told."""
        return {name: _coded([row[name] for row in self.rows]) for name in ATTRIBUTES}

    def items(self, told: Sequence[str]) -> list[CatalogItem]:
        """The products as a shop that says no more of them than `told`: names of attributes, or 'title'."""
        return [_item(number, row, told) for number, row in enumerate(self.rows)]


def read(name: str) -> Catalogue:
    """See `fashion.options`. Raises fashion.CannotRead."""
    with located(name).open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    needed = {*PATH, *ATTRIBUTES, "id", "productDisplayName"} - {"brand"}
    missing = needed - set(rows[0] if rows else ())
    if missing:
        raise CannotRead(f"{name} has no column {', '.join(sorted(missing))}.")
    first = [row["productDisplayName"].split(" ")[0].lower() for row in rows]
    shared = _shared(first)
    for row, word in zip(rows, first, strict=True):
        row["brand"] = word if word in shared else ""
    return Catalogue(rows=rows)


def _shared(words: Sequence[str]) -> set[str]:
    names, counts = np.unique(words, return_counts=True)
    return set(names[counts >= FEWEST].tolist())


def _coded(values: Sequence[str]) -> npt.NDArray[np.int32]:
    names = {name: code for code, name in enumerate(sorted({value for value in values if value}))}
    return np.asarray([names.get(value, -1) for value in values], np.int32)


def _item(number: int, row: Mapping[str, str], told: Sequence[str]) -> CatalogItem:
    facts = [name for name in told if name not in {"articleType", "brand", "title"}]
    return CatalogItem(
        key=number,
        title=row["productDisplayName"] if "title" in told else "",
        categories=(" > ".join(row[name] for name in PATH),) if "articleType" in told else (),
        brand=row["brand"] if "brand" in told else "",
        attributes={name: row[name] for name in facts if row[name]},
    )
