"""All figures of one set of lists at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reco_plugin.metrics.catalogue import coverage, top_share
from reco_plugin.metrics.intervals import Estimate, normal_interval
from reco_plugin.metrics.ranking import hit_rate, mrr, ndcg_at_k, recall_at_k


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Figures at `k`; the first four are means over shoppers with a hold-out."""

    k: int
    recall: Estimate
    ndcg: Estimate
    hit_rate: Estimate
    mrr: Estimate
    coverage: float
    top_share: float

    @property
    def shoppers(self) -> int:
        return self.recall.n

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: {'recall@10': {'mean': …, 'low': …, 'high': …, 'n': …}, …, 'coverage@10': …}."""
        estimates = ("recall", "ndcg", "hit_rate", "mrr")
        figures: dict[str, Any] = {f"{x}@{self.k}": getattr(self, x).as_dict() for x in estimates}
        return figures | {
            f"coverage@{self.k}": self.coverage,
            f"top_share@{self.k}": self.top_share,
        }


def evaluate(
    ranked: npt.NDArray[np.integer[Any]], holdout: sparse.csr_matrix, *, k: int | None = None
) -> Report:
    """Judge lists (n, >=k) against what happened, CSR (n, n_items). Raises ValueError on unlike shapes."""
    k = ranked.shape[1] if k is None else k
    return Report(
        k=k,
        recall=normal_interval(recall_at_k(ranked, holdout, k)),
        ndcg=normal_interval(ndcg_at_k(ranked, holdout, k)),
        hit_rate=normal_interval(hit_rate(ranked, holdout, k)),
        mrr=normal_interval(mrr(ranked, holdout, k)),
        coverage=coverage(ranked, holdout.shape[1], k),
        top_share=top_share(ranked, k),
    )
