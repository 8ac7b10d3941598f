"""What looks like a product, with the pictures: the rows of a contact sheet."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reco_plugin import backends, conf
from reco_plugin.encoders.base import Pixels, Refused
from reco_plugin.encoders.pool import DecoderPool
from reco_plugin.encoders.process import EncoderProcess
from reco_plugin.exceptions import EncoderUnavailable, NotPublished
from reco_plugin.jobs import picture_files
from reco_plugin.jobs.live_encoder import live_encoder
from reco_plugin.jobs.publish import chosen_run, handle
from reco_plugin.jobs.visual_blocks import read_whitening
from reco_plugin.management.contact_sheet import SIDE, Row, Tile
from reco_plugin.models import Item, Picture, PictureState, Run
from reco_plugin.stores.base import Exporting, Scored
from reco_plugin.types import Floats, Key

SPARE = 8
"""Times as many are asked for: variants of what is there already are left out."""
KIND = "visual"


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """A product, or a photo (`key` is None)."""

    title: str
    found: tuple[Scored, ...]
    key: Key | None = None
    category: str = ""
    pixels: Pixels | None = None


def visual_run(site: int, number: int | None = None) -> Run:
    """The live run that knows pictures, or the published one of that number. Raises NotPublished."""
    found = chosen_run(site, KIND, number)
    if found is None and number is None:
        raise NotPublished(f"No run that knows pictures is live at site {site}.")
    if found is None:
        raise NotPublished(f"There is no published run {number} that knows pictures.")
    return found


def spread(run: Run, count: int, seed: int) -> list[Key]:
    """Products of the run drawn by lot, from as many categories as there are."""
    store = backends.store(run.store)
    if not isinstance(store, Exporting):
        raise NotPublished(f"Store {run.store!r} does not say which products run {run.pk} has.")
    known = set(store.item_vectors(handle(run))[0].to_python())
    items = Item.objects.using(conf.settings.DATABASE).filter(site=run.site, group=None)
    shelves: dict[str, list[Key]] = {}
    for key, categories in items.order_by("pk").values_list("pk", "categories"):
        if key in known:
            shelves.setdefault(_first(categories), []).append(key)
    return _one_of_each(list(shelves.values()), count, random.Random(seed))  # noqa: S311


def _one_of_each(shelves: list[list[Key]], count: int, lot: random.Random) -> list[Key]:
    lot.shuffle(shelves)
    for shelf in shelves:
        lot.shuffle(shelf)
    chosen: list[Key] = []
    while len(chosen) < count and any(shelves):
        chosen += [shelf.pop() for shelf in shelves if shelf][: count - len(chosen)]
    return chosen


def like_products(run: Run, keys: Sequence[Key], top: int) -> list[Query]:
    """For each of `keys` the `top` products that look most like it. Raises StoreError."""
    store = backends.store(run.store)
    found = {key: store.neighbours(handle(run), key, top * SPARE) for key in keys}
    facts = _facts([*keys, *(one.key for many in found.values() for one in many)])
    return [
        Query(
            key=key,
            title=facts[key].title if key in facts else str(key),
            category=facts[key].category if key in facts else "",
            found=_apart(found[key], facts, top, group=facts[key].group if key in facts else key),
        )
        for key in keys
    ]


def like_photos(run: Run, photos: Mapping[str, bytes], top: int) -> list[Query]:
    """For each photo, by its name, the `top` products that look most like it.

    Raises EncoderUnavailable where no encoder of this run can be had, or one refuses a photo; StoreError.
    """
    vectors, whiten = _vectors(run, photos), read_whitening(run)
    pixels = _opened((name, data) for name, data in photos.items())
    store, queries = backends.store(run.store), []
    for name, vector in vectors.items():
        query = vector if whiten is None else whiten(vector[None])[0]
        found = store.nearest(handle(run), query, top * SPARE)
        near = _apart(found, _facts(one.key for one in found), top)
        picture = pixels.get(name)
        seen = None if isinstance(picture, Refused) else picture
        queries.append(Query(title=name, pixels=seen, found=near))
    return queries


def _vectors(run: Run, photos: Mapping[str, bytes]) -> dict[str, Floats]:
    live = live_encoder(run.site)
    if isinstance(live, str):
        raise EncoderUnavailable(live)
    if live.fingerprint != run.config.get("fingerprint"):
        raise EncoderUnavailable(
            f"The live encoder, run {live.run.pk}, is not the one that run {run.pk} is made with: the job "
            "encode makes one with it."
        )
    names, found = list(photos), {}
    with EncoderProcess(live.spec) as process:
        for answer in process.encode(enumerate(photos.values())):
            if isinstance(answer, list):
                number, refused = answer[0]
                raise EncoderUnavailable(f"{names[number]}: {refused.words}")
            for number, vector in zip(*answer, strict=True):
                found[names[number]] = vector.astype(np.float32)
    return {name: found[name] for name in names}


def rows(queries: Sequence[Query], site: int) -> list[Row]:
    """With titles and pictures. Raises EncoderUnavailable where pictures cannot be opened."""
    keys = {query.key for query in queries if query.key is not None}
    keys |= {one.key for query in queries for one in query.found}
    facts, pictures = _facts(keys), main_pictures(site, keys)

    def tile(key: Key, note: str) -> Tile:
        title = facts[key].title if key in facts else str(key)
        picture = pictures.get(key)
        if picture is None or isinstance(picture, Refused):
            words = "no picture yet" if picture is None else str(picture.fault)
            return Tile(title=title, note=f"{note} · {words}")
        return Tile(title=title, note=note, pixels=picture)

    return [
        Row(
            query=Tile(title=query.title, note="photo", pixels=query.pixels)
            if query.key is None
            else tile(query.key, query.category.rpartition(" > ")[2]),
            found=tuple(tile(one.key, f"{one.score:.3f}") for one in query.found),
        )
        for query in queries
    ]


def main_pictures(site: int, keys: Iterable[Key]) -> Mapping[Key, Pixels | Refused]:
    """The first readable picture of each product, SIDE by SIDE, opened in processes of their own."""
    pictures = Picture.objects.using(conf.settings.DATABASE).filter(
        site=site, product_id__in=list(keys), state=PictureState.READABLE
    )
    first: dict[Key, Picture] = {}
    for picture in pictures.order_by("product_id", "position", "pk"):
        first.setdefault(picture.product_id, picture)

    read = picture_files.read(site, list(first.values()))
    return _opened((picture.product_id, data) for picture, data in read)


def _opened(pictures: Iterable[tuple[Any, bytes | Refused]]) -> dict[Any, Pixels | Refused]:
    with DecoderPool(picture_files.workers(), picture_files.limits(), 2 * SIDE) as pool:
        return dict(pool.map(pictures))


def agreement(queries: Iterable[Query]) -> tuple[int, int]:
    """Of the products shown beside products: how many share their category, of how many."""
    pairs = [
        (query.category, one.key)
        for query in queries
        if query.key is not None
        for one in query.found
    ]
    facts = _facts(key for _category, key in pairs)
    told = [facts[key].category == category for category, key in pairs if key in facts]
    return sum(told), len(told)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    title: str
    category: str
    group: Key


def _facts(keys: Iterable[Key]) -> dict[Key, _Facts]:
    items = Item.objects.using(conf.settings.DATABASE).filter(pk__in=set(keys))
    rows: Any = items.values_list("pk", "title", "categories", "group_id")
    return {
        key: _Facts(
            title=title or str(key),
            category=_first(categories),
            group=key if group is None else group,
        )
        for key, title, categories, group in rows
    }


def _apart(
    found: Iterable[Scored], facts: Mapping[Key, _Facts], top: int, *, group: Key | None = None
) -> tuple[Scored, ...]:
    """The first `top` that are no variants of each other, nor of `group`."""
    seen, kept = {group}, []
    for one in found:
        of = facts[one.key].group if one.key in facts else one.key
        if of not in seen:
            seen.add(of)
            kept.append(one)
    return tuple(kept[:top])


def _first(categories: object) -> str:
    return str(categories[0]) if isinstance(categories, list) and categories else ""
