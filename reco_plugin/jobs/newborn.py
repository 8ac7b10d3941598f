"""Products born after the live run get a vector from their features, at the next item sync."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice

from django.db.models import QuerySet

from reco_plugin import backends, conf
from reco_plugin.datasets import feature_rows
from reco_plugin.exceptions import ArtefactCorrupt
from reco_plugin.jobs.artefacts import Artefact, load
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.models import Item, Run
from reco_plugin.types import CatalogItem, id_map

log = logging.getLogger(__name__)

BATCH = 1_000


def give_vectors(site: int) -> int:
    """Upsert into the live personal run every item it was not trained on; returns how many.

    An item none of whose features the run knows gets none: it has no place in the space yet.
    """
    run = active_run(site, "personal")
    artefact = _artefact(run) if run else None
    if run is None or artefact is None or not artefact.feature_names:
        return 0
    unknown = (item for item in _items(site).iterator(BATCH) if artefact.items.row(item.pk) is None)
    given = 0
    while batch := list(islice(unknown, BATCH)):
        given += _give(run, artefact, batch)
    return given


def _artefact(run: Run) -> Artefact | None:
    if not run.artefact:
        return None
    try:
        return load(run)
    except (ArtefactCorrupt, OSError) as error:
        log.warning("run %s: new products wait for the next training: %s", run.pk, error)
        return None


def _give(run: Run, artefact: Artefact, batch: Sequence[Item]) -> int:
    rows = feature_rows([catalog_item(item) for item in batch], artefact.feature_names)
    known = rows.getnnz(axis=1) > 0
    if not known.any():
        return 0
    rows = rows[known]
    keys = [item.pk for item, wanted in zip(batch, known, strict=True) if wanted]
    backends.store(run.store).upsert(
        handle(run),
        id_map(keys),
        rows @ artefact.feature_vectors,
        rows @ artefact.feature_biases,
    )
    return len(keys)


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
