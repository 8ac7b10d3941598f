"""What it is worth to a shop that a shopper takes a product: the weight of the event, times what the product brings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin import conf
from reco_plugin.datasets import EventLog, EventWeights
from reco_plugin.models import Item
from reco_plugin.types import Floats, IdMap, Key

LEAST, MOST = 0.01, 1e4
"""Of the typical product's value: what brings nothing, or a loss, is not worth nothing to know; and a price that is
a slip of the pen is no reason to learn from nothing else."""


def worth(log: EventLog, chosen: npt.NDArray[np.int64], site: int) -> sparse.csr_matrix:
    """float32 CSR (n_shoppers, n_items): of each pair the heaviest of its `chosen` events (places in the log), by
    RECO_EVENT_WEIGHTS, times what the product brings by RECO_OBJECTIVE."""
    by_kind = np.maximum(EventWeights.from_settings().by_kind(), 0.0)
    order = chosen[np.argsort(by_kind[log.kind[chosen]], kind="stable")]
    cells, last = np.unique(log.select(order).cells()[::-1], return_index=True)
    heaviest = by_kind[log.kind[order[::-1][last]]]
    shape = (len(log.shoppers), len(log.items))
    rows, items = np.divmod(cells, max(1, shape[1]))
    values = heaviest * brought(log.items, site)[items]
    return sparse.csr_matrix((values.astype(np.float32), (rows, items)), shape=shape)


def brought(items: IdMap, site: int) -> Floats:
    """(n_items,) what each product brings, beside the typical one; 1 where that is not known."""
    objective = conf.settings.OBJECTIVE
    found = np.full(len(items), np.nan)
    if objective:
        rows = Item.objects.using(conf.settings.DATABASE).filter(site=site)
        told: dict[Key, Any] = {
            key: price if objective == "price" else (attributes or {}).get(objective)
            for key, price, attributes in rows.values_list("pk", "price", "attributes")
        }
        found = np.array([_number(told.get(key)) for key in items.to_python()])
    known = found[found > 0]
    typical = float(np.median(known)) if len(known) else 1.0
    beside = np.clip(found, LEAST * typical, MOST * typical) / typical
    return np.where(np.isnan(found), 1.0, beside).astype(np.float32)


def _number(value: Any) -> float:
    """NaN for what is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return math.nan
    return found if math.isfinite(found) else math.nan
