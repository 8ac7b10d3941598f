"""The files behind Picture rows: what a file may be, and its bytes, many at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP

from reco_plugin import backends, conf
from reco_plugin.catalog import Catalog
from reco_plugin.catalog.pictures import Source, sources
from reco_plugin.encoders.base import Limits, Refused
from reco_plugin.jobs.asking import Asking, Look
from reco_plugin.models import Picture

log = logging.getLogger(__name__)

BATCH = 200
"""Pictures whose products are read together."""


def limits() -> Limits:
    """What a picture of the catalogue may be, by the settings."""
    return Limits(
        formats=tuple(sorted(conf.settings.IMAGE_FORMATS)),
        max_bytes=conf.settings.IMAGE_MAX_BYTES,
        max_pixels=conf.settings.IMAGE_MAX_PIXELS,
    )


def workers() -> int:
    """Processes that open pictures, beside whatever else this machine does."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def asking() -> Asking:
    """Whoever asks the storages, by the settings."""
    return Asking(max_bytes=conf.settings.IMAGE_MAX_BYTES, hosts=conf.settings.IMAGE_HOSTS)


def with_pictures(catalog: Catalog, products: QuerySet[Any]) -> QuerySet[Any]:
    """With the relations that lead to pictures, unless the shop reads them itself."""
    read: Any = getattr(products, "_prefetch_related_lookups", ())
    known = {getattr(each, "prefetch_to", each).partition(LOOKUP_SEP)[0] for each in read}
    return products.prefetch_related(*set(catalog.picture_relations()) - known)


def read(site: int, rows: Sequence[Picture]) -> Iterator[tuple[Picture, bytes | Refused]]:
    """The bytes of these pictures, in the order in which their storages hand them out.

    Those that are not what they were at the last look are left out: the next look sees to them. However
    many there are, no more than a few are held. One statement for the products of each batch.
    """
    catalog, every = backends.catalog(), iter(rows)
    with asking() as askers:
        while batch := list(islice(every, BATCH)):
            found = dict(_found(catalog, site, batch))
            for look, seen in askers.all(_looks(batch, found)):
                if seen.refused is not None:
                    yield look.key, seen.refused
                elif seen.digest == look.key.content_hash:
                    yield look.key, seen.data or b""


def _looks(rows: Sequence[Picture], found: dict[Any, Source]) -> Iterator[Look]:
    for row in rows:
        source = found.get((row.product_id, row.name))
        if source is not None:
            yield Look(key=row, source=source)


def _found(
    catalog: Catalog, site: int, rows: Sequence[Picture]
) -> Iterator[tuple[tuple[Any, str], Source]]:
    keys = {row.product_id for row in rows}
    for product in with_pictures(catalog, catalog.products_of(site).filter(pk__in=keys)):
        try:
            yield from (
                ((product.pk, each.key), each) for each in sources(catalog.get_pictures(product))
            )
        except Exception as error:  # noqa: BLE001  the shop's own code: one bad product is skipped
            log.warning("the pictures of product %s are not known: %s", product.pk, error)
