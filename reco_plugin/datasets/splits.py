"""Splits in time: what was known at a moment, and what happened after it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets.log import EventLog
from reco_plugin.types import EventKind

NEGATIVE = (EventKind.REMOVE_FROM_CART, EventKind.REFUND, EventKind.DISMISS_ITEM)


def time_split(
    log: EventLog,
    *,
    share: float = 0.2,
    at: int | dt.datetime | None = None,
    old_items: bool = False,
    new_shoppers: bool = False,
    unseen_items: bool = False,
) -> tuple[EventLog, EventLog, int]:
    """(train, holdout, at): what happened before `at`, and what a recommender could then have guessed.

    `at` is a moment (µs of the Unix epoch, or aware), else such that the newest `share` of the events
    lie after it. One moment for all shoppers, so nothing learnt comes from the future. The holdout
    keeps events that show interest; unless asked otherwise it leaves out, counted in its `dropped`,
    those of a shopper nothing was known of (`new_shoppers`), of an item nobody had met
    (`unseen_items`), and of an item this shopper had met before (`old_items`).
    Both logs keep the id maps of `log`. Raises ValueError for a share outside 0..1.
    """
    moment = _moment(log, share, at)
    before = log.at < moment
    train, later = log.select(before), log.select(~before)
    reasons = {
        "no interest": np.isin(later.kind, NEGATIVE),
        "new shopper": ~_met(train.shopper, len(log.shoppers))[later.shopper] & (not new_shoppers),
        "unseen item": ~_met(train.item, len(log.items))[later.item] & (not unseen_items),
        "item known to the shopper": _known(train, later) & (not old_items),
    }
    return train, _without(later, reasons), moment


def _moment(log: EventLog, share: float, at: int | dt.datetime | None) -> int:
    if isinstance(at, dt.datetime):
        return int(at.timestamp() * 1_000_000)
    if at is not None:
        return at
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in 0..1, not {share!r}.")
    if not len(log):
        return 0
    place = round(len(log) * (1 - share))
    if place >= len(log):
        return int(log.at.max()) + 1
    return int(np.partition(log.at, place)[place])


def _met(rows: npt.NDArray[np.int32], size: int) -> npt.NDArray[np.bool_]:
    met = np.zeros(size, bool)
    met[rows] = True
    return met


def _known(train: EventLog, later: EventLog) -> npt.NDArray[np.bool_]:
    """Had this shopper met this item before?"""
    before = np.sort(train.cells())
    if not len(before):
        return np.zeros(len(later), bool)
    cells = later.cells()
    place = np.minimum(np.searchsorted(before, cells), len(before) - 1)
    return np.asarray(before[place] == cells)


def _without(log: EventLog, reasons: dict[str, npt.NDArray[np.bool_]]) -> EventLog:
    kept = np.ones(len(log), bool)
    dropped = {}
    for name, wrong in reasons.items():
        dropped[name] = int(np.count_nonzero(kept & wrong))
        kept &= ~wrong
    return log.select(kept, read=len(log), dropped=dropped)
