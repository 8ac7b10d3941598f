"""From a log to what a trainer learns from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.datasets.log import EventLog
from reco_plugin.datasets.quality import QualityReport, report
from reco_plugin.datasets.weights import EventWeights, weigh_counted
from reco_plugin.types import Dataset, Features


@dataclass(frozen=True, kw_only=True, eq=False)
class Built:
    """A dataset, and what to say of it."""

    dataset: Dataset
    report: QualityReport
    last_seen: npt.NDArray[np.int64]
    """(n_shoppers,) microseconds of each shopper's last event, 0 without one."""


def build(
    log: EventLog,
    *,
    weights: EventWeights | None = None,
    now: dt.datetime | None = None,
    holdout: EventLog | None = None,
    item_features: Features | None = None,
    shopper_features: Features | None = None,
) -> Dataset:
    """The dataset of a log as known at `now` (its last day by default); see `build_reported`."""
    return build_reported(
        log,
        weights=weights,
        now=now,
        holdout=holdout,
        item_features=item_features,
        shopper_features=shopper_features,
    ).dataset


def build_reported(
    log: EventLog,
    *,
    weights: EventWeights | None = None,
    now: dt.datetime | None = None,
    holdout: EventLog | None = None,
    item_features: Features | None = None,
    shopper_features: Features | None = None,
) -> Built:
    """Weigh `log` (the events before a split, when there is a `holdout` after it) and look at it.

    `holdout` must share the id maps of `log`, as `time_split` makes it. Works on an empty log: whether
    there is enough to learn from is for the gates to say, and the report says it too.
    """
    weighed = weigh_counted(log, weights, now)
    dataset = Dataset(
        interactions=weighed.matrix,
        shoppers=log.shoppers,
        items=log.items,
        item_features=item_features,
        shopper_features=shopper_features,
        holdout=None if holdout is None else happened(holdout),
    )
    return Built(dataset=dataset, report=report(log, weighed), last_seen=log.last_seen())


def happened(log: EventLog) -> sparse.csr_matrix:
    """float32 0/1 CSR (n_shoppers, n_items): who met what."""
    cells = np.unique(log.cells())
    width = max(1, len(log.items))
    ones = np.ones(len(cells), np.float32)
    shape = (len(log.shoppers), len(log.items))
    return sparse.csr_matrix((ones, (cells // width, cells % width)), shape=shape)
