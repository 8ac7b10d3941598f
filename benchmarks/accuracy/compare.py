"""Pipeline and peers on the same requests: the same cut, the same candidates, the same masking for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.peers import Lists, Peer, Rank
from benchmarks.accuracy.protocols import Protocol
from reco_plugin import metrics
from reco_plugin.metrics.paired import permutation_test, ratio_interval
from reco_plugin.ranking import blend
from reco_plugin.ranking.folds import Fold
from reco_plugin.types import Features

BATCH = 256
TUNED_ON = 2_000
"""Most requests a peer's settings are chosen on."""
PIPELINE = "default pipeline"
ALONE = 200
"""Requests that are timed one at a time."""

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One model's lists, judged."""

    name: str
    default: bool
    own: bool
    """Ours: the default pipeline, or it with something withheld."""
    figures: dict[str, Figures]
    """By metric, one number per request."""
    coverage: float
    fit_s: float
    ms_per_request: float
    note: str = ""
    more: dict[str, Any]


def judged(
    name: str, lists: Lists, fold: Fold, k: int, *, fit_s: float, ms: float, **told: Any
) -> Measured:
    """Figures of lists at least max(k, 10) long; recall and NDCG at 10, hit and MRR at k."""
    wanted = fold.wanted
    return Measured(
        name=name,
        default=told.pop("default", False),
        own=told.pop("own", False),
        figures={
            "recall": metrics.recall_at_k(lists, wanted, 10),
            "ndcg": metrics.ndcg_at_k(lists, wanted, 10),
            "mrr": metrics.mrr(lists, wanted, k),
            "hit": metrics.hit_rate(lists, wanted, k),
            **({"auc": whole(lists, fold)} if lists.shape[1] > max(k, 10) else {}),
        },
        coverage=metrics.coverage(lists, wanted.shape[1], k) * wanted.shape[1] / _sold(fold),
        fit_s=fit_s,
        ms_per_request=ms,
        note=told.pop("note", ""),
        more=told,
    )


def whole(lists: Lists, fold: Fold) -> Figures:
    """AUC of lists that hold every eligible item they know: what a list lacks is tied at its end."""
    scores = np.full(fold.wanted.shape, -np.inf)
    rows, places = np.nonzero(lists >= 0)
    scores[rows, lists[rows, places]] = -places
    return metrics.auc(scores, fold.wanted, barred=fold.requests.barred())


def depth(fold: Fold, protocol: Protocol) -> int:
    """How long lists are: all of the eligible items where few are, to judge their whole order."""
    if protocol.needs_features and fold.requests.eligible is not None:
        return max(int(fold.requests.eligible.sum()), 11)
    return max(protocol.k, 10)


def _sold(fold: Fold) -> int:
    """Items that could be answered: those with an event to learn from, or the eligible ones."""
    if fold.requests.eligible is not None:
        return max(int(fold.requests.eligible.sum()), 1)
    return max(int((fold.train.counts() > 0).sum()), 1)


def pipeline(
    fold: Fold,
    protocol: Protocol,
    *,
    features: Features | None,
    seed: int,
    threads: int,
    name: str = PIPELINE,
) -> Measured:
    """The default pipeline, fitted with nothing but the part that may be learnt from."""
    began = time.perf_counter()
    found = blend.fit(
        fold.train, protocol.cut, fold.requests, features=features, seed=seed, threads=threads
    )
    fit_s = time.perf_counter() - began
    k = depth(fold, protocol)
    began = time.perf_counter()
    lists = found.rank(fold.requests, k)
    ms = (time.perf_counter() - began) * 1000 / max(len(lists), 1)
    alone = _alone(lambda rows: found.rank(fold.requests.select(rows), k), len(lists))
    slowest = max(found.members.seconds, key=lambda name: found.members.seconds[name])
    return judged(
        name,
        lists,
        fold,
        protocol.k,
        fit_s=fit_s,
        ms=ms,
        default=name == PIPELINE,
        own=True,
        note=f"slowest member {slowest} {found.members.seconds[slowest]:.1f} s",
        alone_p50_ms=float(np.percentile(alone, 50)),
        alone_p90_ms=float(np.percentile(alone, 90)),
        fit_parts_s={name: round(took, 3) for name, took in found.seconds.items()},
        members_s={name: round(took, 3) for name, took in found.members.seconds.items()},
        cost_ratio=fit_s / max(found.members.seconds[slowest], 1e-9),
        memory_mb=_peak(),
    )


def _alone(rank: Callable[[npt.NDArray[np.int64]], Any], asked: int) -> Figures:
    """Milliseconds of single requests."""
    took = []
    for row in np.linspace(0, asked - 1, min(ALONE, asked)).astype(np.int64):
        began = time.perf_counter()
        rank(np.array([row]))
        took.append((time.perf_counter() - began) * 1000)
    return np.array(took)


def _peak() -> float:
    from benchmarks.harness import peak_rss

    return round(peak_rss(), 1)


