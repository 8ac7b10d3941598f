"""The default pipeline on a large shop: members, evidence, ranker, and then the lists of some requests.

Ten million events of half a million shoppers over a hundred thousand items, on two cores, under an hour and in 16 GB.
The log is made by us (see `cooccurrence`): it tells what a fit costs, not how good its lists are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.cooccurrence import Size, made
from benchmarks.harness import Bench, Row, in_child, peak_rss
from reco_plugin.evaluation.protocols import drawn, protocols
from reco_plugin.metrics import ndcg_at_k
from reco_plugin.ranking import blend
from reco_plugin.ranking.folds import Fold
from reco_plugin.trainers.histories import histories
from reco_plugin.trainers.occasions import visit_numbers

TITLE = "The default pipeline learnt from ten million events"
LARGE = Size(events=10_000_000, items=100_000, shoppers=500_000)
QUICK = Size(events=100_000, items=2_000, shoppers=5_000)
MINUTES, MEMORY_MB = 60.0, 16 * 1024
ASKED = 2_000
THREADS = 2
K = 10


def run(bench: Bench) -> Iterator[Row]:
    """In a process of its own, whose memory is that of nothing else."""
    told = in_child("benchmarks.pipeline_fit:fitted", **asdict(QUICK if bench.quick else LARGE))
    found = told.value
    yield Row.at_most("fit", found["seconds"] / 60, MINUTES, 1.0, unit="min", note=found["note"])
    yield Row.at_most(
        "peak memory", found["peak_mb"], MEMORY_MB, 1.0, unit="MiB", note="log included"
    )


def fitted(**size: int) -> dict[str, Any]:
    """Seconds of the fit, the peak, and what was learnt by whom for how long."""
    protocol = protocols(0)["time"]
    fold = protocol.cut(_log(Size(**size)))
    fold = drawn(fold, ASKED, 0)
    began = time.perf_counter()
    found = blend.fit(fold.train, protocol.inner, fold.requests, threads=THREADS)
    took = time.perf_counter() - began
    began = time.perf_counter()
    lists = found.rank(fold.requests, K)
    ms = (time.perf_counter() - began) * 1000 / len(lists)
    parts = {**found.seconds, **found.members.seconds}
    words = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in parts.items())
    quality = float(ndcg_at_k(lists, fold.wanted, K).mean())
    note = f"{len(fold.train.items):,} events; {words}; {ms:.1f} ms a request, {_beside(fold, quality)}"
    return {"seconds": took, "peak_mb": peak_rss(), "note": note}


def _beside(fold: Fold, quality: float) -> str:
    """A broken pipeline would be quick as well."""
    most = np.argsort(-fold.train.counts(), kind="stable")[:K].astype(np.int32)
    popular = float(ndcg_at_k(np.tile(most, (len(fold.requests), 1)), fold.wanted, K).mean())
    return f"NDCG@10 {quality:.4f} beside {popular:.4f} of what sells most"


def _log(size: Size) -> Any:
    log = made(size)
    order = np.lexsort((log.at, log.shopper))
    visit = visit_numbers(log.shopper, log.at)
    return histories(
        log.shopper[order],
        log.item[order],
        n_rows=size.shoppers,
        n_items=size.items,
        at=log.at[order],
        basket=visit[order],
    )
