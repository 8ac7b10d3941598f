"""What a network is to learn from: which pictures, what is known of them, and all of it in one folder."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from django.db.models import Exists, F, OuterRef, Subquery

from reco_plugin import conf
from reco_plugin.encoders import packing, teaching
from reco_plugin.encoders.base import Refused
from reco_plugin.encoders.pool import DecoderPool
from reco_plugin.jobs.labelling import CATEGORY, Labels, labels
from reco_plugin.jobs.picture_files import limits, read, workers
from reco_plugin.jobs.publish import active_run
from reco_plugin.models import Item, Picture, PictureState, Related
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Ints, Key

MOST = 20_000
"""Pictures: of more, those of bought products, then the newest."""
MOST_PAIRS = 10
"""Of each product, the best."""
RELATIONS = ("viewed_viewed", "bought_together")
SKETCH = 256
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """The pictures that are to be learnt from; each content once."""

    site: int
    rows: list[Picture]
    keys: Sequence[Key]
    """Products, each once."""
    at: Ints
    """(len(rows),): whose picture it is, a row of `keys`."""
    numbers: Ints
    """(len(keys),): the same for all variants of a product, and at any time: a product that was held out is
    so again in the next training."""
    labels: Labels

    @classmethod
    def gathered(cls, site: int) -> Self:
        rows = list(_chosen(site))
        keys = list(dict.fromkeys(row.product_id for row in rows))
        place = {key: at for at, key in enumerate(keys)}
        groups = _groups(site)
        return cls(
            site=site,
            rows=rows,
            keys=keys,
            at=np.asarray([place[row.product_id] for row in rows], np.int32),
            numbers=np.asarray([number_of(groups.get(key, key)) for key in keys], np.int32),
            labels=labels(site, keys),
        )

    def sketch(self) -> list[str]:
        """The SKETCH smallest digests of pictures and their category (Broder 1997): with those of another
        time, they tell how much is new."""
        codes = self.labels.codes.get(CATEGORY)
        names = self.labels.classes.get(CATEGORY, ())
        words = [
            names[codes[at]] if codes is not None and codes[at] >= 0 else ""
            for at in self.at.tolist()
        ]
        found = (
            hashlib.blake2b(f"{row.content_hash} {word}".encode(), digest_size=6).hexdigest()
            for row, word in zip(self.rows, words, strict=True)
        )
        return sorted(found)[:SKETCH]

    def told(self) -> dict[str, Any]:
        """For Run.dataset."""
        return {
            "pictures": len(self.rows),
            "products": len(self.keys),
            "attributes": {name: len(self.labels.classes[name]) for name in self.labels.codes},
            "sketch": self.sketch(),
        }


def changed(before: Sequence[str], now: Sequence[str]) -> float:
    """About what share of all that is in either of two sketched sets is only in one of them, 0..1."""
    both = sorted({*before, *now})[:SKETCH]
    shared = {*before} & {*now}
    return 1 - len(shared.intersection(both)) / len(both) if both else 0.0


def _chosen(site: int) -> Iterator[Picture]:
    using = conf.settings.DATABASE
    items = Item.objects.using(using).filter(pk=OuterRef("product_id"), site=site)
    rows = Picture.objects.using(using).filter(site=site, state=PictureState.READABLE)
    rows = rows.filter(Exists(items)).exclude(content_hash="")
    behaviour = active_run(site, "behaviour")
    bought = Related.objects.using(using).filter(
        run=behaviour, product_id=OuterRef("product_id"), relation="bought_together"
    )
    rows = rows.annotate(
        is_bought=Exists(bought), born=Subquery(items.values("available_since")[:1])
    )
    seen: set[str] = set()
    for row in rows.order_by("-is_bought", F("born").desc(nulls_last=True), "pk").iterator(2_000):
        if row.content_hash not in seen:
            seen.add(row.content_hash)
            yield row
        if len(seen) == MOST:
            return


def _groups(site: int) -> dict[Key, Key]:
    rows = Item.objects.using(conf.settings.DATABASE).filter(site=site, group__isnull=False)
    return dict(rows.values_list("pk", "group_id"))


def number_of(key: Key) -> int:
    """By what a product, or the one it is a variant of, is drawn for the hold-out."""
    return zlib.crc32(str(key).encode()) & 0x7FFFFFFF


# --- in a folder ----------------------------------------------------------------------------------


def pack(material: Material, size: int, place: Path, progress: Told) -> tuple[str, int]:
    """Write pictures and lesson into `place`; returns the SHA-256 of the lesson, and of how many pictures
    it is: those that could be opened."""
    place.mkdir(parents=True, exist_ok=True)
    made = packing.new_pictures(place / teaching.PICTURES, max(len(material.rows), 1), size)
    kept: list[int] = []
    at = {row.pk: number for number, row in enumerate(material.rows)}
    read_on = ((at[row.pk], data) for row, data in read(material.site, material.rows))
    with DecoderPool(workers(), limits(), size) as pool:
        for number, found in pool.map(read_on):
            if not isinstance(found, Refused):
                made[len(kept)] = found
                kept.append(number)
            progress("pictures", len(kept), len(material.rows))
    made.flush()
    del made
    rows = material.at[kept]
    lesson = packing.Lesson(
        pictures=np.zeros((0, size, size, 3), np.uint8),
        labels=material.labels.rows(rows),
        products=material.numbers[rows],
        pairs=pairs(material),
        classes=material.labels.classes,
    )
    return packing.save_lesson(place / teaching.LESSON, lesson), len(kept)


def pairs(material: Material) -> Ints:
    """int32 (m, 2) of product numbers: seen by the same shoppers, or bought together and of one category.

    What is bought together and of different categories goes together, but does not look alike.
    """
    run = active_run(material.site, "behaviour")
    if run is None:
        return np.zeros((0, 2), np.int32)
    place = {key: at for at, key in enumerate(material.keys)}
    rows = Related.objects.using(conf.settings.DATABASE).filter(run=run, relation__in=RELATIONS)
    codes = material.labels.codes.get(CATEGORY, np.zeros(len(place), np.int32))
    found: set[tuple[int, int]] = set()
    for relation, key, names in rows.values_list("relation", "product_id", "keys").iterator(2_000):
        one = place.get(key)
        if one is None:
            continue
        for other in map(place.get, shop_keys.from_json(names[:MOST_PAIRS])):
            if other is not None and (relation == RELATIONS[0] or codes[one] == codes[other]):
                found.add((min(one, other), max(one, other)))
    numbered: Ints = material.numbers[np.asarray(sorted(found), np.int32).reshape(-1, 2)]
    return np.asarray(numbered[numbered[:, 0] != numbered[:, 1]], np.int32)
