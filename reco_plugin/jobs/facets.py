"""Brands and categories: what the whole shop goes for, and what that is worth beside a shopper's own past.

The lists of the whole shop have imagined products for scores (`trainers.shares`), in the unit that a shopper's
events are counted in; those of a category are ranked by the distinct shoppers who wanted something of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reco_plugin import conf
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.jobs import ranked
from reco_plugin.jobs.counting import Counting
from reco_plugin.jobs.ranked import Listing, Lists
from reco_plugin.models import Item
from reco_plugin.retrieval.facets import STRENGTHS
from reco_plugin.trainers.popularity import distinct, popularity, rank
from reco_plugin.trainers.shares import usual
from reco_plugin.types import EventKind, Floats, IdMap, Key

Rows: TypeAlias = npt.NDArray[np.int64]
Fits: TypeAlias = Callable[[str, str], bool]
"""(segment, name): is the name for the list of that category?"""


def brands(counting: Counting) -> Lists:
    """The shop's brands, and those within each category."""
    rows = _items(counting).exclude(brand="").values_list("pk", "brand")
    named = {key: (brand,) for key, brand in rows.iterator(chunk_size=10_000)}
    return _lists(counting, named, lambda segment, name: True)


def categories(counting: Counting) -> Lists:
    """The categories that products are in themselves, of the shop and of what lies below each category."""
    rows = _items(counting).values_list("pk", "categories")
    named = {key: tuple(paths) for key, paths in rows.iterator(chunk_size=10_000) if paths}
    return _lists(counting, named, lambda segment, name: name.startswith(segment + SEPARATOR))


def _items(counting: Counting) -> Any:
    return Item.objects.using(conf.settings.DATABASE).filter(site=counting.site)


def _lists(counting: Counting, named: Mapping[Key, Sequence[str]], fits: Fits) -> Lists:
    """`named`: the brands or categories of each product."""
    pairs = _Pairs.of(counting, named)
    listings = [Listing(segment="", **pairs.usual(_unit(counting)))]
    for segment, chosen in _segments(counting, pairs):
        found = pairs.ranked(chosen, partial(fits, segment))
        if found["keys"]:
            listings.append(Listing(segment=segment, **found))
    return Lists(
        listings=listings,
        told={
            "events": counting.window.events,
            "days": counting.window.days,
            "items": len(listings[0].keys),
            "notes": list(counting.window.notes),
        },
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pairs:
    """Who wanted which product, once for each name the product has; sorted by product."""

    shopper: Rows
    item: Rows
    name: Rows
    names: list[str]

    @classmethod
    def of(cls, counting: Counting, named: Mapping[Key, Sequence[str]]) -> _Pairs:
        names, starts, values = _table(counting.log.items, named)
        cells = distinct(counting.kept.cells())
        shopper, item = np.divmod(cells, max(1, len(counting.log.items)))
        order = np.argsort(item, kind="stable")
        shopper, item = shopper[order], item[order]
        many = starts[item + 1] - starts[item]
        which = np.repeat(np.arange(len(item)), many)
        place = np.arange(len(which)) - np.repeat(np.cumsum(many) - many, many)
        return cls(
            shopper=shopper[which],
            item=item[which],
            name=values[starts[item[which]] + place],
            names=names,
        )

    def ranked(
        self, chosen: Any, fits: Callable[[str], bool] = lambda name: True
    ) -> dict[str, Any]:
        """Names by distinct shoppers among the `chosen` pairs, as a Listing has them."""
        return self._listed(
            popularity(self.shopper[chosen], self.name[chosen], n_items=len(self.names)), fits
        )

    def usual(self, unit: float) -> dict[str, Any]:
        """All names by what they count for beside a shopper's own events, each of which counts `unit`."""
        found = usual(self.shopper, self.name, n_names=len(self.names))
        return self._listed((found * unit).astype(np.float32))

    def _listed(
        self, scores: Floats, fits: Callable[[str], bool] = lambda name: True
    ) -> dict[str, Any]:
        found = rank(scores)
        wanted = [
            (self.names[row], round(float(score), ranked.DIGITS))
            for row, score in zip(found.items.tolist(), found.scores, strict=True)
            if fits(self.names[row])
        ][: ranked.LENGTH]
        return {"keys": [name for name, _ in wanted], "scores": [score for _, score in wanted]}


def _unit(counting: Counting) -> float:
    """What a product that a shopper wanted counts on average, by its most telling event."""
    table = np.ones(max(EventKind) + 1)
    table[list(STRENGTHS)] = list(STRENGTHS.values())
    strength, cells = table[counting.kept.kind], counting.kept.cells()
    levels = np.unique(strength)
    reached = [len(distinct(cells[strength >= level])) for level in levels]
    return float(np.diff(levels, prepend=0.0) @ reached) / reached[0] if reached else 1.0


def _table(items: IdMap, named: Mapping[Key, Sequence[str]]) -> tuple[list[str], Rows, Rows]:
    """Names; and of item row i the rows of its names, values[starts[i]:starts[i + 1]]."""
    known: dict[str, int] = {}
    values: list[int] = []
    starts = [0]
    for key in items.to_python():
        values += [known.setdefault(name, len(known)) for name in dict.fromkeys(named.get(key, ()))]
        starts.append(len(values))
    return list(known), np.asarray(starts, np.int64), np.asarray(values, np.int64)


def _segments(counting: Counting, pairs: _Pairs) -> Iterator[tuple[str, Rows]]:
    """Each category, and which pairs are about products in it or below it."""
    inside: dict[str, list[int]] = {}
    for row, key in enumerate(counting.log.items.to_python()):
        for path in counting.paths.get(key, ()):
            inside.setdefault(path, []).append(row)
    for path, rows in sorted(inside.items()):
        first = np.searchsorted(pairs.item, rows, side="left")
        last = np.searchsorted(pairs.item, rows, side="right")
        many = last - first
        yield path, np.repeat(first - np.cumsum(many) + many, many) + np.arange(many.sum())
