"""Which purchases stood: those that were not sent back or cancelled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets.log import EventLog
from reco_plugin.types import EventKind


def stood(log: EventLog) -> npt.NDArray[np.bool_]:
    """(n,) True for purchases that stood; False for those that were sent back whole, and all other events.

    A refund names no order here, so it takes back the shopper's newest purchases of the item, as many as
    its units cover.
    """
    bought = np.flatnonzero(log.kind == EventKind.PURCHASE)
    back = np.flatnonzero(log.kind == EventKind.REFUND)
    found = np.zeros(len(log), dtype=np.bool_)
    found[bought] = True
    if not len(back):
        return found
    cells, place = np.unique(log.select(back).cells(), return_inverse=True)
    returned = np.bincount(place, _units(log, back), minlength=len(cells))
    own = log.select(bought).cells()
    touched = np.isin(own, cells)
    bought, own = bought[touched], own[touched]
    order = np.lexsort((-log.at[bought], own))
    bought, own = bought[order], own[order]
    covered = _running(own, _units(log, bought)) <= returned[np.searchsorted(cells, own)]
    found[bought[covered]] = False
    return found


def _running(cell: npt.NDArray[np.int64], units: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Units up to and with each entry, beginning anew with each cell."""
    total = np.cumsum(units)
    begins = np.ones(len(cell), dtype=np.bool_)
    begins[1:] = cell[1:] != cell[:-1]
    before = (total - units)[begins]
    return np.asarray(total - before[np.cumsum(begins) - 1])


def _units(log: EventLog, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Some shops write refunds as negative quantities, some write none."""
    return np.maximum(np.abs(log.quantity[rows].astype(np.float64)), 1.0)
