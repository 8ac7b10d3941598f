"""What goes with what, counted: pairs of visits with their figures, and who followed whom, beside the bare product.

The floor is the plainest co-occurrence there is: XᵀX of visits by items in one piece, and the k largest of each
row. It knows no direction, no shoppers, no floor of k-anonymity, and keeps all of the product in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.harness import Bench, Row, in_child, seconds
from reco_plugin.trainers.around import around
from reco_plugin.trainers.following import Trail, trail
from reco_plugin.trainers.occasions import Occasions, occasions, visit_numbers
from reco_plugin.trainers.pairs import Config

TITLE = "Counting what goes with what beside a bare product of matrices"
DEPTH = 50
BAR, MEMORY_MB, DAY_SHARE = 1.5, 3 * 1024, 0.1
DAYS = 180
MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is."""

    events: int = 10_000_000
    items: int = 100_000
    shoppers: int = 400_000


QUICK = Size(events=300_000, items=10_000, shoppers=15_000)


def run(bench: Bench) -> Iterator[Row]:
    """Figure and floor each in a process of its own, whose memory is that of nothing else."""
    size = QUICK if bench.quick else Size()
    options = {"events": size.events, "items": size.items, "shoppers": size.shoppers}
    turns = 1 if bench.quick else 3
    with bench.progress(turns * 2, "count") as bar:
        pairs = []
        for _ in range(turns):
            floor = in_child("benchmarks.cooccurrence:bare", **options)
            bar.update()
            figure = in_child("benchmarks.cooccurrence:ours", **options)
            bar.update()
            pairs.append((figure.value, floor.value))
    ours_s = sorted(mine["seconds"] for mine, _ in pairs)[turns // 2]
    bare_s = sorted(base["seconds"] for _, base in pairs)[turns // 2]
    ratio = sorted(mine["seconds"] / base["seconds"] for mine, base in pairs)[turns // 2]
    told = pairs[-1][0]
    yield Row.at_most("pairs and sequences", ours_s, bare_s, BAR, ratio=ratio, note=told["note"])
    peak = max(mine["peak_mb"] for mine, _ in pairs)
    yield Row.at_most(
        "resident memory", peak, MEMORY_MB, 1.0, unit="MiB", note="the log's arrays among it"
    )


def ours(**size: int) -> dict[str, Any]:
    """Both relations, counted and listed."""
    from benchmarks.harness import peak_rss

    log = made(Size(**size))
    held, steps = matrices(log)
    del log
    found: list[int] = []

    def work() -> None:
        pairs = around(steps, backward=0.3)
        alike, after = (one.lists(Config(length=DEPTH)) for one in (pairs.unordered(), pairs))
        found.extend((len(alike.items), len(after.items)))

    took = seconds(work)
    note = (
        f"{held.held.nnz:,} products in {len(held):,} visits; {found[0]:,} and {found[1]:,} entries"
    )
    return {"seconds": took, "peak_mb": peak_rss(), "note": note}


def bare(**size: int) -> dict[str, Any]:
    """XᵀX, and the largest of each row."""
    held, _ = matrices(made(Size(**size)))
    took = seconds(lambda: _largest((held.held.T.tocsr() @ held.held).tocsr(), DEPTH))
    return {"seconds": took}


def _largest(product: sparse.csr_matrix, k: int) -> list[npt.NDArray[Any]]:
    found = []
    for row in range(product.shape[0]):
        start, stop = product.indptr[row], product.indptr[row + 1]
        values, items = product.data[start:stop], product.indices[start:stop]
        if len(values) > k:
            best = np.argpartition(-values, k)[:k]
            values, items = values[best], items[best]
        found.append(items[np.argsort(-values, kind="stable")])
    return found


# --- the log -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """(m,) views of shoppers."""

    shopper: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    n_items: int


def made(size: Size, seed: int = 0) -> Log:
    """Visits of about eight products, most of one theme; themes and products as popular as Zipf says."""
    random = np.random.default_rng(seed)
    visits = size.events // 8
    length = 1 + random.poisson(7, visits)
    themes = max(1, size.items // 50)
    theme = np.repeat(_zipf(random, visits, themes, 0.8), length)
    within = _zipf(random, len(theme), 50, 0.7)
    stray = random.random(len(theme)) < 0.2
    item = np.where(stray, _zipf(random, len(theme), size.items, 0.9), theme * 50 + within)
    shopper = np.repeat(random.integers(size.shoppers, size=visits), length)
    start = np.repeat(random.integers(DAYS * DAY, size=visits), length)
    place = np.arange(len(theme)) - np.repeat(np.cumsum(length) - length, length)
    return Log(
        shopper=shopper, item=item % size.items, at=start + place * MINUTE, n_items=size.items
    )


def _zipf(
    random: np.random.Generator, count: int, among: int, power: float
) -> npt.NDArray[np.int64]:
    shares = np.arange(1, among + 1) ** -power
    ends = np.cumsum(shares / shares.sum())
    return np.minimum(np.searchsorted(ends, random.random(count)), among - 1).astype(np.int64)


def matrices(log: Log) -> tuple[Occasions, Trail]:
    """The visits as a set of products each, and as products one after another."""
    visit = visit_numbers(log.shopper, log.at)
    held = occasions(log.shopper, log.item, visit, n_items=log.n_items)
    steps = trail(visit, log.item, log.at, log.shopper, n_items=log.n_items, longest=50)
    return held, steps
