"""Which events still speak for their product: what was taken back does not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets.log import EventLog
from reco_plugin.datasets.refunds import stood
from reco_plugin.datasets.splits import NEGATIVE
from reco_plugin.types import EventKind

Mask = npt.NDArray[np.bool_]
Cells = npt.NDArray[np.int64]
NEUTRAL = 0.5
"""A rating below this speaks against a product."""


def wanted(log: EventLog) -> Mask:
    """(n,) where an event shows interest that lasted.

    Left out: refunds, removals and dismissals themselves; everything a shopper did about a product they
    sent back whole (or whose orders were cancelled); what came before they dismissed it; what they took
    out of the cart again; and ratings below the middle.
    """
    if not len(log):
        return np.zeros(0, bool)
    kept = ~np.isin(log.kind, NEGATIVE)
    kept &= ~((log.kind == EventKind.RATE_ITEM) & (log.rating < NEUTRAL))
    cells = log.cells()
    kept &= ~_sent_back(log, cells)
    kept &= ~_undone(log, cells, EventKind.DISMISS_ITEM)
    kept &= ~(_undone(log, cells, EventKind.REMOVE_FROM_CART) & (log.kind == EventKind.ADD_TO_CART))
    return kept


def _sent_back(log: EventLog, cells: Cells) -> Mask:
    """Events of pairs that have a refund and no purchase that stood."""
    back = np.unique(cells[log.kind == EventKind.REFUND])
    if not len(back):
        return np.zeros(len(log), bool)
    return _among(cells, np.setdiff1d(back, cells[stood(log)]))[1]


def _undone(log: EventLog, cells: Cells, by: EventKind) -> Mask:
    """Events at or before the pair's last event of kind `by`."""
    of = log.kind == by
    pairs = np.unique(cells[of])
    if not len(pairs):
        return np.zeros(len(log), bool)
    last = np.full(len(pairs), np.iinfo(np.int64).min)
    np.maximum.at(last, np.searchsorted(pairs, cells[of]), log.at[of])
    place, hit = _among(cells, pairs)
    return np.asarray(hit & (log.at <= last[place]))


def _among(cells: Cells, pairs: Cells) -> tuple[Cells, Mask]:
    """Of each cell its place among the sorted `pairs` (anything where it is not there), and is it there?"""
    if not len(pairs):
        return np.zeros(len(cells), np.int64), np.zeros(len(cells), bool)
    place = np.minimum(np.searchsorted(pairs, cells), len(pairs) - 1)
    return place, np.asarray(pairs[place] == cells)
