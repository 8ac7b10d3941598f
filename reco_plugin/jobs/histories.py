"""Past events of many shoppers as the store would tell them of one: newest first, with vectors."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt

from reco_plugin.datasets import EventLog
from reco_plugin.stores.base import History, PastEvent
from reco_plugin.types import EventKind, Floats

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment(at: int) -> dt.datetime:
    """Microseconds since 1970 UTC as an aware datetime."""
    return _EPOCH + dt.timedelta(microseconds=int(at))


class Histories:
    """The newest `limit` product events of any shopper of a log."""

    def __init__(self, log: EventLog, limit: int) -> None:
        self._order = np.lexsort((-log.at, log.shopper))
        self._starts = np.searchsorted(
            log.shopper[self._order], np.arange(len(log.shoppers) + 1), side="left"
        )
        self._log = log
        self._limit = limit

    def events(self, shopper: int) -> npt.NDArray[np.int64]:
        """Positions in the log of a shopper's newest events, newest first."""
        start = self._starts[shopper]
        return self._order[start : min(self._starts[shopper + 1], start + self._limit)]

    def of(self, shopper: int, vectors: Floats, trained: Floats | None) -> History:
        """What `Store.history` would answer of row `shopper`, were `vectors` (n_items, d) live."""
        log = self._log
        return History(
            events=tuple(
                PastEvent(
                    key=int(log.item[at]),
                    kind=EventKind(int(log.kind[at])),
                    occurred_at=moment(log.at[at]),
                    vector=vectors[log.item[at]],
                )
                for at in self.events(shopper)
            ),
            vector=trained,
        )