def measured(peer: Peer, fold: Fold, inner: Fold, protocol: Protocol, seed: int) -> Measured:
    """A peer at the setting that does best on the inner cut, built again from all there is to learn from."""
    setting = tuned(peer, inner, protocol, seed)
    began = time.perf_counter()
    rank = peer.build(fold, setting)
    fit_s = time.perf_counter() - began
    began = time.perf_counter()
    lists = _ranked(rank, len(fold.requests), depth(fold, protocol))
    ms = (time.perf_counter() - began) * 1000 / max(len(lists), 1)
    note = "" if len(peer.grid) < 2 else f"best of {len(peer.grid)} settings: {setting}"
    return judged(peer.name, lists, fold, protocol.k, fit_s=fit_s, ms=ms, note=note)


def tuned(peer: Peer, inner: Fold, protocol: Protocol, seed: int) -> Any:
    """The setting of the grid that does best on the inner cut."""
    if len(peer.grid) < 2 or not len(inner.requests):
        return peer.grid[0]
    rows = np.arange(len(inner.requests))
    if len(rows) > TUNED_ON:
        rows = np.sort(np.random.default_rng(seed).choice(rows, TUNED_ON, replace=False))
    part = inner.select(rows)
    scores = []
    for setting in peer.grid:
        lists = _ranked(peer.build(part, setting), len(rows), max(protocol.k, 10))
        found = judged("", lists, part, protocol.k, fit_s=0, ms=0)
        scores.append(float(found.figures[protocol.metric].mean()))
    return peer.grid[int(np.argmax(scores))]


def _ranked(rank: Rank, asked: int, k: int) -> Lists:
    parts = [
        rank(np.arange(start, min(start + BATCH, asked)), k) for start in range(0, asked, BATCH)
    ]
    return np.concatenate(parts)


def lines(
    found: list[Measured], protocol: Protocol, *, bar: float, seed: int
) -> Iterator[dict[str, Any]]:
    """One JSON-able line per model; the default pipeline's ratio is to the best single peer of this run."""
    peers = [one for one in found if not one.own]
    best = max(peers, key=lambda one: one.figures[protocol.metric].mean(), default=None)
    for one in found:
        line: dict[str, Any] = {
            "name": one.name,
            "default": one.default,
            **_means(one, protocol),
            "coverage": round(one.coverage, 4),
            "fit_s": round(one.fit_s, 3),
            "ms_per_request": round(one.ms_per_request, 4),
        }
        yield line | _verdict(one, best, protocol, bar, seed) | {"note": one.note, **one.more}


def _means(one: Measured, protocol: Protocol) -> dict[str, Any]:
    figures = {name: float(values.mean()) for name, values in one.figures.items()}
    values = one.figures[protocol.metric]
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {
        "recall@10": round(figures["recall"], 5),
        "ndcg@10": round(figures["ndcg"], 5),
        "mrr": round(figures["mrr"], 5),
        "hit": round(figures["hit"], 5),
        "k": protocol.k,
        **({"auc": _known(one.figures["auc"])} if "auc" in figures else {}),
        "standard_error": round(float(error), 5),
    }


def _known(values: Figures) -> float | None:
    """The mean of what is known, None where nothing is: an AUC needs something wanted and something not."""
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 5) if known.size else None


def withheld(fold: Fold, protocol: Protocol, what: str) -> tuple[Fold, Protocol]:
    """The same with the times, or all but the cart, kept from the pipeline: what do they bring?"""

    def blind(one: Fold) -> Fold:
        asked = one.requests
        if what == "times":
            here = None if asked.here is None else replace(asked.here, at=None)
            asked = replace(asked, past=replace(asked.past, at=None), here=here, now=None)
            return replace(one, train=replace(one.train, at=None), requests=asked)
        nobody = asked.past.keep(np.zeros(len(asked.past.items), dtype=np.bool_))
        return replace(one, requests=replace(asked, past=nobody))

    return blind(fold), replace(protocol, cut=lambda past: blind(protocol.cut(past)))


def withholdable(fold: Fold, protocol: Protocol) -> list[str]:
    """What can be withheld from the pipeline on these requests."""
    timed = fold.train.at is not None and fold.requests.now is not None
    found = ["times"] if timed and not protocol.needs_time else []
    if fold.requests.here is not None and len(fold.requests.past.items):
        found.append("history")
    return found


def _verdict(
    one: Measured, best: Measured | None, protocol: Protocol, bar: float, seed: int
) -> dict[str, Any]:
    """Ratio to the best peer with its interval; for a peer, to the best peer too, without a bar."""
    metric = protocol.metric
    if best is None:
        return {"ratio": None, "bar": bar if one.default else None, "holds": None}
    ratio = ratio_interval(one.figures[metric], best.figures[metric], seed=seed)
    told: dict[str, Any] = {
        "metric": metric,
        "ratio": round(ratio.mean, 4),
        "ratio_low": round(ratio.low, 4),
        "ratio_high": round(ratio.high, 4),
        "against": best.name,
        "bar": bar if one.default else None,
        "holds": holds(ratio.mean, ratio.low, bar) if one.default else None,
    }
    if one.default:
        told["p"] = permutation_test(one.figures[metric], best.figures[metric], seed=seed)
    return told


def holds(ratio: float, low: float, bar: float) -> bool:
    """A ratio above 1 counts when its interval excludes 1; a bar of 1 when the lower end is at least 0.98."""
    return low >= 0.98 if bar <= 1 else ratio >= bar and low > 1
