"""From a log to what behaviour is counted from."""

from __future__ import annotations

import numpy as np

from reco_plugin.datasets import EventLog
from reco_plugin.datasets.refunds import stood
from reco_plugin.trainers.behaviour import Events
from reco_plugin.types import EventKind


def events_of(log: EventLog) -> Events:
    """Its views, and its purchases that stood."""
    bought = stood(log)
    chosen = np.flatnonzero(bought | (log.kind == EventKind.VIEW_ITEM))
    return Events(
        shopper=log.shopper[chosen],
        item=log.item[chosen],
        at=log.at[chosen],
        bought=bought[chosen],
        n_items=len(log.items),
    )
