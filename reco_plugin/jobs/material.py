"""What a training reads: the log, the catalogue's features, and what there is to say of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reco_plugin import clock, conf
from reco_plugin.datasets import (
    EventLog,
    EventWeights,
    QualityReport,
    build,
    build_reported,
    item_features,
    read_log,
    shopper_features,
)
from reco_plugin.jobs.looks import Seen, see
from reco_plugin.stores.base import Progress
from reco_plugin.types import Dataset, Features


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Read once, used for the trial run and for the final one."""

    log: EventLog
    features: Features
    whole: Dataset
    """Everything, as of its last day: weights only matter beside each other, and those of a history
    that ended long ago would otherwise all be next to nothing."""
    quality: QualityReport
    weights: EventWeights
    shopper_features: bool = False
    seen: Seen = field(default_factory=Seen)
    """What the products' pictures show; among `features` where it takes part."""

    def part(self, known: EventLog, holdout: EventLog) -> Dataset:
        """What was known at a split, with what happened after it for early stopping."""
        return self._with_tastes(
            build(known, weights=self.weights, holdout=holdout, item_features=self.features)
        )

    def dataset(self) -> Dataset:
        """Everything."""
        return self._with_tastes(self.whole)

    def _with_tastes(self, dataset: Dataset) -> Dataset:
        if not self.shopper_features:
            return dataset
        return Dataset(
            interactions=dataset.interactions,
            shoppers=dataset.shoppers,
            items=dataset.items,
            item_features=dataset.item_features,
            shopper_features=shopper_features(dataset.interactions, self.features),
            holdout=dataset.holdout,
        )

    def as_json(self) -> dict[str, Any]:
        """For Run.dataset."""
        return {
            "window_days": conf.settings.WINDOW_DAYS,
            "events": len(self.log),
            "shoppers": len(self.log.shoppers),
            "items": len(self.log.items),
            "interactions": int(self.whole.interactions.nnz),
            "features": len(self.features.names),
            "looks": self.seen.as_json(),
            "quality": self.quality.as_dict(),
        }


def gather(
    site: int,
    config: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    *,
    weights: EventWeights | None = None,
) -> Material:
    """Read the last RECO_WINDOW_DAYS of the site's log, its Item rows and its live visual run.

    `weights` are those of the settings unless given.
    Shopper features are made when the trainer's `config` asks for them ('shopper_features').
    """
    days = conf.settings.WINDOW_DAYS
    since = clock.now() - dt.timedelta(days=days) if days > 0 else None
    log = read_log(site, since=since, progress=progress)
    seen = see(site, log.items)
    features = item_features(log.items, site=site, seen=seen.features)
    weights = weights or EventWeights.from_settings()
    built = build_reported(log, weights=weights, item_features=features)
    return Material(
        log=log,
        features=features,
        whole=built.dataset,
        quality=built.report,
        weights=weights,
        seen=seen,
        shopper_features=bool((config or {}).get("shopper_features", False)),
    )
