"""Rows of what encoders made of pictures: which are missing, written in batches, read back, let go of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import IntegrityError, connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from psycopg import sql

from reco_plugin import conf
from reco_plugin.jobs import deleting
from reco_plugin.models import Item, Picture, PictureState, PictureVector, Run, RunStatus

READ = 2_000
"""Rows in one fetch."""
_COLUMNS = ("encoder", "content_hash", "vector")
_GONE = (RunStatus.PRUNED, RunStatus.FAILED)


def vectors() -> QuerySet[PictureVector]:
    return PictureVector.objects.using(conf.settings.DATABASE)


def pictures(site: int) -> QuerySet[Picture]:
    """Those of a site that are known: read once, and not in quarantine since."""
    rows = Picture.objects.using(conf.settings.DATABASE).filter(site=site)
    return rows.exclude(content_hash="").exclude(state=PictureState.QUARANTINED)


def seen_items(site: int) -> QuerySet[Item]:
    """Products that have a place of their own among the vectors: not what is sensitive, nor a variant whose
    product shows pictures itself (sizes of a shirt show one picture, and would crowd out other shirts)."""
    shown = pictures(site).filter(product_id=OuterRef("group_id"))
    items = Item.objects.using(conf.settings.DATABASE).filter(site=site, sensitive=False)
    return items.filter(Q(group=None) | ~Exists(shown))


def missing(site: int, encoder: str) -> QuerySet[Picture]:
    """Pictures that can be opened and that `encoder` (its fingerprint) has not seen; the same content
    perhaps more than once."""
    seen = vectors().filter(encoder=encoder, content_hash=OuterRef("content_hash"))
    return pictures(site).filter(~Exists(seen), state=PictureState.READABLE)


def write(encoder: str, rows: Mapping[str, npt.NDArray[np.float16]]) -> None:
    """Add vectors by content hash; those that are there already stay as they are."""
    found = [(encoder, name, _packed(vector)) for name, vector in rows.items()]
    if connections[conf.settings.DATABASE].vendor == "postgresql":
        try:
            with transaction.atomic(using=conf.settings.DATABASE):
                _copy(found)
            return
        except IntegrityError:  # another worker has seen one of them: who is first does not matter
            pass
    made = (
        PictureVector(encoder=encoder, content_hash=name, vector=data)
        for encoder, name, data in found
    )
    vectors().bulk_create(made, ignore_conflicts=True, batch_size=500)


def _packed(vector: npt.NDArray[np.float16]) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f2").tobytes()


def _copy(rows: list[tuple[str, str, bytes]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(PictureVector._meta.db_table),
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    )
    connection = connections[conf.settings.DATABASE]
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as stream,
    ):
        stream.set_types(["varchar", "varchar", "bytea"])
        for row in rows:
            stream.write_row(row)


def read(
    site: int, encoder: str, products: Collection[Any] | None = None
) -> Iterator[tuple[Any, int, str, npt.NDArray[np.float32]]]:
    """(product, position, content hash, vector (d,)) of every picture `encoder` has seen, those of a
    product one after another; of `seen_items`, or of those among them in `products`."""
    seen = vectors().filter(encoder=encoder, content_hash=OuterRef("content_hash"))
    known = seen_items(site).filter(pk=OuterRef("product_id"))
    rows = pictures(site).filter(Exists(known)).annotate(seen=Subquery(seen.values("vector")[:1]))
    rows = rows.filter(seen__isnull=False).order_by("product_id", "position", "pk")
    if products is not None:
        rows = rows.filter(product_id__in=products)
    names = ("product_id", "position", "content_hash", "seen")
    for key, position, name, data in rows.values_list(*names).iterator(READ):
        yield key, position, name, np.frombuffer(data, dtype="<f2").astype(np.float32)


# --- letting go -----------------------------------------------------------------------------------


def prune(*, dry_run: bool = False) -> int:
    """Delete, of any site, vectors of encoders that are gone, and of pictures that nobody shows any more; returns
    how many."""
    using = conf.settings.DATABASE
    runs = Run.objects.using(using).filter(kind="encoder").exclude(status__in=_GONE)
    living = {known for known in runs.values_list("dataset__fingerprint", flat=True) if known}
    shown = Picture.objects.using(using).filter(content_hash=OuterRef("content_hash"))
    removed = 0
    for rows in (vectors().exclude(encoder__in=living), vectors().filter(~Exists(shown))):
        removed += rows.count() if dry_run else deleting.in_batches(rows, "pk")
    return removed
