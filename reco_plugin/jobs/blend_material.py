"""What a blend is learnt from: the log as everyone's order of events, baskets and all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.datasets import EventLog, item_features, read_log
from reco_plugin.datasets.interest import wanted
from reco_plugin.datasets.splits import time_split
from reco_plugin.jobs.blend_worth import worth
from reco_plugin.jobs.evaluate import TEST_SHARE
from reco_plugin.jobs.histories import moment
from reco_plugin.retrieval.events import WANTED
from reco_plugin.stores.base import Progress
from reco_plugin.trainers.histories import Histories, histories
from reco_plugin.types import EventKind, Features


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Rows and items are those of `log`."""

    log: EventLog
    whole: Histories
    features: Features
    worth: sparse.csr_matrix
    """float32 (n_shoppers, n_items): what it is worth that a shopper took an item."""
    past: EventLog
    """Before `moment`."""
    future: EventLog
    """From then on: what could have been guessed; see `time_split`."""
    moment: int
    """Start of the test period, µs since 1970 UTC."""

    def as_json(self) -> dict[str, Any]:
        """For Run.dataset."""
        return {
            "events": len(self.log),
            "shoppers": len(self.log.shoppers),
            "items": len(self.log.items),
            "interactions": len(self.whole.items),
            "features": len(self.features.names),
            "moment": moment(self.moment).isoformat(),
        }


def gather(site: int, since: Any = None, progress: Progress | None = None) -> Material:
    """Read the site's log and its Item rows."""
    log = read_log(site, since=since, progress=progress)
    past, future, moment = time_split(log, share=TEST_SHARE)
    return Material(
        log=log,
        whole=in_order(log),
        features=item_features(log.items, site=site),
        worth=worth(log, interest(log), site),
        past=past,
        future=future,
        moment=moment,
    )


def in_order(log: EventLog) -> Histories:
    """What each shopper showed interest in that lasted. What was bought at one moment is a basket."""
    chosen = interest(log)
    found = histories(
        log.shopper[chosen],
        log.item[chosen],
        n_rows=len(log.shoppers),
        n_items=len(log.items),
        at=log.at[chosen],
        basket=_baskets(log, chosen),
    )
    return in_steps(found)


def interest(log: EventLog) -> npt.NDArray[np.int64]:
    """The places of events that show interest that lasted."""
    return np.flatnonzero(wanted(log) & np.isin(log.kind, list(WANTED)))


def in_steps(found: Histories) -> Histories:
    """Of one item several times in a row the last: a look, the cart and the purchase are one step."""
    again = (found.items[:-1] == found.items[1:]) & (found.rows[:-1] == found.rows[1:])
    return found.keep(~np.append(again, np.zeros(min(1, len(found.items)), np.bool_)))


def _baskets(log: EventLog, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(m,) one number for all that a shopper bought at one moment, its own for every other event."""
    bought = np.flatnonzero(log.kind[chosen] == EventKind.PURCHASE)
    found = len(chosen) + np.arange(len(chosen))
    if len(bought):
        orders = np.stack([log.shopper[chosen[bought]].astype(np.int64), log.at[chosen[bought]]])
        found[bought] = np.unique(orders, axis=1, return_inverse=True)[1].ravel()
    return found
