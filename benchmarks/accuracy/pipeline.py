"""The same log through the product: orders imported, jobs run, pages asked; and the same by arrays alone.

What may be learnt from becomes the shop's past orders, moved in time so that the last is of this minute. The
product imports them, learns its blend and serves `personal`; beside that the blend is learnt from the log as it was
read, and ranks without a database. Both are asked the requests of the protocol.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.harness import KEY, close, create_database, migrate, server
from reco_plugin import metrics
from reco_plugin.ranking.folds import Fold
from reco_plugin.trainers.histories import Histories, histories
from reco_plugin.types import Ints

K = 10
MOST = 500
"""Requests, by default."""
AGREED = 0.9
"""Share of lists that must be the same, place by place."""
DEEP = 1_000
"""Candidates looked through for what is new."""
MINUTE, HOUR = 60_000_000, 3_600_000_000
JOBS = ("sync_items", "popular", "behaviour", "blend")


class CannotServe(Exception):
    """This protocol asks what no page is asked, or the product refused; the message says why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """(n, K) lists of each way, and what they cost."""

    served: Ints
    offline: Ints
    seconds: Mapping[str, float]
    ms_per_request: float
    note: str


def lines(fold: Fold, titles: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """One line per way, and how far they agree. Raises CannotServe."""
    found = answers(fold, titles)
    for name in ("served", "offline"):
        lists: Ints = getattr(found, name)
        yield {
            "name": f"pipeline, {name}",
            "requests": len(lists),
            "ndcg@10": float(metrics.ndcg_at_k(lists, fold.wanted, K).mean()),
            "recall@10": float(metrics.recall_at_k(lists, fold.wanted, K).mean()),
            "coverage": float(metrics.coverage(lists, fold.wanted.shape[1], K)),
            "ms_per_request": found.ms_per_request if name == "served" else None,
            "seconds": dict(found.seconds) if name == "served" else {},
            "note": found.note if name == "served" else "",
        }
    equal = (found.served == found.offline).all(axis=1)
    yield {
        "name": "agreement",
        "requests": len(equal),
        "equal": float(equal.mean()),
        "shared": float(np.mean([_shared(*pair) for pair in zip(found.served, found.offline, strict=True)])),
    }  # fmt: skip


def _shared(one: Ints, other: Ints) -> float:
    """Of the items of two lists."""
    mine, theirs = set(one[one >= 0].tolist()), set(other[other >= 0].tolist())
    return len(mine & theirs) / max(len(mine), len(theirs), 1)


def answers(fold: Fold, titles: Mapping[int, str]) -> Answers:
    """Both ways, on an embedded PostgreSQL that is gone at the end. Raises CannotServe."""
    if fold.shoppers is None or fold.requests.exclude is None or fold.requests.here is not None:
        raise CannotServe(
            "A page's `personal` is asked what is new to a known shopper: take --protocol time, last-basket or "
            "leave-last-out with --pipeline."
        )
    past = _moved(fold.train)
    with _shop() as seconds:
        from benchmarks.accuracy import serving

        serving.build(past, titles, seconds)
        run = serving.learn(JOBS, seconds)
        served, ms = serving.asked(fold.shoppers)
        offline = serving.offline(past, fold, run, DEEP)
    return Answers(
        served=served, offline=offline, seconds=seconds, ms_per_request=ms, note=run.verdict
    )


def _moved(past: Histories) -> Histories:
    """Its last event is of this minute; a log without times gets an hour between any two baskets."""
    now = int(time.time()) * 1_000_000 - MINUTE
    if past.at is not None:
        return replace(past, at=past.at + (now - int(past.at.max())))
    return replace(past, at=now - past.steps_back * HOUR)


def one_moment_each(past: Histories) -> Histories:
    """As orders tell it: all of a basket at the time of its first item, each product once, baskets of one moment
    together."""
    assert past.at is not None
    begins = np.flatnonzero(np.diff(past.step, prepend=-1))
    at = past.at[begins][past.step]
    first = np.unique(past.step * past.n_items + past.items, return_index=True)[1]
    kept = np.sort(first)
    rows, at = past.rows[kept], at[kept]
    return histories(
        rows,
        past.items[kept],
        n_rows=len(past),
        n_items=past.n_items,
        at=at,
        basket=np.unique(np.stack([rows, at]), axis=1, return_inverse=True)[1].ravel(),
    )


@contextmanager
def _shop() -> Iterator[dict[str, float]]:
    """An empty shop; what is yielded takes seconds by step."""
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder, server():
        os.environ |= {
            "BENCH_FOLDER": folder,
            "DJANGO_SETTINGS_MODULE": "benchmarks.accuracy.settings",
        }
        os.environ.pop(KEY, None)
        create_database("accuracy")
        import django

        django.setup()
        migrate()
        try:
            yield {}
        finally:
            close()


def moment(at: int) -> dt.datetime:
    """Of microseconds."""
    return dt.datetime.fromtimestamp(at / 1e6, dt.UTC)


def told(lines: list[dict[str, Any]]) -> None:
    """For people."""
    for line in lines:
        cells = [
            f"{name} {_cell(value)}" for name, value in line.items() if value not in (None, "", {})
        ]
        sys.stdout.write("  ".join(cells) + "\n")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
