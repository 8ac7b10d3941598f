"""Products the shop saved since the catalogue was last read: known within a tick, with all they need to be shown.

Price, stock and visibility are read live anyway; other changes of known products wait for the hourly sync.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef

from reco_plugin import backends, clock, conf
from reco_plugin.jobs import newcomers
from reco_plugin.jobs.first_look import first_look
from reco_plugin.jobs.newborn import give_vectors
from reco_plugin.jobs.running.work import Work
from reco_plugin.jobs.sync_items import ItemSync, sync_batch
from reco_plugin.models import Item
from reco_plugin.stores import keys as shop_keys
from reco_plugin.types import Key, id_map

MOST = 2_000
"""Products at once; more are the next tick's, or the hourly sync's."""


def work(work: Work) -> dict[str, Any]:
    """The job. An empty report where nothing came. Raises StoreError."""
    with work.stage("catalogue"):
        report, born = welcome(work)
    if not born:
        return {}
    with work.stage("vectors"):
        given = give_vectors(work.site, born)
    with work.stage("lists"):
        lists = newcomers.join(work.site, given)
    told = {"added": report.added, "vectors": len(given), "lists": lists}
    with work.stage("pictures"):
        told |= first_look(work, born)
    if told.get("looks"):
        with work.stage("looks"):
            newcomers.join(work.site, give_vectors(work.site, born))
    return told


def welcome(work: Work) -> tuple[ItemSync, list[Key]]:
    """Give each product without an Item one; returns what was seen, and their keys: also of those that an
    execution which died, or failed, had got no further with."""
    site, catalog, report = work.site, backends.catalog(), ItemSync()
    known = Item.objects.using(conf.settings.DATABASE)
    left = list(known.filter(site=site, pk__in=work.checkpoint.get("met", [])))
    met = list(catalog.products_of(site).filter(~Exists(known.filter(pk=OuterRef("pk"))))[:MOST])
    keys: list[Key] = [item.pk for item in left]
    if met:
        work.keep(met=shop_keys.to_json(id_map([*keys, *(product.pk for product in met)])))
        keys += sync_batch(catalog, met, site, report, born=clock.now())
    return report, keys
