"""Offline quality figures over plain arrays.

Everywhere `ranked` is int32 (n, k): the rows of the items answered, best first, -1 for an empty place;
`holdout` is a CSR (n, n_items) whose stored positive entries are what the shopper did afterwards.
"""

from reco_plugin.metrics.catalogue import coverage, item_counts, score_variance, top_share
from reco_plugin.metrics.intervals import Estimate, bootstrap_interval, normal_interval
from reco_plugin.metrics.ranking import hit_rate, hits, judged, mrr, ndcg_at_k, recall_at_k
from reco_plugin.metrics.report import Report, evaluate

__all__ = [
    "Estimate",
    "Report",
    "bootstrap_interval",
    "coverage",
    "evaluate",
    "hit_rate",
    "hits",
    "item_counts",
    "judged",
    "mrr",
    "ndcg_at_k",
    "normal_interval",
    "recall_at_k",
    "score_variance",
    "top_share",
]
