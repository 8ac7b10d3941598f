"""Figures by slice: whom, and which products, do the lists serve worse? Small slices are not told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reco_plugin.evaluation.judging import Measured
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.metrics import bootstrap_interval
from reco_plugin.ranking.folds import Fold

FEWEST = 25
"""Requests below which a slice's figure is an accident, and might tell of a person."""
NEW_EVENTS = 2
HEAD = 0.8
"""Share of the events that the head of the catalogue has; the rest is its long tail."""
TOO_FEW = "too few to tell"
METRICS = ("recall", "ndcg", "hit")
PLACES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Some of the requests."""

    by: str
    """What is sliced by: 'shopper', 'product', 'category', the name of an attribute …"""
    name: str
    rows: npt.NDArray[np.bool_]
    """(n,) which requests are in it; slices of the same kind may overlap."""


def figures(
    one: Measured, fold: Fold, parts: Sequence[Part], protocol: Protocol, *, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Recall, NDCG and hit rate with bootstrap intervals in each part, JSON-able. A part of fewer than
    FEWEST requests has `words` instead."""
    for part in parts:
        count = int(part.rows.sum())
        told: dict[str, Any] = {"model": one.name, "by": part.by, "name": part.name, "n": count}
        if count < FEWEST:
            yield told | {"n": None, "words": TOO_FEW}
            continue
        for metric in METRICS:
            estimate = bootstrap_interval(one.figures[metric][part.rows], seed=seed)
            told[metric] = {
                "mean": round(estimate.mean, PLACES),
                "low": round(estimate.low, PLACES),
                "high": round(estimate.high, PLACES),
            }
        yield told


def of_shoppers(fold: Fold) -> list[Part]:
    """New, light and heavy shoppers, by how much they had done before."""
    lengths = fold.requests.past.lengths
    if not lengths.any():
        return []
    middle, much = np.quantile(lengths, [0.5, 0.8])
    named = {
        "new (1 or 2 events)": lengths <= NEW_EVENTS,
        "light (the lower half)": (lengths > NEW_EVENTS) & (lengths <= middle),
        "heavy (the upper fifth)": (lengths > NEW_EVENTS) & (lengths >= max(much, middle + 1)),
    }
    return [Part(by="shopper", name=name, rows=rows) for name, rows in named.items()]


def of_products(fold: Fold, *, new: npt.NDArray[np.bool_]) -> list[Part]:
    """Requests that wanted something of the long tail, of the head, or new (`new` (n_items,))."""
    counts = np.bincount(fold.train.items, minlength=fold.train.n_items)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    head = np.zeros(len(counts), dtype=np.bool_)
    head[order[before < HEAD * counts.sum()]] = True
    named = {
        "wanted the head (80 % of the events)": head,
        "wanted the long tail": ~head,
        "wanted a new product": new,
    }
    return [
        Part(by="product", name=name, rows=wanting(fold, items)) for name, items in named.items()
    ]


def wanting(fold: Fold, items: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(n,) requests that wanted any of `items` (n_items,)."""
    rows = np.repeat(np.arange(fold.wanted.shape[0]), np.diff(fold.wanted.indptr))
    found = np.zeros(fold.wanted.shape[0], dtype=np.bool_)
    found[rows[items[fold.wanted.indices]]] = True
    return found


def of_labels(by: str, labels: Sequence[str], *, most: int = 20) -> list[Part]:
    """One part for each of the commonest labels (n,); '' is not known, and in none."""
    known = np.array(labels, dtype=np.str_)
    names, counts = np.unique(known[known != ""], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [Part(by=by, name=str(names[at]), rows=known == names[at]) for at in order]
