"""What is on sale as of now: reduced most, and wanted by most. Serving asks the live product again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from reco_plugin import backends
from reco_plugin.catalog import Catalog
from reco_plugin.jobs.counting import Counting
from reco_plugin.jobs.ranked import Lists
from reco_plugin.types import Key

log = logging.getLogger(__name__)

BATCH = 1_000


def reduced(counting: Counting) -> Lists:
    """Score: the share taken off the list price, times log2(2 + distinct shoppers)."""
    kept, items = counting.kept, counting.log.items
    wanted = counting.shoppers(np.ones(len(kept), bool))
    scores = np.zeros(len(items), np.float32)
    for key, share in discounts(counting.site):
        row = items.row(key)
        if row is not None:
            scores[row] = share * np.log2(2 + wanted[row])
    return counting.lists(scores)


def discounts(site: int) -> Iterator[tuple[Key, float]]:
    """Each reduced product and the share taken off its list price, 0..1.

    A product whose price cannot be read is left out, as in an item sync.
    """
    catalog = backends.catalog()
    products = catalog.perhaps_on_sale(catalog.products_of(site))
    for product in products.iterator(chunk_size=BATCH):
        try:
            share = discount(catalog, product)
        except Exception as error:  # noqa: BLE001  the shop's own code: one bad product is skipped
            log.warning("is product %s reduced? %s", product.pk, type(error).__name__)
            continue
        if share > 0:
            yield product.pk, share


def discount(catalog: Catalog, product: object) -> float:
    """0 where it is not on sale; a mere 1 % where the shop says so and names no list price."""
    if not catalog.on_sale(product):
        return 0.0
    price, before = catalog.get_price(product), catalog.get_list_price(product)
    known = price is not None and before is not None and 0 <= price < before
    return 1 - price / before if known and price is not None and before else 0.01
