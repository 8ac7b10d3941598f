"""Interactions and catalogue → matrices, id maps, time splits, a data-quality report."""

from reco_plugin.datasets.build import Built, build, build_reported
from reco_plugin.datasets.features import feature_rows, features_of, item_features
from reco_plugin.datasets.log import EventLog
from reco_plugin.datasets.quality import QualityReport, report
from reco_plugin.datasets.reading import read_log
from reco_plugin.datasets.splits import time_split
from reco_plugin.datasets.tastes import shopper_features
from reco_plugin.datasets.weights import EventWeights, Weighed, weigh, weigh_counted

__all__ = [
    "Built",
    "EventLog",
    "EventWeights",
    "QualityReport",
    "Weighed",
    "build",
    "build_reported",
    "feature_rows",
    "features_of",
    "item_features",
    "read_log",
    "report",
    "shopper_features",
    "time_split",
    "weigh",
    "weigh_counted",
]
