"""Is one better than another, or was it luck? One line per model, its ratio to the best single one beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from reco_plugin.evaluation.contract import Sort
from reco_plugin.evaluation.judging import BEYOND, Measured
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.metrics.paired import permutation_test, ratio_interval

PLACES = 5


def best_single(found: Sequence[Measured], protocol: Protocol) -> Measured | None:
    """Of all that are no pipeline of ours, the one of largest figure."""
    singles = [one for one in found if not one.own]
    return max(singles, key=lambda one: one.figures[protocol.metric].mean(), default=None)


def lines(
    found: Sequence[Measured], protocol: Protocol, *, bar: float, seed: int
) -> Iterator[dict[str, Any]]:
    """One JSON-able line per model; ratios are to the best single one of this run."""
    best = best_single(found, protocol)
    for one in found:
        yield {
            "name": one.name,
            "default": one.default,
            **means(one, protocol),
            "coverage": round(one.coverage, 4),
            "fit_s": round(one.fit_s, 3),
            "ms_per_request": round(one.ms_per_request, 4),
            **verdict(one, best, protocol, bar, seed),
            "note": one.note,
            **({} if one.memory_mb is None else {"memory_mb": one.memory_mb}),
            **one.more,
        }


def full_lines(found: Sequence[Measured], protocol: Protocol, *, seed: int) -> list[dict[str, Any]]:
    """As `lines`, without a bar and with every figure that was judged, best first."""
    best = best_single(found, protocol)
    told = [
        {
            "name": one.name,
            **_more(one),
            **means(one, protocol),
            "coverage": round(one.coverage, 4),
            "fit_s": round(one.fit_s, 3),
            "ms_per_request": round(one.ms_per_request, 4),
            **verdict(one, best, protocol, 1.0, seed),
            "note": one.note,
            **one.more,
        }
        for one in found
    ]
    for line in told:
        line.pop("bar", None)
        line.pop("holds", None)
    return sorted(told, key=lambda line: -float(line[column(protocol)]))


def column(protocol: Protocol) -> str:
    """Where a line has the protocol's figure."""
    return {"ndcg": "ndcg@10", "recall": "recall@10"}.get(protocol.metric, protocol.metric)


def _more(one: Measured) -> dict[str, Any]:
    figures = ("precision", "f1", "accuracy", "map", *BEYOND)
    found = {name: one.mean(name) for name in figures if name in one.figures}
    return {
        "sort": str(one.sort),
        "live": one.live,
        "gini": round(one.gini, PLACES),
        "top_share": round(one.top_share, PLACES),
        "memory_mb": one.memory_mb,
        **{name: None if value is None else round(value, PLACES) for name, value in found.items()},
    }


def means(one: Measured, protocol: Protocol) -> dict[str, Any]:
    """Recall and NDCG at 10, MRR and hit at the protocol's k, AUC where it is known."""
    values = one.figures[protocol.metric]
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    named = {"recall@10": "recall", "ndcg@10": "ndcg", "mrr": "mrr", "hit": "hit"}
    auc = one.mean("auc") if "auc" in one.figures else None
    return {
        **{name: round(float(one.figures[of].mean()), PLACES) for name, of in named.items()},
        "k": protocol.k,
        **({"auc": None if auc is None else round(auc, PLACES)} if "auc" in one.figures else {}),
        "standard_error": round(float(error), PLACES),
    }


def verdict(
    one: Measured, best: Measured | None, protocol: Protocol, bar: float, seed: int
) -> dict[str, Any]:
    """Ratio to the best single one with its interval (paired bootstrap); a bar for the default alone.

    What has no end, because the best found nothing, is None: neither JSON nor a database takes an infinity.
    """
    metric = protocol.metric
    if best is None:
        return {"ratio": None, "bar": bar if one.default else None, "holds": None}
    ratio = ratio_interval(one.figures[metric], best.figures[metric], seed=seed)
    sure = math.isfinite(ratio.low) and math.isfinite(ratio.high)
    told: dict[str, Any] = {
        "metric": metric,
        "ratio": round(ratio.mean, 4) if math.isfinite(ratio.mean) else None,
        "ratio_low": round(ratio.low, 4) if sure else None,
        "ratio_high": round(ratio.high, 4) if sure else None,
        "against": best.name,
        "bar": bar if one.default else None,
        "holds": holds(ratio.mean, ratio.low, bar) if one.default else None,
    }
    if one.default or one.sort is Sort.PIPELINE:
        told["p"] = permutation_test(one.figures[metric], best.figures[metric], seed=seed)
    return told


def holds(ratio: float, low: float, bar: float) -> bool:
    """A ratio above 1 counts when its interval excludes 1; a bar of 1 when the lower end is at least 0.98."""
    return low >= 0.98 if bar <= 1 else ratio >= bar and low > 1
