"""Offline quality figures over plain arrays.

Everywhere `ranked` is int32 (n, k): the rows of the items answered, best first, -1 for an empty place;
`holdout` is a CSR (n, n_items) whose stored positive entries are what the shopper did afterwards.
"""

from reco_plugin.metrics.beyond import (
    calibration,
    diversity,
    novelty,
    popularity_bias,
    self_information,
    serendipity,
)
from reco_plugin.metrics.catalogue import coverage, gini, item_counts, score_variance, top_share
from reco_plugin.metrics.intervals import Estimate, bootstrap_interval, normal_interval
from reco_plugin.metrics.paired import difference_interval, permutation_test, ratio_interval
from reco_plugin.metrics.ranking import (
    accuracy_at_k,
    average_precision,
    f1_at_k,
    hit_rate,
    hits,
    judged,
    mrr,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)
from reco_plugin.metrics.report import Report, evaluate
from reco_plugin.metrics.separation import auc

__all__ = [
    "Estimate",
    "Report",
    "accuracy_at_k",
    "auc",
    "average_precision",
    "bootstrap_interval",
    "calibration",
    "coverage",
    "difference_interval",
    "diversity",
    "evaluate",
    "f1_at_k",
    "gini",
    "hit_rate",
    "hits",
    "item_counts",
    "judged",
    "mrr",
    "ndcg_at_k",
    "normal_interval",
    "novelty",
    "permutation_test",
    "popularity_bias",
    "precision_at_k",
    "ratio_interval",
    "recall_at_k",
    "score_variance",
    "self_information",
    "serendipity",
    "top_share",
]
