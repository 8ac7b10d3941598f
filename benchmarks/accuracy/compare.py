"""Pipeline and peers on the same requests: the same cut, the same candidates, the same masking for all.

Judged by `reco_plugin.evaluation`, which `reco_compare` judges by too.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from reco_plugin.evaluation.contract import Model as Peer
from reco_plugin.evaluation.judging import Measured, judged, whole
from reco_plugin.evaluation.measuring import alone, chosen, in_batches
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.evaluation.verdicts import holds, lines
from reco_plugin.ranking import blend
from reco_plugin.ranking.folds import Fold
from reco_plugin.ranking.rankers import AUTO
from reco_plugin.types import Features

__all__ = [
    "PIPELINE",
    "Measured",
    "depth",
    "holds",
    "judged",
    "lines",
    "measured",
    "pipeline",
    "whole",
    "withheld",
    "withholdable",
]

PIPELINE = "default pipeline"


def depth(fold: Fold, protocol: Protocol) -> int:
    """How long lists are: all of the eligible items where few are, to judge their whole order."""
    if protocol.needs_features and fold.requests.eligible is not None:
        return max(int(fold.requests.eligible.sum()), 11)
    return max(protocol.k, 10)


def pipeline(
    fold: Fold,
    protocol: Protocol,
    *,
    features: Features | None,
    seed: int,
    threads: int,
    name: str = PIPELINE,
    ranker: str = AUTO,
) -> Measured:
    """The default pipeline, fitted with nothing but the part that may be learnt from."""
    began = time.perf_counter()
    found = blend.fit(
        fold.train,
        protocol.inner,
        fold.requests,
        features=features,
        ranker=ranker,
        seed=seed,
        threads=threads,
    )
    fit_s = time.perf_counter() - began
    k = depth(fold, protocol)
    began = time.perf_counter()
    lists = found.rank(fold.requests, k)
    ms = (time.perf_counter() - began) * 1000 / max(len(lists), 1)
    single = alone(lambda rows: found.rank(fold.requests.select(rows), k), len(lists))
    took = found.members.seconds
    slowest, longest = max(took.items(), key=lambda one: one[1], default=("none", 0.0))
    return judged(
        name,
        lists,
        fold,
        protocol.k,
        fit_s=fit_s,
        ms=ms,
        default=name == PIPELINE,
        own=True,
        note="; ".join(
            filter(
                None,
                [f"slowest member {slowest} {longest:.1f} s", found.note],
            )
        ),
        alone_p50_ms=float(np.percentile(single, 50)),
        alone_p90_ms=float(np.percentile(single, 90)),
        fit_parts_s={name: round(seconds, 3) for name, seconds in found.seconds.items()},
        members_s={name: round(seconds, 3) for name, seconds in took.items()},
        cost_ratio=fit_s / max(longest, 1e-9),
        memory_mb=_peak(),
    )


def _peak() -> float:
    from benchmarks.harness import peak_rss

    return round(peak_rss(), 1)


def measured(peer: Peer, fold: Fold, inner: Fold, protocol: Protocol, seed: int) -> Measured:
    """A peer at the setting that does best on the inner cut, built again from all there is to learn from."""
    setting = chosen(peer, inner, protocol, seed)
    began = time.perf_counter()
    rank = peer.build(fold, setting)
    fit_s = time.perf_counter() - began
    began = time.perf_counter()
    lists = in_batches(rank, len(fold.requests), depth(fold, protocol))
    ms = (time.perf_counter() - began) * 1000 / max(len(lists), 1)
    note = "" if len(peer.grid) < 2 else f"best of {len(peer.grid)} settings: {setting}"
    return judged(peer.name, lists, fold, protocol.k, fit_s=fit_s, ms=ms, note=note)


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

    return blind(fold), replace(
        protocol,
        cut=lambda past: blind(protocol.cut(past)),
        tune=lambda past: blind(protocol.inner(past)),
    )


def withholdable(fold: Fold, protocol: Protocol) -> list[str]:
    """What can be withheld from the pipeline on these requests."""
    timed = fold.train.at is not None and fold.requests.now is not None
    found = ["times"] if timed and not protocol.needs_time else []
    if fold.requests.here is not None and len(fold.requests.past.items):
        found.append("history")
    return found
