"""Ranked lists of a run: the best of the whole shop, and of every category and its ancestors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import transaction
from scipy import sparse

from reco_plugin import conf
from reco_plugin.catalog.base import SEPARATOR
from reco_plugin.jobs.publish import Fence
from reco_plugin.models import Item, RankedList, Run, RunStatus
from reco_plugin.retrieval.base import segment_of
from reco_plugin.trainers.popularity import rank, rank_by_segment
from reco_plugin.types import Floats, IdMap, Key

LENGTH = 200
"""Entries of a list: many more than a slate, since eligibility is applied to it at request time."""
DIGITS = 4
"""Decimals kept of a score."""
MOST_TEXT = 500
"""Letters of a segment's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One list, best first."""

    segment: str
    """'' for the whole shop, otherwise a category path, or 'brand:' and a brand."""
    keys: list[Any]
    """JSON-able: product keys, or names of brands and categories."""
    scores: list[float]


@dataclass(frozen=True, kw_only=True)
class Lists:
    """What a run publishes."""

    listings: list[Listing]
    told: Mapping[str, Any] = field(default_factory=dict)
    """Counts and notes for Run.dataset."""


def categories(site: int) -> dict[Key, set[str]]:
    """Every item's category paths and all paths above them."""
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
    pairs = rows.values_list("pk", "categories").iterator(chunk_size=10_000)
    return {key: with_ancestors(paths) for key, paths in pairs if paths}


def segments(site: int) -> dict[Key, set[str]]:
    """As `categories`, and the brand of each item: shoppers say which brands they like."""
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site).exclude(brand="")
    found = categories(site)
    for key, brand in rows.values_list("pk", "brand").iterator(chunk_size=10_000):
        found.setdefault(key, set()).add(segment_of("brand", brand))
    return found


def with_ancestors(paths: Iterable[str]) -> set[str]:
    """'Women > Shoes' gives itself and 'Women'."""
    found: set[str] = set()
    for path in paths:
        names = path.split(SEPARATOR)
        found.update(SEPARATOR.join(names[:depth]) for depth in range(1, len(names) + 1))
    return found


def by_category(
    items: IdMap, scores: Floats, paths: Mapping[Key, set[str]], length: int = LENGTH
) -> list[Listing]:
    """The whole shop's list, then one of each category; items of score 0, and empty categories, are left out.

    `scores` is (len(items),), larger is better.
    """
    segments, members = _members(items, paths)
    lists = [rank(scores, length), *rank_by_segment(scores, members, length)]
    return [
        Listing(
            segment=segment,
            keys=[_jsonable(items.key(row)) for row in found.items.tolist()],
            scores=[round(float(score), DIGITS) for score in found.scores],
        )
        for segment, found in zip(["", *segments], lists, strict=True)
        if len(found) or not segment
    ]


def _members(items: IdMap, paths: Mapping[Key, set[str]]) -> tuple[list[str], sparse.csr_matrix]:
    """Category paths, and the CSR (n_items, n_paths) of which item is below which."""
    segments: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for row, key in enumerate(items.to_python()):
        for path in sorted(paths.get(key, ())):
            rows.append(row)
            columns.append(segments.setdefault(path, len(segments)))
    shape = (len(items), len(segments))
    ones = np.ones(len(rows), dtype=np.float32)
    return list(segments), sparse.csr_matrix((ones, (rows, columns)), shape=shape)


def publish(run: Run, lists: Lists, fence: Fence) -> None:
    """Write the lists and mark `run` PUBLISHED, in one transaction. Raises LeaseLost from `fence`."""
    run.dataset = {**lists.told, "lists": len(lists.listings)}
    with transaction.atomic(using=conf.settings.DATABASE):
        fence()
        # two overlong paths may share their first 500 characters; the first stands
        RankedList.objects.using(conf.settings.DATABASE).bulk_create(
            _rows(run, lists.listings), batch_size=200, ignore_conflicts=True
        )
        run.status = RunStatus.PUBLISHED
        run.save()


def _rows(run: Run, listings: Iterable[Listing]) -> Iterator[RankedList]:
    for one in listings:
        yield RankedList(
            site=run.site,
            run=run,
            segment=one.segment[:MOST_TEXT],
            keys=one.keys,
            scores=one.scores,
        )


def _jsonable(key: Key) -> Any:
    return key if isinstance(key, int | str) else str(key)
