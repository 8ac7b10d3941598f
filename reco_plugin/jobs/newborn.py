"""Products born after the live run get a vector from their features, pictures among them, at the next item sync."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.dateparse import parse_datetime
from scipy import sparse

from reco_plugin import backends, clock, conf
from reco_plugin.datasets import feature_rows
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs.artefacts import Artefact, load
from reco_plugin.jobs.looks import looks_of
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.models import Item, Run
from reco_plugin.types import CatalogItem, Features, Key, id_map

log = logging.getLogger(__name__)

BATCH = 1_000
MARK = "newborn_until"
"""In Run.config: up to which `synced_at` items have their vectors."""


def give_vectors(site: int, keys: Collection[Any] | None = None) -> list[Key]:
    """Upsert into the live personal run the items it was not trained on; returns which.

    Those of `keys`, or else all that are new or changed since this was last done for the run. An item
    none of whose features the run knows gets none: it has no place in the space yet.
    """
    run = active_run(site, "personal")
    artefact = learnt_by(run) if run else None
    if run is None or artefact is None or not artefact.feature_names:
        return []
    items, until = _items(site), None
    if keys is None:
        items, until = _changed(run, items)
    else:
        items = items.filter(pk__in=keys)
    given = _all_given(run, artefact, items)
    if until is not None:
        _remember(run, until)
    return given


def give_looks(site: int) -> list[Key]:
    """Do it again for all that were born after the live personal run, as far as their pictures tell it
    anything: when some were looked at that had not been. Returns which have vectors."""
    run = active_run(site, "personal")
    artefact = learnt_by(run) if run else None
    if run is None or artefact is None or artefact.looks is None:
        return []
    items = _items(site)
    born = [key for key in items.values_list("pk", flat=True) if artefact.items.row(key) is None]
    given: list[Key] = []
    for at in range(0, len(born), BATCH):
        given += _all_given(run, artefact, items.filter(pk__in=born[at : at + BATCH]))
    return given


def rows_of(
    run: Run, artefact: Artefact, keys: Sequence[Key]
) -> Iterator[tuple[list[Key], sparse.csr_matrix]]:
    """Products born later and their rows over the features that the run knows, a batch at a time."""
    for at in range(0, len(keys), BATCH):
        chosen: Sequence[Any] = keys[at : at + BATCH]
        batch = list(_items(run.site).filter(pk__in=chosen))
        if batch:
            yield [item.pk for item in batch], _rows(run, artefact, batch)


def _all_given(run: Run, artefact: Artefact, items: QuerySet[Item]) -> list[Key]:
    unknown = (item for item in items.iterator(BATCH) if artefact.items.row(item.pk) is None)
    given: list[Key] = []
    while batch := list(islice(unknown, BATCH)):
        given += _give(run, artefact, batch)
    return given


def _changed(run: Run, items: QuerySet[Item]) -> tuple[QuerySet[Item], dt.datetime | None]:
    """Those written since the last time, and the moment of the newest of them (None: none was)."""
    before = clock.aware(parse_datetime(run.config.get(MARK) or ""))
    if before is not None:
        items = items.filter(synced_at__gt=before)
    return items, clock.aware(items.aggregate(newest=Max("synced_at"))["newest"])


def _remember(run: Run, until: dt.datetime) -> None:
    using = conf.settings.DATABASE
    with transaction.atomic(using=using):
        row = Run.objects.using(using).select_for_update().get(pk=run.pk)
        row.config = {**row.config, MARK: until.isoformat()}
        row.save(update_fields=["config"])


def learnt_by(run: Run) -> Artefact | None:
    """What `run` keeps for products born later; None where it keeps nothing that can be read."""
    if not run.artefact:
        return None
    try:
        return load(run)
    except (ArtefactCorrupt, OSError) as error:
        log.warning("run %s: new products wait for the next training: %s", run.pk, error)
        return None


def _give(run: Run, artefact: Artefact, batch: Sequence[Item]) -> list[Key]:
    rows = _rows(run, artefact, batch)
    known = rows.getnnz(axis=1) > 0
    if not known.any():
        return []
    rows = rows[known]
    keys: list[Key] = [item.pk for item, wanted in zip(batch, known, strict=True) if wanted]
    backends.store(run.store).upsert(
        handle(run),
        id_map(keys),
        *artefact.placed(rows),
    )
    return keys


def _rows(run: Run, artefact: Artefact, batch: Sequence[Item]) -> sparse.csr_matrix:
    seen = _seen(run, artefact, batch)
    return feature_rows([catalog_item(item) for item in batch], artefact.feature_names, seen)


def _seen(run: Run, artefact: Artefact, batch: Sequence[Item]) -> Features | None:
    """What their pictures show, where the run knows such kinds."""
    if artefact.looks is None:
        return None
    keys = [item.pk for item in batch]
    return looks_of(run.site, artefact.looks, artefact.items, keys)


def _items(site: int) -> QuerySet[Item]:
    return Item.objects.using(conf.settings.DATABASE).filter(site=site, sensitive=False)


def catalog_item(item: Item) -> CatalogItem:
    """What the last sync knew of a product, as the Catalog told it."""
    return CatalogItem(
        key=item.pk,
        title=item.title,
        description=item.text,
        categories=tuple(item.categories),
        brand=item.brand,
        price=item.price,
        tags=tuple(item.tags),
        attributes=item.attributes,
        group=item.group_id,
        available_since=item.available_since,
        sensitive=item.sensitive,
    )
