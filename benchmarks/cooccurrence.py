"""What goes with what, counted: pairs of visits with their figures, and who followed whom, beside the bare product.

The floor is the plainest co-occurrence there is: XᵀX of visits by items in one piece, and the k largest of each
row. It knows no direction, no shoppers, no floor of k-anonymity, and keeps all of the product in memory.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.harness import Bench, Row, in_child, peak_rss, seconds, timing
from reco_plugin import artefacts
from reco_plugin.trainers import ledger
from reco_plugin.trainers.around import around
from reco_plugin.trainers.behaviour import BACKWARD, Events, configs, count
from reco_plugin.trainers.following import Trail, trail
from reco_plugin.trainers.occasions import Occasions, occasions, visit_numbers
from reco_plugin.trainers.pairs import Config
from reco_plugin.trainers.rules import rules

TITLE = "Counting what goes with what beside a bare product of matrices"
DEPTH = 50
CONFIG = Config(length=DEPTH)
RANKED = configs({})
BOUGHT = 0.1
"""Share of what is looked at that is bought."""
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
IN_DATABASE = Size(events=2_000_000, items=20_000, shoppers=80_000)
"""The same shop on a fifth of its shelves: for what reads and writes a database as well."""


def run(bench: Bench) -> Iterator[Row]:
    """Figure and floor each in a process of its own, whose memory is that of nothing else."""
    options = asdict(QUICK if bench.quick else Size())
    turns = 1 if bench.quick else 3
    ours_, bare_ = [], []
    with bench.progress(turns * 2 + 1, "count") as bar:
        for _ in range(turns):
            bare_.append(in_child("benchmarks.cooccurrence:bare", **options).value)
            bar.update()
            ours_.append(in_child("benchmarks.cooccurrence:ours", **options).value)
            bar.update()
        stored = options if bench.quick else asdict(IN_DATABASE)
        job = in_child("benchmarks.behaviour_day:job", **stored).value
        bar.update()
    counted = timing([(mine["count"], floor) for mine, floor in zip(ours_, bare_, strict=True)])
    yield Row.at_most(
        "pairs and sequences",
        counted.figure,
        counted.floor,
        BAR,
        ratio=counted.ratio,
        note=ours_[-1]["note"],
    )
    day = timing([(mine["day"], mine["whole"]) for mine in ours_])
    yield Row.at_most(
        "a day is added", day.figure, day.floor, DAY_SHARE, ratio=day.ratio, note=ours_[-1]["added"]
    )
    yield Row.at_most(
        "a day is added, by the job", job["day"], job["whole"], DAY_SHARE, note=job["note"]
    )
    peak = max(mine["peak_mb"] for mine in ours_)
    note = "the log and the update among it"
    yield Row.at_most("resident memory", peak, MEMORY_MB, 1.0, unit="MiB", note=note)


def ours(**size: int) -> dict[str, Any]:
    """Seconds of counting and listing, of the same with keeping the counts, and of adding a day to them."""
    log = made(Size(**size))
    moment = (DAYS - 1) * DAY
    with tempfile.TemporaryDirectory(prefix="reco-bench-") as folder:
        told = _whole(log.select(log.at < moment), Path(folder) / "counts.npz")
        told |= _day(log, moment, Path(folder) / "counts.npz")
    return {**told, "peak_mb": peak_rss()}


def _whole(log: Log, file: Path) -> dict[str, Any]:
    held, steps = matrices(log)
    began = time.perf_counter()
    pairs = around(steps, backward=BACKWARD)
    alike, after = (one.lists(CONFIG) for one in (pairs.unordered(), pairs))
    counted = time.perf_counter() - began
    note = f"{len(log):,} views, {len(held):,} visits; {len(alike.items):,} and {len(after.items):,} entries"
    del held, steps, pairs, alike, after

    def everything() -> None:
        events = log.events()
        found = count(events)
        for relation, one in found.items():
            one.lists(RANKED[relation])
        name = "bought_together"
        rules(events.baskets(), found[name], RANKED[name])
        artefacts.save(file, ledger.to_arrays(found), {})

    return {"count": counted, "whole": seconds(everything), "note": note}


def _day(log: Log, moment: int, file: Path) -> dict[str, Any]:
    """As the job does it: whoever was here that day, with and without it."""
    here = np.zeros(int(log.shopper.max()) + 1, bool)
    here[log.shopper[log.at >= moment]] = True
    theirs = log.select(here[log.shopper])
    written: list[int] = []

    def work() -> None:
        kept = ledger.from_arrays(artefacts.load(file)[0])
        after = count(theirs.events())
        before = count(theirs.select(theirs.at < moment).events())
        for relation, old in kept.items():
            delta = ledger.added(after[relation], before[relation], -1)
            kept[relation] = now = ledger.added(old, delta)
            rows = ledger.changed(delta, now, RANKED[relation])
            lists = [ledger.some(one, rows).lists(RANKED[relation]) for one in (old, now)]
            written.append(len(ledger.moved(*lists)))
        artefacts.save(file, ledger.to_arrays(kept), {})

    took = seconds(work)
    added = f"{int((log.at >= moment).sum()):,} events; {sum(written):,} lists to be written"
    return {"day": took, "added": added}


def bare(**size: int) -> float:
    """Seconds of XᵀX, and the largest of each row."""
    log = made(Size(**size))
    held, _ = matrices(log.select(log.at < (DAYS - 1) * DAY))
    return seconds(lambda: _largest((held.held.T.tocsr() @ held.held).tocsr(), DEPTH))


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

    def __len__(self) -> int:
        return len(self.item)

    def events(self) -> Events:
        """The same; BOUGHT of them are purchases."""
        return Events(
            shopper=self.shopper.astype(np.int32),
            item=self.item.astype(np.int32),
            at=self.at,
            bought=(self.at // MINUTE * 31 + self.item * 17) % round(1 / BOUGHT) == 0,
            n_items=self.n_items,
        )

    def select(self, chosen: npt.NDArray[np.bool_]) -> Log:
        """Those of the mask."""
        return Log(
            shopper=self.shopper[chosen],
            item=self.item[chosen],
            at=self.at[chosen],
            n_items=self.n_items,
        )


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
