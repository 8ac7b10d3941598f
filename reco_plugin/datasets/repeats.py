"""Events that say the same twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from reco_plugin.datasets.log import EventLog

_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))


def repeated(log: EventLog) -> npt.NDArray[np.bool_]:
    """(n,) True for every event that equals another in all its parts, but for one of them.

    Sorting hashes shows whether there can be any; only events whose hashes meet are compared.
    """
    found = np.zeros(len(log), bool)
    hashes = _hashes(log)
    ordered = np.sort(hashes)
    meeting = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(meeting):
        suspects = np.flatnonzero(np.isin(hashes, np.unique(meeting)))
        found[suspects] = _equal_to_one_before(log, suspects)
    return found


def _hashes(log: EventLog) -> npt.NDArray[np.uint64]:
    mixed = log.at.astype(np.uint64)
    mixed *= _FACTORS[0]
    pair = (log.shopper.astype(np.uint64) << np.uint64(32)) | log.item.astype(np.uint64)
    for part in (pair, _small(log)):
        mixed ^= mixed >> np.uint64(29)
        mixed ^= part
        mixed *= _FACTORS[1]
    mixed ^= mixed >> np.uint64(32)
    return mixed


def _small(log: EventLog) -> npt.NDArray[np.uint64]:
    rating = log.rating.view(np.uint32).astype(np.uint64) << np.uint64(32)
    return rating ^ (log.quantity.astype(np.uint64) << np.uint64(8)) ^ log.kind


def _equal_to_one_before(log: EventLog, suspects: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    parts = [
        values[suspects]
        for values in (
            log.shopper,
            log.item,
            log.kind,
            log.at,
            log.quantity,
            log.rating.view(np.int32),
        )
    ]
    order = np.lexsort(parts)
    same = np.ones(len(suspects), bool)
    same[:1] = False
    for values in parts:
        same[1:] &= values[order][1:] == values[order][:-1]
    found = np.empty(len(suspects), bool)
    found[order] = same
    return found
